"""Phantoms for quality assurance: the same few breasts for everybody, over beams, thicknesses and masses.

They take the place of a physical phantom with inserts: one breast for each thickness and pitch of a detector,
with arteries at half its height, so that what a measurement makes of them changes only when the measurement
does. Breasts of one thickness on two pitches are two draws of the same recipe, not one breast. Nothing is
drawn by chance that is not fixed here.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace

import numpy as np
from pydicom.uid import generate_uid

from bac_phantom.beams import Beam
from bac_phantom.body.anatomy import Anatomy, BreastTraits, build_anatomy
from bac_phantom.body.curves import STEP_MM
from bac_phantom.calcium.arteries import Artery
from bac_phantom.calcium.courses import BodyPath, Projection
from bac_phantom.calcium.walls import draw_artery
from bac_phantom.dicom import encode_dicom
from bac_phantom.looks import raw_linear
from bac_phantom.render import Exposure, expose
from bac_phantom.view import BLOOD_OVER_GLAND

# A new number whenever any pixel of the set changes on purpose: figures of different sets do not compare.
QA_SET = 1

_SEED = 770_000
_FIELD_MM = (135.0, 100.0)
_PITCH_MM = {"CsI": 0.1, "a-Se": 0.085}
_SID_MM, _GAP_MM = 660.0, 20.0
_DEPTH_MM, _HALF_HEIGHT_MM = 85.0, 60.0
# Glandular fraction behind the nipple by compressed thickness in mm: thick breasts are fatty.
_DENSITY = {30.0: 0.45, 50.0: 0.30, 70.0: 0.20}
_BLUR_MM = 0.04
_QUANTA_PER_MM2 = 2.5e5

# Anode, filter, filter thickness in mm, tube voltages in kV at 3, 5 and 7 cm, detector.
_TECHNIQUES = (
    ("Mo", "Mo", 0.030, (26, 28, 30), "CsI"),
    ("Mo", "Rh", 0.025, (26, 28, 32), "CsI"),
    ("Rh", "Rh", 0.025, (27, 29, 33), "CsI"),
    ("Rh", "Ag", 0.030, (29, 31, 34), "CsI"),
    ("W", "Rh", 0.050, (26, 28, 32), "a-Se"),
    ("W", "Ag", 0.050, (28, 30, 34), "a-Se"),
    ("W", "Al", 0.700, (27, 29, 33), "a-Se"),
)
# Calcium in mg, outer width in mm, number of arteries, calcified length of each in mm: about 12 mg/cm2.
_CALCIUM = (
    (2.0, 1.2, 1, 14.0),
    (4.0, 1.4, 1, 24.0),
    (8.0, 1.6, 1, 42.0),
    (12.0, 1.6, 2, 32.0),
    (20.0, 1.8, 3, 32.0),
    (40.0, 2.0, 4, 42.0),
    (80.0, 2.4, 5, 42.0),
)
# By how many masses the row of a technique starts further at each thickness: every thickness sees every mass,
# and every technique three of them, of which one is 12 mg or less and one 20 mg or more.
_SHIFTS = (0, 2, 5)
# Technique and thickness of the breasts whose arteries are the same ones without calcium.
_BLANKS = ((0, 30.0), (4, 50.0), (5, 70.0))
_BLANK_ARTERIES = (2.0, 4, 42.0)
_LANES_MM = (0.0, 11.0, -11.0, 22.0, -22.0)
_PLAIN_MM = 4.0  # uncalcified stretch at both ends of an artery
_FAR_END_MM = 78.0  # behind the nipple


@dataclass(frozen=True)
class QaSpec:
    """What one phantom of the set is."""

    number: int  # place in the set, from 1
    beam: Beam  # technique and detector
    thickness_mm: float  # compressed thickness, which the header tells truly
    calcium_mass_mg: float  # True mass of calcium; 0 for a breast with uncalcified arteries
    # outer width, number and calcified length of each of its arteries
    width_mm: float
    arteries: int
    calcified_mm: float

    @property
    def name(self) -> str:
        """Name of the file, without ending: number, technique, thickness and mass."""
        beam = self.beam
        return (
            f"qa{self.number:02d}-{beam.anode}-{beam.filter_material}-{beam.kvp}kV-"
            f"{self.thickness_mm:.0f}mm-{self.calcium_mass_mg:.0f}mg"
        ).lower()


def qa_specs() -> tuple[QaSpec, ...]:
    """List the phantoms of the set.

    Returns
    -------
    tuple of QaSpec
        Every anode and filter of the calibration table at 3, 5 and 7 cm with masses of 2 to 80 mg, then the
        breasts without calcium.
    """
    specs: list[QaSpec] = []
    for column, (thickness, shift) in enumerate(zip(_DENSITY, _SHIFTS, strict=True)):
        for row in range(len(_TECHNIQUES)):
            mass, width, arteries, length = _CALCIUM[(row + shift) % len(_CALCIUM)]
            beam = _beam(row, column)
            specs.append(QaSpec(len(specs) + 1, beam, thickness, mass, width, arteries, length))
    for row, thickness in _BLANKS:
        beam = _beam(row, list(_DENSITY).index(thickness))
        specs.append(QaSpec(len(specs) + 1, beam, thickness, 0.0, *_BLANK_ARTERIES))
    return tuple(specs)


def _beam(row: int, column: int) -> Beam:
    anode, material, filter_mm, voltages, detector = _TECHNIQUES[row]
    return Beam(anode, material, filter_mm, voltages[column], "CsI" if detector == "CsI" else "a-Se")


def make_qa_phantom(spec: QaSpec) -> bytes:
    """Make a phantom of the set.

    Parameters
    ----------
    spec
        One of `qa_specs`.

    Returns
    -------
    bytes
        A DICOM file, FOR PROCESSING, craniocaudal. The same bytes with the same libraries; between versions
        of them single pixels may differ by one.
    """
    pitch = _PITCH_MM[spec.beam.detector]
    tissue, projection = _breast(spec.thickness_mm, pitch)
    fat, gland = tissue.adipose_mm.copy(), tissue.gland_mm.copy()
    anatomy = replace(tissue, adipose_mm=fat, gland_mm=gland)
    shape = (fat.shape[0], fat.shape[1])
    calcium = np.zeros(shape, dtype=np.float32)
    for lane in range(spec.arteries):
        drawn = draw_artery(_artery(spec, lane), _course(spec, lane), projection, pitch, shape)
        if drawn is None:
            raise ValueError(f"{spec.name}: an artery lies outside the field")
        calcium[drawn.box] += drawn.calcium_mg_mm2
        # Blood and wall displace fat and gland alike, and count as that much more gland as they are denser.
        share = fat[drawn.box] / np.maximum(fat[drawn.box] + gland[drawn.box], 1e-3)
        fat[drawn.box] -= drawn.soft_tissue_mm * share
        gland[drawn.box] += drawn.soft_tissue_mm * (share + np.float32(BLOOD_OVER_GLAND))
    # Scatter behind a grid as in any other phantom, but the same in every exposure of a thickness.
    scatter = 0.04 + 0.0016 * spec.thickness_mm
    exposure = Exposure(spec.beam, True, scatter, _BLUR_MM, _QUANTA_PER_MM2, 0.0)
    signal = expose(np.random.default_rng([_SEED, spec.number]), anatomy, calcium, exposure, pitch)
    stored = raw_linear(signal)
    flipped = spec.number % 2 == 0
    if flipped:
        stored = replace(stored, pixels=np.ascontiguousarray(stored.pixels[:, ::-1]))
    return encode_dicom(stored, _facts(spec, projection, pitch, flipped=flipped))


@functools.lru_cache(maxsize=len(_DENSITY) * len(_PITCH_MM))
def _breast(thickness_mm: float, pitch_mm: float) -> tuple[Anatomy, Projection]:
    """Make the breast of a thickness and pitch: fat, gland and fibres, without vessels or calcium."""
    middle = _SID_MM / (_SID_MM - _GAP_MM - thickness_mm / 2)
    traits = BreastTraits(
        depth_mm=_DEPTH_MM * middle,
        half_height_mm=_HALF_HEIGHT_MM * middle,
        thickness_mm=thickness_mm,
        density=_DENSITY[thickness_mm],
        strands=0.4,
        vessels=0,
        curvature=2.0,
    )
    shape = (round(_FIELD_MM[0] / pitch_mm), round(_FIELD_MM[1] / pitch_mm))
    rng = np.random.default_rng([_SEED, round(thickness_mm)])
    anatomy = build_anatomy(rng, traits, "CC", shape, pitch_mm, ())
    axis = 0.5 * shape[0] * pitch_mm
    half_extent = 0.7 * _HALF_HEIGHT_MM
    return anatomy, Projection(
        "CC", anatomy.nipple_mm, axis, _SID_MM, _GAP_MM, thickness_mm, half_extent, oblique=1
    )


def _artery(spec: QaSpec, lane: int) -> Artery:
    return Artery(
        seed=_SEED + lane,
        mass_mg=spec.calcium_mass_mg / spec.arteries,
        calcified_mm=spec.calcified_mm,
        lead_mm=_PLAIN_MM,
        tail_mm=_PLAIN_MM,
        outer_radius_mm=spec.width_mm / 2,
        taper=1.0,
        coverage=0.7,
        grain_mm=0.6,
        banding=0.0,
        one_sided=0.0,
        gaps=0.0,
        tortuosity=0.0,
        beading=0.05,
    )


def _course(spec: QaSpec, lane: int) -> BodyPath:
    """Lay an artery towards the nipple in a gentle wave, at half the breast's height."""
    way = np.arange(0.0, spec.calcified_mm + 2 * _PLAIN_MM, STEP_MM)
    lateral = _LANES_MM[lane] + 1.5 * np.sin(way / 5.0 + lane)
    return np.column_stack([_FAR_END_MM - way, lateral, np.zeros_like(way)])


def _facts(spec: QaSpec, projection: Projection, pitch_mm: float, *, flipped: bool) -> dict[str, object]:
    """Collect what the header tells."""
    beam = spec.beam
    uids = {
        f"{level}_instance_uid": str(
            generate_uid(prefix="2.25.", entropy_srcs=["bac_phantom.qa", str(QA_SET), spec.name, level])
        )
        for level in ("sop", "series", "study")
    }
    return {
        **uids,
        "woman_seed": f"QA-{spec.number:02d}",
        "instance_number": 1,
        "raw": True,
        "log": False,
        "laterality": "R" if flipped else "L",
        "view": projection.view,
        "flipped": flipped,
        "pitch_mm": pitch_mm,
        "sid_mm": projection.sid_mm,
        "gap_mm": projection.gap_mm,
        "thickness_mm": spec.thickness_mm,
        "anode": beam.anode,
        "filter_material": beam.filter_material,
        "filter_thickness_mm": beam.filter_thickness_mm,
        "kvp": beam.kvp,
        "detector": beam.detector,
        "grid": True,
    }
