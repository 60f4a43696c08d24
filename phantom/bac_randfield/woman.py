"""A woman's exam: two or four views of breasts that hold known calcium."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydicom.uid import generate_uid

from bac_randfield.body.outline import Build
from bac_randfield.body.tissue import Character
from bac_randfield.calcium.arteries import Artery, Setting, lay_arteries
from bac_randfield.calcium.drawn import Drawn
from bac_randfield.config import RandomFieldConfig
from bac_randfield.image import looks
from bac_randfield.image.detector import SYSTEMS, Exposure, System, choose_beam, choose_exposure
from bac_randfield.image.processing import STYLES, process
from bac_randfield.physics import Beam, FloatArray
from bac_randfield.scene import Scene, expose, make_outline
from bac_randfield.view import Look, View, Woman

_LOOKS = (("raw", 0.3), ("presentation", 0.42), ("copy", 0.16), ("film", 0.12))


@dataclass(frozen=True)
class Taken:
    """One view before it is stored, with what was used to take it."""

    laterality: str
    view: str
    scene: Scene
    beam: Beam
    exposure: Exposure
    setting: Setting
    columns: int


@dataclass(frozen=True)
class Exam:
    """A woman's views before they are stored: any look can be made of them."""

    seed: int
    system: System
    density: str
    taken: tuple[Taken, ...]


def take_exam(seed: int, config: RandomFieldConfig | None = None) -> Exam:
    """Make a woman and take her views. Looks have no part in it: each shows the same woman."""
    config = config or RandomFieldConfig()
    rng = np.random.default_rng((seed, 1))
    system = SYSTEMS[str(rng.choice(config.systems))]
    size, thickness = float(rng.uniform(0, 1)), float(rng.uniform(26, 78))
    volume = float(np.exp(rng.uniform(np.log(0.04), np.log(0.6))))
    letter = "ABCD"[int(np.searchsorted([0.08, 0.18, 0.35], volume))]
    character = Character(
        density=volume,
        beta=float(rng.uniform(2.7, 3.3)),
        web=float(np.exp(rng.uniform(np.log(0.3), np.log(1.6)))),
        strands=float(np.exp(rng.uniform(np.log(0.2), np.log(2.5)))),
        radial=float(rng.beta(1.2, 1.2)),
        vessels=int(rng.integers(2, 18)),
        skin_mm=float(rng.uniform(1.1, 2.4)),
    )
    positive = bool(rng.random() < config.positive_share)
    low, high = np.log(config.mass_range_mg)
    mass = float(np.exp(rng.uniform(low, high))) if positive else 0.0
    share = float(rng.choice([0.0, 1.0, rng.uniform(0.2, 0.8)], p=[0.12, 0.12, 0.76]))
    few = rng.random() < config.two_view_share
    views = (str(rng.choice(["CC", "MLO"])),) if few else ("CC", "MLO")
    geometry = (float(rng.choice([650, 655, 660, 700])), float(rng.integers(14, 26)))
    taken = []
    for side, part in (("L", share), ("R", 1 - share)):
        own = np.random.default_rng((seed, 2, int(side == "R")))
        builds = {v: _build(own, size, thickness) for v in views}
        large = size > 0.45 or own.random() < 0.2
        shape = system.matrices[int(large)]
        settings = []
        for v in views:
            outline, grid_mm = make_outline(own, builds[v], v, system, shape)
            settings.append(Setting(v, outline, grid_mm, *geometry, builds[v].thickness_mm))
        arteries = lay_arteries(own, settings, mass * part) if mass * part > 0.05 else []
        for index, v in enumerate(views):
            beam = choose_beam(own, system, builds[v].thickness_mm)
            exposure = choose_exposure(own, system, builds[v].thickness_mm)
            seen = np.random.default_rng((seed, 3, int(side == "R"), index))
            scene = expose(
                seen, builds[v], character, settings[index], arteries, index, system, beam, exposure, shape[0]
            )
            taken.append(Taken(side, v, scene, beam, exposure, settings[index], shape[1]))
    return Exam(seed, system, letter, tuple(taken))


def _build(rng: np.random.Generator, size: float, thickness_mm: float) -> Build:
    return Build(
        depth_mm=66 + 58 * size + float(rng.normal(0, 4)),
        half_width_mm=66 + 42 * size + float(rng.normal(0, 5)),
        thickness_mm=float(np.clip(thickness_mm + rng.normal(0, 3), 22, 85)),
    )


def make_woman(seed: int, config: RandomFieldConfig | None = None, look: Look | None = None) -> Woman:
    """Make a woman's exam of known calcium mass.

    The same seed and configuration give the same bytes. `look` stands for `config.look`.
    """
    config = config or RandomFieldConfig()
    return store_exam(take_exam(seed, config), config, look)


def store_exam(exam: Exam, config: RandomFieldConfig, look: Look | None = None) -> Woman:
    """Store an exam in one look."""
    rng = np.random.default_rng((exam.seed, 4))
    drawn = str(rng.choice([name for name, _ in _LOOKS], p=[p for _, p in _LOOKS]))
    style = str(rng.choice(config.styles))
    look = look or (drawn if config.look == "mixed" else config.look)
    name = [exam.seed, look, repr(dataclasses.astuple(config)), "bac_randfield"]
    study = generate_uid(entropy_srcs=[str(v) for v in [*name, "study"]])
    views = []
    for number, taken in enumerate(exam.taken):
        facts = _facts(exam, taken, number, look, style, config)
        facts["study_instance_uid"] = study
        facts["sop_instance_uid"] = generate_uid(entropy_srcs=[str(v) for v in [*name, number]])
        facts["series_instance_uid"] = generate_uid(entropy_srcs=[str(v) for v in [*name, number, "series"]])
        # All views of an exam are processed alike but for what differs between images.
        own = np.random.default_rng((exam.seed, 5, number, len(look)))
        views.append(_store(own, taken, exam.system, look, style, facts))
    breasts = {
        side: float(np.mean([v.calcium_mass_mg for v in views if v.laterality == side]))
        for side in ("L", "R")
    }
    return Woman(exam.seed, study, breasts, tuple(views))


def _store(
    rng: np.random.Generator, taken: Taken, system: System, look: Look, style: str, facts: dict[str, Any]
) -> View:
    scene, mirrored = taken.scene, taken.laterality == "R"
    beyond = ((0, 0), (0, taken.columns - scene.signal.shape[1]))
    text = (f"{taken.laterality}{taken.view}", str(rng.choice(["", "", "H.D.", "2D", "S-View"])))
    if look == "raw":
        gain = taken.exposure.mean_value / scene.reference
        pixels = looks.raw_pixels(np.pad(scene.signal, beyond, constant_values=1.0), gain, system.bits)
    else:
        attenuation = -np.log(np.maximum(scene.signal, np.float32(1e-5)))
        if look == "film":
            inside = np.pad(scene.inside, beyond) > 0.99
            pixels = looks.film_pixels(
                rng, np.pad(attenuation, beyond), inside, system.pitch_mm, (text[0], ""), mirrored
            )
        else:
            bright = process(rng, attenuation, scene.inside, STYLES[style], system.pitch_mm)
            padded: FloatArray = np.pad(bright, beyond, constant_values=float(bright[0, -1]))
            store = looks.presented_pixels if look == "presentation" else looks.copied_pixels
            pixels = store(rng, padded, text, mirrored)
    mask = np.pad(scene.mask, beyond)
    if mirrored:
        mask = np.ascontiguousarray(mask[:, ::-1])
        pixels = dataclasses.replace(pixels, stored=np.ascontiguousarray(pixels.stored[:, ::-1]))
    facts["quality"] = int(rng.integers(60, 97)) if look == "copy" and rng.random() < 0.7 else None
    mass = float(sum(drawn.mass_mg for _, drawn in scene.arteries))
    area = _area(scene, system.pitch_mm)
    return View(taken.laterality, taken.view, look, mask, mass, area, pixels, facts)


def _area(scene: Scene, pitch_mm: float) -> float:
    """Area of the mask in the object's plane: overlaps count once, at the arteries' mean magnification."""
    each = [(d.area_mm2, d.magnification) for _, d in scene.arteries if d.area_mm2 > 0]
    if not each:
        return 0.0
    squared = sum(a * m**2 for a, m in each) / sum(a for a, _ in each)
    return float(scene.mask.sum()) * pitch_mm**2 / squared


def _facts(
    exam: Exam, taken: Taken, number: int, look: Look, style: str, config: RandomFieldConfig
) -> dict[str, Any]:
    beam, setting = taken.beam, taken.setting
    off = np.random.default_rng((exam.seed, 6, number)).uniform(-1, 1) * config.header_thickness_error_mm
    columns = taken.columns
    return {
        "woman_seed": exam.seed,
        "instance_number": number + 1,
        "look": look,
        "style": None if look in ("raw", "film") else style,
        "system": exam.system.name,
        "density": exam.density,
        "laterality": taken.laterality,
        "view": taken.view,
        "pitch_mm": exam.system.pitch_mm,
        "source_mm": setting.source_mm,
        "gap_mm": setting.gap_mm,
        "thickness_mm": round(setting.thickness_mm, 2),
        "header_thickness_mm": float(np.round(setting.thickness_mm + off)),
        "anode": beam.anode,
        "filter_material": beam.filter_material,
        "filter_um": beam.filter_um,
        "kvp": beam.kvp,
        "detector": beam.detector,
        "grid": taken.exposure.grid,
        "scatter_to_primary": taken.exposure.scatter_to_primary,
        "hard_negatives": list(taken.scene.kinds),
        "arteries": [_artery_facts(a, d, taken.laterality, columns) for a, d in taken.scene.arteries],
    }


def _artery_facts(artery: Artery, drawn: Drawn, laterality: str, columns: int) -> dict[str, Any]:
    box = None if drawn.box is None else list(drawn.box)
    if box is not None and laterality == "R":
        box[1], box[3] = columns - box[3], columns - box[1]
    return {
        "calcium_mass_mg": round(drawn.mass_mg, 4),
        "visible_mass_mg": round(drawn.visible_mg, 4),
        "outer_width_mm": round(2 * artery.deposit.outer_radius_mm, 3),
        "wall_mm": round(artery.deposit.wall_mm, 3),
        "visible_length_mm": round(drawn.visible_length_mm, 2),
        "area_mm2": round(drawn.area_mm2, 3),
        "magnification": round(drawn.magnification, 5),
        "forms": list(artery.deposit.forms),
        "branch": artery.branch,
        "bbox_px": box,
    }
