"""From probabilities to vessels: outline, false alarms out, gaps bridged, length and width."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from bac_imaging.grid.window import outside, widened
from bac_imaging.grid.working_grid import Window, window_of
from bac_imaging.vessels.centre_line import line_length_mm
from bac_imaging.vessels.demands import PostProcessing
from bac_imaging.vessels.discs import dilate_octagon, erode_octagon

FloatArray = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int32]


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
    companions : frozenset of int
        Numbers of the vessels that count only beside another, which reaches the seed itself.
    """

    mask: BoolArray
    core: BoolArray
    zones: IntArray
    lengths_mm: tuple[float, ...]
    peak: float
    boxes: tuple[Window, ...]
    companions: frozenset[int] = frozenset()

    def without(self, numbers: Collection[int]) -> list[int]:
        """Return the numbers that fall where these do: all of them when only companions are left."""
        everyone = range(1, len(self.lengths_mm) + 1)
        left = set(everyone).difference(numbers)
        return list(everyone) if numbers and left <= self.companions else sorted(numbers)


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
    companions: set[int] = set()
    pixel_area = spacing_mm[0] * spacing_mm[1]
    for number, extent, is_sure in _large(groups, core, inside, parameters, pixel_area):
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
        if not is_sure:
            companions.add(len(lengths))
        boxes.append(outside(box, window))
        mask[boxes[-1]] |= whole
        cores[boxes[-1]] |= piece
        zones[boxes[-1]][zone] = len(lengths)
    if lengths and len(companions) == len(lengths):
        nothing = np.zeros(shape, dtype=bool)
        return Segmentation(nothing, nothing, np.zeros_like(zones), (), peak_of(probability), ())
    peak = peak_of(probability[cores] if lengths else probability)
    return Segmentation(mask, cores, zones, tuple(lengths), peak, tuple(boxes), frozenset(companions))


def _large(
    groups: IntArray, core: BoolArray, probability: FloatArray, parameters: PostProcessing, pixel_area: float
) -> Iterator[tuple[int, Window, bool]]:
    """Give number and extent of groups of cores with the area of a vessel, and whether they reach its seed.

    They come only if they reach that of a companion. If no group reaches the seed itself, none comes.

    They are counted at the cores' own pixels: most groups are specks, and a look at each takes longer.
    """
    points = np.argwhere(core)
    owner = groups[core]
    area = np.bincount(owner) * pixel_area
    large = area >= parameters.min_area_mm2

    def reaching(least: float) -> BoolArray:
        return large & (np.bincount(owner[probability[core] >= least], minlength=len(area)) > 0)

    sure = reaching(parameters.seed)
    for number in np.flatnonzero(reaching(parameters.least_seed)) if sure.any() else ():
        own = points[owner == number]
        (first, left), (last, right) = own.min(axis=0), own.max(axis=0)
        extent = slice(int(first), int(last) + 1), slice(int(left), int(right) + 1)
        yield int(number), extent, bool(sure[number])


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
    companions = frozenset(kept.index(number) + 1 for number in segmentation.companions.intersection(kept))
    boxes = tuple(segmentation.boxes[number - 1] for number in kept)
    for new, (number, box) in enumerate(zip(kept, boxes, strict=True), start=1):
        zone = segmentation.zones[box] == number
        mask[box] |= segmentation.mask[box] & zone
        core[box] |= segmentation.core[box] & zone
        zones[box][zone] = new
    evidence = probability[core] if kept else np.where(segmentation.zones > 0, np.float32(0), probability)
    return Segmentation(mask, core, zones, lengths, peak_of(evidence), boxes, companions)


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
