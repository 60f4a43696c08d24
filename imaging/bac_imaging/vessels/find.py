"""From probabilities to vessels: outline, false alarms out, gaps bridged, length and width."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from bac_imaging.grid.window import outside, widened
from bac_imaging.grid.working_grid import Window, window_of
from bac_imaging.vessels.centre_line import line_length_mm
from bac_imaging.vessels.discs import dilate_octagon, erode_octagon

FloatArray = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int32]


@dataclass(frozen=True)
class PostProcessing:
    """What counts as a calcified vessel. Lengths in working pixels are those of the detector's plane.

    The defaults serve weights whose card gives no others. In serving, the model card's threshold is the
    outline, and its post-processing, chosen with it on validation women, takes the place of what it names.

    Attributes
    ----------
    outline : float
        Probability from which on a pixel lies in a vessel, if it is no farther than 0.2 mm from its core.
    core : float
        Probability from which on pixels make up the pieces that the demands below are held against. With
        a core above the outline, caution about what is a vessel does not make vessels thin.
    seed : float
        Probability that a piece must reach somewhere.
    min_area_mm2 : float
        Smallest vessel: 2 mm2 is 3 mm of a narrow artery.
    min_length_mm : float
        Shortest vessel: longer than benign round calcifications and rods of secretory disease are wide.
    min_elongation : float
        Smallest length over mean width; round things have about 1.
    bridge_mm : float
        Gaps between cores along a vessel that are narrower than this are bridged (the mask convention).

    Raises
    ------
    ValueError
        When the outline lies above the core.
    """

    outline: float = 0.5
    core: float = 0.5
    seed: float = 0.6
    min_area_mm2: float = 2.0
    min_length_mm: float = 5.0
    min_elongation: float = 2.0
    bridge_mm: float = 2.0

    def __post_init__(self) -> None:
        if self.outline > self.core:
            raise ValueError(f"the outline, {self.outline:g}, lies above the core, {self.core:g}")

    @classmethod
    def of(cls, threshold: float, chosen: Mapping[str, float]) -> PostProcessing:
        """Return what a model card says: its threshold is the outline.

        Parameters
        ----------
        threshold : float
            Probability.
        chosen : mapping of str to float
            Other fields. Without a core among them, the threshold is that too.
        """
        core = max(threshold, chosen.get("core", threshold))
        seed = max(core, chosen.get("seed", cls.seed))
        return cls(**{**chosen, "outline": threshold, "core": core, "seed": seed})

    def with_outline(self, outline: float) -> PostProcessing:
        """Return these with another outline; a core below it, or a seed below that, is raised to it."""
        core = max(self.core, outline)
        return replace(self, outline=outline, core=core, seed=max(self.seed, core))


@dataclass(frozen=True)
class Segmentation:
    """Vessels on the working grid.

    Attributes
    ----------
    mask, core : ndarray of bool, shape (h, w)
        Pixels of accepted vessels, and of their cores.
    zones : ndarray of int32, shape (h, w)
        Number of the vessel (from 1) whose bridged surroundings a pixel lies in, 0 for none.
    lengths_mm : tuple of float
        Length of each vessel in the detector's plane.
    peak : float
        Strongest evidence: the largest, over pieces, of the mean of a piece's 50 most probable pixels.
    boxes : tuple of (slice, slice)
        Rows and columns of each vessel's zone.
    """

    mask: BoolArray
    core: BoolArray
    zones: IntArray
    lengths_mm: tuple[float, ...]
    peak: float
    boxes: tuple[Window, ...]


_EVIDENCE_PX = 50  # 0.5 mm2: less than any vessel, more than a speck
_PART_PX = 4096  # of which the largest value is looked at first
_BEYOND_MM = 0.2  # the farthest that an outline runs from its core: the blur of an edge


def find_vessels(
    probability: FloatArray, spacing_mm: tuple[float, float], parameters: PostProcessing
) -> Segmentation:
    """Find the vessels in a probability map.

    Parameters
    ----------
    probability : ndarray of float32, shape (h, w)
        Probability on the working grid, 0 outside the breast.
    spacing_mm : tuple of float
        Working spacing (between rows, between columns) in mm.
    parameters : PostProcessing
        What counts as a vessel.

    Returns
    -------
    Segmentation
        Accepted vessels, in order of their first row.
    """
    shape = probability.shape
    mask, cores = np.zeros(shape, dtype=bool), np.zeros(shape, dtype=bool)
    zones = np.zeros(shape, dtype=np.int32)
    pixel_mm = float(np.sqrt(spacing_mm[0] * spacing_mm[1]))
    steps = max(1, round(parameters.bridge_mm / 2 / pixel_mm))
    everywhere = probability >= parameters.core
    window = window_of(everywhere, steps + 1)
    if window is None:
        return Segmentation(mask, cores, zones, (), peak_of(probability), ())
    inside, core = probability[window], everywhere[window]
    outlined = outline_of(core, inside, spacing_mm, parameters.outline)
    groups, _ = ndimage.label(dilate_octagon(core, *_steps(steps)), structure=np.ones((3, 3)))
    boxes: list[Window] = []
    lengths: list[float] = []
    pixel_area = spacing_mm[0] * spacing_mm[1]
    for number, extent in _large(groups, core, inside, parameters, pixel_area):
        box = widened(extent, steps, inside.shape)
        zone = groups[box] == number
        piece = core[box] & zone
        bridged = erode_octagon(zone, *_steps(steps))
        length = line_length_mm(bridged | piece, spacing_mm)
        width = piece.sum() * pixel_area / max(length, pixel_mm)
        if length < parameters.min_length_mm or length < parameters.min_elongation * width:
            continue
        whole = outlined[box] & zone
        if whole.sum() > piece.sum():
            length = line_length_mm(bridged | whole, spacing_mm)
        lengths.append(length)
        boxes.append(outside(box, window))
        mask[boxes[-1]] |= whole
        cores[boxes[-1]] |= piece
        zones[boxes[-1]][zone] = len(lengths)
    peak = peak_of(probability[cores] if lengths else probability)
    return Segmentation(mask, cores, zones, tuple(lengths), peak, tuple(boxes))


def _large(
    groups: IntArray, core: BoolArray, probability: FloatArray, parameters: PostProcessing, pixel_area: float
) -> Iterator[tuple[int, Window]]:
    """Give number and extent of the groups of cores with the area of a vessel that reach its seed somewhere.

    They are counted at the cores' own pixels: most groups are specks, and a look at each takes longer.
    """
    points = np.argwhere(core)
    owner = groups[core]
    area = np.bincount(owner) * pixel_area
    reached = np.bincount(owner[probability[core] >= parameters.seed], minlength=len(area)) > 0
    for number in np.flatnonzero(reached & (area >= parameters.min_area_mm2)):
        own = points[owner == number]
        (first, left), (last, right) = own.min(axis=0), own.max(axis=0)
        yield int(number), (slice(int(first), int(last) + 1), slice(int(left), int(right) + 1))


def outline_of(
    core: BoolArray, probability: FloatArray, spacing_mm: tuple[float, float], outline: float
) -> BoolArray:
    """Return cores, bool (h, w), with the pixels within 0.2 mm of them from the probability `outline` on."""
    steps = round(_BEYOND_MM / float(np.sqrt(spacing_mm[0] * spacing_mm[1])))
    return core | (dilate_octagon(core, *_steps(steps)) & (probability >= outline))


def leave_out(segmentation: Segmentation, numbers: Collection[int], probability: FloatArray) -> Segmentation:
    """Take vessels out of a segmentation.

    Parameters
    ----------
    segmentation : Segmentation
        Vessels.
    numbers : collection of int
        Numbers, from 1, of those that turned out to be none.
    probability : ndarray of float32, shape (h, w)
        Probability on the working grid.

    Returns
    -------
    Segmentation
        The others, numbered anew in the same order; its evidence is theirs.
    """
    if not numbers:
        return segmentation
    kept = [number for number in range(1, len(segmentation.lengths_mm) + 1) if number not in numbers]
    mask, core = np.zeros_like(segmentation.mask), np.zeros_like(segmentation.core)
    zones = np.zeros_like(segmentation.zones)
    lengths = tuple(segmentation.lengths_mm[number - 1] for number in kept)
    boxes = tuple(segmentation.boxes[number - 1] for number in kept)
    for new, (number, box) in enumerate(zip(kept, boxes, strict=True), start=1):
        zone = segmentation.zones[box] == number
        mask[box] |= segmentation.mask[box] & zone
        core[box] |= segmentation.core[box] & zone
        zones[box][zone] = new
    evidence = probability[core] if kept else np.where(segmentation.zones > 0, np.float32(0), probability)
    return Segmentation(mask, core, zones, lengths, peak_of(evidence), boxes)


def peak_of(values: FloatArray) -> float:
    """Return the mean of the 50 largest values, of all where there are fewer; 0 of none.

    Of a whole image's, most need not be ordered: the 50 largest are no less than the 50th largest of the
    maxima of its parts.
    """
    flat = values.ravel()
    if flat.size <= _EVIDENCE_PX:
        return float(flat.mean()) if flat.size else 0.0
    if flat.size > 2 * _EVIDENCE_PX * _PART_PX:
        maxima = np.maximum.reduceat(flat, np.arange(0, flat.size, _PART_PX))
        least = np.partition(maxima, maxima.size - _EVIDENCE_PX)[-_EVIDENCE_PX]
        flat = flat[~(flat < least)]  # no number counts as large
    return float(np.partition(flat, flat.size - _EVIDENCE_PX)[-_EVIDENCE_PX:].mean())


def _steps(radius: int) -> tuple[int, int]:
    """Return how many steps of a cross and of a square make an octagon of this radius, close to a disc."""
    square = round(0.3 * radius)
    return radius - square, square
