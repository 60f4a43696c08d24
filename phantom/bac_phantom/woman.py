"""A woman's four-view exam of known calcium mass."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydicom.uid import generate_uid
from scipy import ndimage

from bac_phantom import looks
from bac_phantom.anatomy import BreastTraits, ViewName, build_anatomy
from bac_phantom.arteries import Artery, draw_artery, place_artery, plan_arteries
from bac_phantom.beams import Beam, techniques
from bac_phantom.calcifications import add_calcifications
from bac_phantom.config import DETECTORS, Detector, PhantomConfig
from bac_phantom.dicom import encode_dicom, encode_film
from bac_phantom.render import Exposure, expose

Laterality = Literal["L", "R"]
VIEWS: tuple[tuple[Laterality, ViewName], ...] = (("L", "CC"), ("L", "MLO"), ("R", "CC"), ("R", "MLO"))


@dataclass(frozen=True)
class View:
    """One image with its truth. Masks and pixels lie in the stored matrix, (row, column)."""

    laterality: Laterality
    view: ViewName
    look: looks.Look
    mask: npt.NDArray[np.bool_] = field(repr=False)
    calcium_mass_mg: float
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
            "calcium_mass_mg": round(self.calcium_mass_mg, 4),
            "area_mm2": round(self.area_mm2, 3),
            "pixel_spacing_mm": list(self.pixel_spacing_mm) if self.pixel_spacing_mm else None,
            "detector_pitch_mm": facts["pitch_mm"],
            "thickness_mm": facts["thickness_mm"],
            "beam": {
                k: facts[k] for k in ("anode", "filter_material", "filter_thickness_mm", "kvp", "detector")
            },
            "grid": facts["grid"],
            "scatter_to_primary": round(facts["scatter_to_primary"], 4),
            "other_calcifications": facts["other_calcifications"],
            "arteries": facts["arteries"],
        }


@dataclass(frozen=True)
class Woman:
    """A four-view exam and its truth."""

    seed: int
    study_instance_uid: str
    breasts: dict[Laterality, float]
    views: tuple[View, ...]

    @property
    def calcium_mass_mg(self) -> float:
        """True calcium mass: left and right breast together, mg."""
        return sum(self.breasts.values())


def _uid(*parts: object) -> str:
    return str(generate_uid(prefix="2.25.", entropy_srcs=["bac_phantom", *map(str, parts)]))


def _choose_beam(rng: np.random.Generator, detector: Detector, thickness_mm: float) -> Beam:
    anode, material = detector.anode_filters[int(rng.integers(len(detector.anode_filters)))]
    options = [t for t in techniques() if t[:2] == (anode, material)]
    # Thicker breasts get a harder beam, as automatic exposure control does.
    rank = np.clip((thickness_mm - 25) / 50 * len(options) + rng.normal(0, 0.5), 0, len(options) - 1)
    _, _, thickness, kvp = options[int(rank)]
    return Beam(anode, material, thickness, kvp, detector.material)


def _make_view(
    seed: int,
    index: int,
    config: PhantomConfig,
    detector: Detector,
    traits: BreastTraits,
    arteries: list[Artery],
    beam: Beam,
    look: looks.Look,
    study_uid: str,
) -> View:
    laterality, view = VIEWS[index]
    rng = np.random.default_rng([seed, index + 1])
    sid_mm, gap_mm = float(rng.choice([650, 660, 700])), float(np.round(rng.uniform(15, 25), 1))
    thickness = float(np.round(np.clip(traits.thickness_mm + rng.normal(0, 3), 20, 90)))
    pitch, shape = detector.pitch_mm, (detector.rows, detector.columns)
    middle = sid_mm / (sid_mm - gap_mm - thickness / 2)
    scaled = dataclasses.replace(
        traits,
        depth_mm=traits.depth_mm * middle,
        half_height_mm=traits.half_height_mm * middle,
        thickness_mm=thickness,
    )
    anatomy = build_anatomy(rng, scaled, view, shape, pitch)
    calcium, kinds = add_calcifications(rng, anatomy, pitch, config.other_calcifications)
    mask = np.zeros(shape, dtype=bool)
    mass_mg = area_mm2 = 0.0
    drawn_arteries = []
    for artery in arteries:
        height = artery.height_fraction * thickness
        magnification = sid_mm / (sid_mm - gap_mm - height)
        path = place_artery(rng, artery, magnification, anatomy.depth_px, pitch, anatomy.nipple_mm)
        drawn = draw_artery(artery, path, magnification, pitch, shape)
        if drawn is None:
            continue
        np.add.at(calcium, (drawn.rows, drawn.columns), drawn.calcium_mg_mm2)
        # Blood and wall take the place of the tissue that is there: only its fat makes a difference.
        fat = anatomy.adipose_mm[drawn.rows, drawn.columns]
        displaced = (
            drawn.soft_tissue_mm * fat / np.maximum(fat + anatomy.gland_mm[drawn.rows, drawn.columns], 1e-3)
        )
        displaced = np.minimum(displaced, fat)
        anatomy.gland_mm[drawn.rows, drawn.columns] += displaced
        anatomy.adipose_mm[drawn.rows, drawn.columns] -= displaced
        new = drawn.truth & ~mask[drawn.rows, drawn.columns]
        mask[drawn.rows[drawn.truth], drawn.columns[drawn.truth]] = True
        mass_mg += artery.mass_mg
        area_mm2 += float(new.sum()) * (pitch / magnification) ** 2
        drawn_arteries.append(
            {
                "calcium_mass_mg": round(artery.mass_mg, 4),
                "outer_width_mm": round(drawn.width_mm, 3),
                "visible_length_mm": round(drawn.visible_length_mm, 2),
                "magnification": round(magnification, 5),
                "coverage": round(artery.coverage, 3),
            }
        )
    # Sharp bends leave single pixels out; a loop's inside, however small, is no artery.
    mask = ndimage.binary_closing(np.pad(mask, 1), np.ones((3, 3)))[1:-1, 1:-1] if mask.any() else mask
    has_grid = bool(rng.random() < 0.9)
    scatter = (0.04 + 0.0016 * thickness if has_grid else 0.25 + 0.006 * thickness) * rng.uniform(0.85, 1.15)
    exposure = Exposure(
        beam,
        has_grid,
        float(scatter),
        float(rng.uniform(0.03, 0.05) if detector.material == "a-Se" else rng.uniform(0.06, 0.1)),
        float(np.exp(rng.uniform(np.log(1.2e5), np.log(5e5)))),
        0.0,
    )
    signal = expose(rng, anatomy, calcium, exposure, pitch)
    if look == "raw":
        stored = looks.raw_linear(signal)
    elif look == "raw-log":
        stored = looks.raw_log(signal)
    elif look == "presentation":
        stored = looks.presentation(rng, signal, anatomy.inside, pitch)
    else:
        stored = looks.film(rng, signal, anatomy.inside, pitch, f"{laterality}{view}")
    flipped = laterality == "R"
    if flipped:
        mask = np.ascontiguousarray(mask[:, ::-1])
        stored = dataclasses.replace(stored, pixels=np.ascontiguousarray(stored.pixels[:, ::-1]))
    facts: dict[str, Any] = {
        "woman_seed": seed,
        "sop_instance_uid": _uid(seed, look, index, config),
        "series_instance_uid": _uid(seed, look, "series", index, config),
        "study_instance_uid": study_uid,
        "instance_number": index + 1,
        "laterality": laterality,
        "view": view,
        "flipped": flipped,
        "raw": look in ("raw", "raw-log"),
        "log": look == "raw-log",
        "pitch_mm": pitch,
        "sid_mm": sid_mm,
        "gap_mm": gap_mm,
        "thickness_mm": thickness,
        "anode": beam.anode,
        "filter_material": beam.filter_material,
        "filter_thickness_mm": beam.filter_thickness_mm,
        "kvp": beam.kvp,
        "detector": beam.detector,
        "grid": has_grid,
        "scatter_to_primary": float(scatter),
        "other_calcifications": kinds,
        "arteries": drawn_arteries,
    }
    return View(laterality, view, look, mask, mass_mg, area_mm2, stored, facts)


def make_woman(
    seed: int,
    config: PhantomConfig | None = None,
    *,
    positive: bool | None = None,
    mass_mg: float | None = None,
) -> Woman:
    """Make a woman's exam (LCC, LMLO, RCC, RMLO) of known calcium mass.

    Parameters
    ----------
    seed
        Any non-negative integer; the same seed and configuration give the same bytes.
    config
        What to draw from.
    positive
        Force calcification on or off; drawn by ``config.positive_share`` when None.
    mass_mg
        Force the woman's calcium mass, mg (implies ``positive``).

    Returns
    -------
    Woman
        The truth of a breast is the calcium that both of its views show.
    """
    config = config or PhantomConfig()
    rng = np.random.default_rng(seed)
    detector = DETECTORS[str(rng.choice(config.detectors))]
    thickness = float(rng.uniform(*config.thickness_range_mm))
    density = float(rng.choice([0.12, 0.3, 0.55, 0.85], p=[0.2, 0.35, 0.3, 0.15]) * rng.uniform(0.75, 1.2))
    size = float(rng.uniform(0.0, 1.0))
    drawn = bool(rng.random() < config.positive_share)
    low, high = config.mass_range_mg
    drawn_mass = float(np.exp(rng.uniform(np.log(low), np.log(high))))
    has_bac = mass_mg is not None or (drawn if positive is None else positive)
    total = (drawn_mass if mass_mg is None else mass_mg) if has_bac else 0.0
    left_share = float(rng.choice([0.0, 1.0, rng.uniform(0.25, 0.75)], p=[0.12, 0.12, 0.76]))
    look: looks.Look
    if config.look == "mixed":
        kinds: tuple[looks.Look, ...] = ("raw", "raw-log", "presentation", "film")
        look = kinds[int(rng.choice(4, p=[0.22, 0.08, 0.3, 0.4]))]
    else:
        look = config.look
    beam = _choose_beam(rng, detector, thickness)
    study_uid = _uid(seed, look, "study", config)
    breasts: dict[Laterality, float] = {}
    views: list[View] = []
    for side, share in (("L", left_share), ("R", 1 - left_share)):
        mass = total * share
        traits = BreastTraits(
            depth_mm=65 + 75 * size + float(rng.normal(0, 4)),
            half_height_mm=65 + 45 * size + float(rng.normal(0, 4)),
            thickness_mm=thickness,
            density=min(density * float(rng.uniform(0.9, 1.1)), 0.9),
            strands=float(rng.beta(1.5, 1.5)),
            vessels=int(rng.integers(3, 22)),
            curvature=float(rng.uniform(1.7, 2.4)),
        )
        arteries = plan_arteries(rng, mass) if mass > 0.05 else []
        for index, (laterality, _) in enumerate(VIEWS):
            if laterality == side:
                views.append(
                    _make_view(seed, index, config, detector, traits, arteries, beam, look, study_uid)
                )
        breasts["L" if side == "L" else "R"] = float(np.mean([v.calcium_mass_mg for v in views[-2:]]))
    return Woman(seed, study_uid, breasts, tuple(views))
