"""A woman's four-view exam of known calcium mass."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydicom.uid import generate_uid

from bac_phantom import looks
from bac_phantom.beams import Beam, techniques
from bac_phantom.body.anatomy import Anatomy, BreastTraits, ViewName, build_anatomy
from bac_phantom.calcium.arteries import Artery, plan_arteries
from bac_phantom.calcium.courses import BodyPath, Projection, lay_course
from bac_phantom.config import DETECTORS, Detector, PhantomConfig
from bac_phantom.streams import stream
from bac_phantom.view import Laterality, Scene, View, make_view

VIEWS: tuple[tuple[Laterality, ViewName], ...] = (("L", "CC"), ("L", "MLO"), ("R", "CC"), ("R", "MLO"))
# Glandular fraction behind the nipple of an average breast of each BI-RADS density, and how common they are.
DENSITIES = {"A": (0.12, 0.2), "B": (0.3, 0.35), "C": (0.55, 0.3), "D": (0.85, 0.15)}


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


def _choose_look(rng: np.random.Generator, config: PhantomConfig) -> tuple[looks.Look, str]:
    """Draw how a woman's images are stored: the look, and the style of a presentation look ("" otherwise)."""
    kinds: tuple[looks.Look, ...] = ("raw", "raw-log", "presentation", "film")
    drawn = kinds[int(rng.choice(4, p=config.look_shares))]
    style = str(rng.choice(config.presentation_styles))
    look: looks.Look = drawn if config.look == "mixed" else config.look
    return look, style if look == "presentation" else ""


def _geometry(
    rng: np.random.Generator, traits: BreastTraits, view: ViewName, oblique: int
) -> tuple[Projection, BreastTraits]:
    """Draw a view's distances and thickness; the traits come back scaled to its detector plane."""
    sid_mm, gap_mm = float(rng.choice([650, 660, 700])), float(np.round(rng.uniform(15, 25), 1))
    thickness = float(np.round(np.clip(traits.thickness_mm + rng.normal(0, 3), 20, 90)))
    middle = sid_mm / (sid_mm - gap_mm - thickness / 2)
    scaled = dataclasses.replace(
        traits,
        depth_mm=traits.depth_mm * middle,
        half_height_mm=traits.half_height_mm * middle,
        thickness_mm=thickness,
    )
    half_extent = 0.7 * traits.half_height_mm
    return Projection(view, (0.0, 0.0), 0.0, sid_mm, gap_mm, thickness, half_extent, oblique), scaled


def _lay(
    rng: np.random.Generator,
    arteries: list[Artery],
    views: Sequence[tuple[Anatomy, Projection]],
    pitch_mm: float,
    traits: BreastTraits,
) -> list[tuple[Artery, BodyPath]]:
    """Lay all arteries; the calcium of one that finds no room goes to the others."""
    laid: dict[int, BodyPath] = {}
    for index, artery in enumerate(arteries):
        stem = None if artery.parent is None else laid.get(artery.parent)
        course = lay_course(rng, artery, views, pitch_mm, (traits.depth_mm, traits.half_height_mm), stem)
        if course is not None:
            laid[index] = course
    wanted, found = sum(a.mass_mg for a in arteries), sum(arteries[k].mass_mg for k in laid)
    return [
        (dataclasses.replace(arteries[k], mass_mg=arteries[k].mass_mg * wanted / found), course)
        for k, course in laid.items()
    ]


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
        Both views of a breast show the same arteries, so its truth is the calcium of either, whatever a
        film's border or label covers.
    """
    config = config or PhantomConfig()
    rng = stream(seed, "woman", 0)
    detector = DETECTORS[str(rng.choice(config.detectors))]
    thickness = float(rng.uniform(*config.thickness_range_mm))
    density = str(rng.choice(list(DENSITIES), p=[share for _, share in DENSITIES.values()]))
    glandular = DENSITIES[density][0] * float(rng.uniform(0.75, 1.2))
    size = float(rng.uniform(0.0, 1.0))
    drawn = bool(rng.random() < config.positive_share)
    low, high = config.mass_range_mg
    drawn_mass = float(np.exp(rng.uniform(np.log(low), np.log(high))))
    has_bac = mass_mg is not None or (drawn if positive is None else positive)
    total = (drawn_mass if mass_mg is None else mass_mg) if has_bac else 0.0
    left_share = float(rng.choice([0.0, 1.0, rng.uniform(0.25, 0.75)], p=[0.12, 0.12, 0.76]))
    look, style = _choose_look(rng, config)
    beam = _choose_beam(rng, detector, thickness)
    study_uid = _uid(seed, look, "study", config)
    breasts: dict[Laterality, float] = {}
    views: list[View] = []
    sides: tuple[tuple[Laterality, float], ...] = (("L", left_share), ("R", 1 - left_share))
    for number, (side, share) in enumerate(sides):
        traits = BreastTraits(
            depth_mm=65 + 75 * size + float(rng.normal(0, 4)),
            half_height_mm=65 + 45 * size + float(rng.normal(0, 4)),
            thickness_mm=thickness,
            density=min(glandular * float(rng.uniform(0.9, 1.1)), 0.9),
            strands=float(rng.beta(1.5, 1.5)),
            vessels=int(rng.integers(3, 22)),
            curvature=float(rng.uniform(1.7, 2.4)),
        )
        mass = total * share
        arteries = plan_arteries(rng, mass, config.outer_width_range_mm) if mass > 0.05 else []
        seen = []
        for index in (2 * number, 2 * number + 1):
            own = stream(seed, "anatomy", index)
            seen.append(_anatomy(own, detector, traits, index, config))
        # Its own stream: where the arteries lie must not hang on how the tissue was drawn.
        courses = _lay(stream(seed, "arteries", number), arteries, seen, detector.pitch_mm, traits)
        for index, (anatomy, projection) in zip((2 * number, 2 * number + 1), seen, strict=True):
            facts = _facts(seed, index, config, look, study_uid, detector, beam, projection)
            scene = Scene(
                seed,
                index,
                projection,
                anatomy,
                courses,
                detector,
                beam,
                config,
                look,
                style,
                {**facts, "density": density},
            )
            views.append(make_view(scene, side))
        breasts[side] = float(np.mean([v.drawn_mass_mg for v in views[-2:]]))
    return Woman(seed, study_uid, breasts, tuple(views))


def _anatomy(
    rng: np.random.Generator, detector: Detector, traits: BreastTraits, index: int, config: PhantomConfig
) -> tuple[Anatomy, Projection]:
    laterality, view = VIEWS[index]
    projection, scaled = _geometry(rng, traits, view, 1 if laterality == "L" else -1)
    shape = (detector.rows, detector.columns)
    anatomy = build_anatomy(rng, scaled, view, shape, detector.pitch_mm, config.hard_negatives)
    axis = 0.5 * detector.rows * detector.pitch_mm
    return anatomy, dataclasses.replace(projection, nipple_mm=anatomy.nipple_mm, axis_row_mm=axis)


def _facts(
    seed: int,
    index: int,
    config: PhantomConfig,
    look: looks.Look,
    study_uid: str,
    detector: Detector,
    beam: Beam,
    projection: Projection,
) -> dict[str, Any]:
    """Collect what the header and the truth say of a view."""
    off = stream(seed, "header", index).uniform(-1, 1) * config.header_thickness_error_mm
    return {
        "woman_seed": seed,
        "sop_instance_uid": _uid(seed, look, index, config),
        "series_instance_uid": _uid(seed, look, "series", index, config),
        "study_instance_uid": study_uid,
        "raw": look in ("raw", "raw-log"),
        "log": look == "raw-log",
        "pitch_mm": detector.pitch_mm,
        "sid_mm": projection.sid_mm,
        "gap_mm": projection.gap_mm,
        "true_thickness_mm": projection.thickness_mm,
        "thickness_mm": float(np.round(projection.thickness_mm + off)),
        "anode": beam.anode,
        "filter_material": beam.filter_material,
        "filter_thickness_mm": beam.filter_thickness_mm,
        "kvp": beam.kvp,
        "detector": beam.detector,
    }
