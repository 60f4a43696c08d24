"""One image of a phantom exam with its truth, and how it is made from anatomy, arteries and an exposure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from bac_phantom import looks
from bac_phantom.beams import Beam
from bac_phantom.body.anatomy import Anatomy, ViewName
from bac_phantom.calcium.arteries import Artery
from bac_phantom.calcium.calcifications import add_calcifications
from bac_phantom.calcium.courses import BodyPath, Projection
from bac_phantom.calcium.walls import DrawnArtery, draw_artery
from bac_phantom.config import Detector, PhantomConfig
from bac_phantom.dicom import encode_dicom, encode_film
from bac_phantom.render import Exposure, expose
from bac_phantom.streams import stream

Laterality = Literal["L", "R"]

# By how much blood and wall attenuate more than gland: ICRU 44 blood and muscle against Hammerstein's gland,
# 0.09 to 0.11 from 18 to 25 keV.
BLOOD_OVER_GLAND = 0.107


@dataclass(frozen=True)
class View:
    """One image with its truth. Masks and pixels lie in the stored matrix, (row, column).

    Mask, ``calcium_mass_mg`` and ``area_mm2`` leave out what a film's border or label covers;
    ``drawn_mass_mg`` is all the calcium of the view's arteries.
    """

    laterality: Laterality
    view: ViewName
    look: looks.Look
    mask: npt.NDArray[np.bool_] = field(repr=False)
    calcium_mass_mg: float
    drawn_mass_mg: float
    area_mm2: float
    stored: looks.Stored = field(repr=False)
    facts: dict[str, Any] = field(repr=False)

    @property
    def sop_instance_uid(self) -> str:
        """UID of the image; film scans use it as their file's name."""
        return str(self.facts["sop_instance_uid"])

    @property
    def suffix(self) -> str:
        """Ending of the file's name."""
        return ".tif" if self.look == "film" else ".dcm"

    @property
    def pixel_spacing_mm(self) -> tuple[float, float] | None:
        """Spacing (between rows, between columns) to pass along for a film scan; None for DICOM."""
        pitch = float(self.facts["pitch_mm"])
        return (pitch, pitch) if self.look == "film" else None

    def encode(self) -> bytes:
        """Return the file's bytes: DICOM, or TIFF for a film scan."""
        return encode_film(self.stored) if self.look == "film" else encode_dicom(self.stored, self.facts)

    def truth(self) -> dict[str, Any]:
        """Return the truth of this view as plain JSON types."""
        facts = self.facts
        return {
            "sop_instance_uid": self.sop_instance_uid,
            "laterality": self.laterality,
            "view": self.view,
            "look": self.look,
            "style": facts["style"],
            "density": facts["density"],
            "calcium_mass_mg": round(self.calcium_mass_mg, 4),
            "area_mm2": round(self.area_mm2, 3),
            "pixel_spacing_mm": list(self.pixel_spacing_mm) if self.pixel_spacing_mm else None,
            "detector_pitch_mm": facts["pitch_mm"],
            "thickness_mm": facts["true_thickness_mm"],
            "header_thickness_mm": facts["thickness_mm"],
            "beam": {
                k: facts[k] for k in ("anode", "filter_material", "filter_thickness_mm", "kvp", "detector")
            },
            "grid": facts["grid"],
            "scatter_to_primary": round(facts["scatter_to_primary"], 4),
            "hard_negatives": facts["hard_negatives"],
            "arteries": facts["arteries"],
        }


@dataclass(frozen=True)
class Scene:
    """All that one view is made from."""

    # of the woman, and of the view in her exam
    seed: int
    index: int
    # geometry and tissue
    projection: Projection
    anatomy: Anatomy
    courses: Sequence[tuple[Artery, BodyPath]]  # arteries with their courses through the body
    # what it is taken with and how it is stored
    detector: Detector
    beam: Beam
    config: PhantomConfig
    look: looks.Look
    style: str
    facts: dict[str, Any]  # what the header and the truth say beyond that


def _put(anatomy: Anatomy, calcium: npt.NDArray[np.float32], drawn: DrawnArtery) -> None:
    """Add an artery's calcium, and let its blood and wall take the place of what is there."""
    calcium[drawn.box] += drawn.calcium_mg_mm2
    # Fat makes way first, and what is denser than gland counts as that much more of it.
    fat, gland = anatomy.adipose_mm[drawn.box], anatomy.gland_mm[drawn.box]
    displaced = np.minimum(drawn.soft_tissue_mm * fat / np.maximum(fat + gland, 1e-3), fat)
    gland += displaced + np.float32(BLOOD_OVER_GLAND) * drawn.soft_tissue_mm
    fat -= displaced


def make_view(scene: Scene, laterality: Laterality) -> View:
    """Draw the arteries of a scene, expose it and store it. The scene's anatomy is used up."""
    rng = stream(scene.seed, "view", scene.index)
    config, detector, anatomy, view = scene.config, scene.detector, scene.anatomy, scene.projection.view
    pitch, shape = detector.pitch_mm, (detector.rows, detector.columns)
    calcium, kinds = add_calcifications(
        rng, anatomy, pitch, config.hard_negatives, config.hard_negative_rate, view
    )
    mask = np.zeros(shape, dtype=bool)
    shown: list[tuple[Artery, DrawnArtery]] = []
    area_mm2 = 0.0
    for artery, course in scene.courses:
        drawn = draw_artery(artery, course, scene.projection, pitch, shape)
        if drawn is None:
            continue
        _put(anatomy, calcium, drawn)
        new = drawn.truth & ~mask[drawn.box]
        mask[drawn.box] |= drawn.truth
        area_mm2 += float(new.sum()) * (pitch / drawn.magnification) ** 2
        shown.append((artery, drawn))
    drawn_px = max(int(mask.sum()), 1)
    # Sharp bends leave single pixels out; a loop's inside, however small, is no artery.
    mask = ndimage.binary_closing(np.pad(mask, 1), np.ones((3, 3)))[1:-1, 1:-1] if mask.any() else mask
    exposure = _exposure(rng, scene)
    signal = expose(rng, anatomy, calcium, exposure, pitch)
    stored = _store(rng, scene, signal, laterality)
    covered = stored.covered
    drawn_mg = sum(artery.mass_mg for artery, _ in shown)
    if covered is not None:
        # What lies under a film's border or a label is not seen, so it is no truth to be found.
        mask &= ~covered
        shown = [_uncovered(artery, drawn, covered[drawn.box]) for artery, drawn in shown]
    area_mm2 *= int(mask.sum()) / drawn_px
    flipped = laterality == "R"
    if flipped:
        mask = np.ascontiguousarray(mask[:, ::-1])
        covered = None if covered is None else covered[:, ::-1]
        stored = replace(stored, pixels=np.ascontiguousarray(stored.pixels[:, ::-1]), covered=covered)
    facts = {
        **scene.facts,
        "instance_number": scene.index + 1,
        "laterality": laterality,
        "view": view,
        "flipped": flipped,
        "style": scene.style,
        "grid": exposure.grid,
        "scatter_to_primary": exposure.scatter_to_primary,
        "hard_negatives": sorted({*kinds, *anatomy.kinds, *stored.kinds}),
        "arteries": [_artery_facts(a, d, laterality, shape, pitch) for a, d in shown],
    }
    mass_mg = sum(artery.mass_mg for artery, _ in shown)
    return View(laterality, view, scene.look, mask, mass_mg, drawn_mg, area_mm2, stored, facts)


def _uncovered(
    artery: Artery, drawn: DrawnArtery, covered: npt.NDArray[np.bool_]
) -> tuple[Artery, DrawnArtery]:
    """Leave out of an artery's mass and truth what lies under a film's border or a label."""
    calcium = drawn.calcium_mg_mm2
    share = float(calcium[~covered].sum(dtype=np.float64) / calcium.sum(dtype=np.float64))
    left = replace(drawn, truth=drawn.truth & ~covered, visible_mg=share * drawn.visible_mg)
    return replace(artery, mass_mg=share * artery.mass_mg), left


def _artery_facts(
    artery: Artery, drawn: DrawnArtery, laterality: Laterality, shape: tuple[int, int], pitch_mm: float
) -> dict[str, Any]:
    """Return what the truth says of an artery; mass, area and box are those of what is not covered."""
    return {
        "calcium_mass_mg": round(artery.mass_mg, 4),
        "visible_mass_mg": round(drawn.visible_mg, 4),
        "outer_width_mm": round(drawn.width_mm, 3),
        "visible_length_mm": round(drawn.visible_length_mm, 2),
        "area_mm2": round(float(drawn.truth.sum()) * (pitch_mm / drawn.magnification) ** 2, 3),
        "magnification": round(drawn.magnification, 5),
        "coverage": round(artery.coverage, 3),
        "branch": artery.parent is not None,
        "bbox_px": _bbox(drawn, laterality, shape),
    }


def _bbox(drawn: DrawnArtery, laterality: Laterality, shape: tuple[int, int]) -> list[int] | None:
    """Return the half-open box of the truth in the stored matrix: row0, column0, row1, column1."""
    if not drawn.truth.any():
        return None
    rows, columns = (np.flatnonzero(drawn.truth.any(axis=axis)) for axis in (1, 0))
    row0, row1 = (int(v) + drawn.box[0].start for v in (rows[0], rows[-1] + 1))
    column0, column1 = (int(v) + drawn.box[1].start for v in (columns[0], columns[-1] + 1))
    if laterality == "R":
        column0, column1 = shape[1] - column1, shape[1] - column0
    return [row0, column0, row1, column1]


def _exposure(rng: np.random.Generator, scene: Scene) -> Exposure:
    thickness = scene.projection.thickness_mm
    grid = bool(rng.random() < 0.9)
    # Without a grid 0.40 to 0.85 of the primary radiation was measured over the usual thicknesses (Barnes and
    # Brezovich, Radiology 126 (1978) 243): a range and no law. The straight line through it from 30 to 75 mm
    # is a choice. With a grid, about a fifth of it is left.
    scatter = (0.04 + 0.0016 * thickness if grid else 0.10 + 0.010 * thickness) * rng.uniform(0.85, 1.15)
    blur = rng.uniform(0.03, 0.05)
    quanta = np.exp(rng.uniform(np.log(1.2e5), np.log(5e5)))
    return Exposure(scene.beam, grid, float(scatter), float(blur), float(quanta), 0.0)


def _store(
    rng: np.random.Generator, scene: Scene, signal: npt.NDArray[np.float32], laterality: Laterality
) -> looks.Stored:
    inside, pitch = scene.anatomy.inside, scene.detector.pitch_mm
    if scene.look == "raw":
        return looks.raw_linear(signal)
    if scene.look == "raw-log":
        return looks.raw_log(signal, float(rng.choice(looks.LOG_SLOPES)))
    if scene.look == "presentation":
        return looks.presentation(rng, signal, inside, pitch, scene.style)
    text = f"{laterality}{scene.projection.view}"
    return looks.film(rng, signal, inside, pitch, text, scene.config.hard_negatives)
