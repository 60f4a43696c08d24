"""Weigh inserts of known calcium on every beam of the phantom, and print how far each beam is off.

An even breast of the usual composition, exposed by the phantom's physics (spectrum, scatter, blur, noise),
with squares of 5 to 50 mg/cm2 and a hollow tube at half its height. Masks are given; reading, scatter,
background and coefficient are those of serving. Inserts come plain, as in a plastic phantom, where the soft
tissue that the method takes off is put back, and as vessels, with blood and wall. Prints Markdown.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from bac_imaging.pipeline import find, prepare, to_working_mask, weigh
from bac_imaging.vessels.demands import PostProcessing
from bac_phantom.beams import SKIN_MM, Beam, techniques
from bac_phantom.body.anatomy import Anatomy
from bac_phantom.dicom import encode_dicom
from bac_phantom.looks import raw_linear
from bac_phantom.render import Exposure, expose
from bac_phantom.view import BLOOD_OVER_GLAND

FloatArray = npt.NDArray[np.float32]
# Share of gland of the usual breast by thickness in mm: what the coefficient is computed for.
THICKNESSES_MM = {30.0: 0.30, 50.0: 0.15, 80.0: 0.0925}
SHAPE, PITCH_MM, FINE = (1280, 900), 0.1, 4
SID_MM, GAP_MM = 660.0, 20.0
SQUARES_MG_MM2 = (0.05, 0.10, 0.20, 0.30, 0.50)
SQUARE_MM = 3.0
TUBE_MM = (1.2, 0.9, 26.0)  # outer radius, inner radius, length
WALL_MG_MM3 = 0.25
RADII_MM, RIM_MM = (60.0, 85.0), 10.0


@dataclass(frozen=True)
class Insert:
    """Calcium in mg/mm2 and blood and wall in mm along each ray; its outline; its mass in mg."""

    calcium: FloatArray
    soft_mm: FloatArray
    within: npt.NDArray[np.bool_]
    mass_mg: float


def averaged(fine: FloatArray) -> FloatArray:
    """Average what was drawn `FINE` times too large."""
    rows, columns = (size // FINE for size in fine.shape)
    return np.asarray(fine.reshape(rows, FINE, columns, FINE).mean(axis=(1, 3)), dtype=np.float32)


def squares(magnification: float) -> Insert:
    """Draw a row of squares, each in a slab of soft tissue as thick as a round vessel is on average."""
    side = round(SQUARE_MM * magnification / PITCH_MM * FINE)
    calcium = np.zeros((side // FINE * FINE + 8 * FINE, (side * 5 // FINE + 8) * FINE), dtype=np.float32)
    soft = np.zeros_like(calcium)
    for number, density in enumerate(SQUARES_MG_MM2):
        place = np.s_[4 * FINE : 4 * FINE + side, 4 * FINE + number * side : 4 * FINE + (number + 1) * side]
        calcium[place] = density
        soft[place] = np.pi / 4.0 * SQUARE_MM
    area = (side * PITCH_MM / FINE / magnification) ** 2
    return Insert(
        averaged(calcium), averaged(soft), averaged(soft) > 0.5 * SQUARE_MM / 2, sum(SQUARES_MG_MM2) * area
    )


def tube(magnification: float) -> Insert:
    """Draw a calcified wall round a lumen, along the columns: chords and mass by geometry."""
    outer, inner, length = TUBE_MM
    half = int((outer * magnification + 1.0) / PITCH_MM)
    across = np.abs((np.arange(2 * half * FINE) + 0.5) / FINE - half) * PITCH_MM / magnification
    chord, lumen = (2.0 * np.sqrt(np.maximum(radius**2 - across**2, 0.0)) for radius in (outer, inner))
    columns = round(length * magnification / PITCH_MM)
    along = np.pad(np.ones(columns, dtype=np.float32), 4)
    wall = (chord - lumen) * WALL_MG_MM3

    def drawn(profile: npt.NDArray[np.float64]) -> FloatArray:
        mean = profile.reshape(2 * half, FINE).mean(axis=1)
        return np.outer(mean, along).astype(np.float32)

    mass = np.pi * (outer**2 - inner**2) * columns * PITCH_MM / magnification * WALL_MG_MM3
    return Insert(drawn(wall), drawn(chord), drawn((chord > 0).astype(np.float64)) >= 0.5, float(mass))


def weighed(beam: Beam, thickness_mm: float, grid: bool, vessel: bool) -> list[float]:
    """Give measured over true mass of the squares and of the tube."""
    magnification = SID_MM / (SID_MM - GAP_MM - thickness_mm / 2.0)
    y, x = np.ogrid[: SHAPE[0], : SHAPE[1]]
    radius = np.hypot((y - SHAPE[0] / 2) * PITCH_MM / RADII_MM[0], x * PITCH_MM / RADII_MM[1])
    depth = np.clip((1.0 - radius) * RADII_MM[0] / RIM_MM, 0.0, 1.0)
    inner = (np.sqrt(1.0 - (1.0 - depth) ** 2) * (thickness_mm - 2 * SKIN_MM)).astype(np.float32)
    share = np.float32(THICKNESSES_MM[thickness_mm])
    fat, gland = inner * (1 - share), inner * share
    calcium = np.zeros(SHAPE, dtype=np.float32)
    mask = np.zeros(SHAPE, dtype=bool)
    true = []
    for insert, (row, column) in zip(
        (squares(magnification), tube(magnification)), ((500, 330), (780, 300)), strict=True
    ):
        height, width = insert.calcium.shape
        box = np.s_[
            row - height // 2 : row - height // 2 + height, column - width // 2 : column - width // 2 + width
        ]
        calcium[box], mask[box] = insert.calcium, insert.within
        if vessel:
            fat[box] -= insert.soft_mm * (1 - share)
            gland[box] += insert.soft_mm * (1 - share + np.float32(BLOOD_OVER_GLAND))
        true.append(insert.mass_mg)
    anatomy = Anatomy(fat, gland, radius < 1.0, np.zeros(SHAPE, dtype=np.float32), (35.0, 47.0))
    # The phantom's own scatter in the middle of what it draws it from.
    scatter = 0.04 + 0.0016 * thickness_mm if grid else 0.10 + 0.010 * thickness_mm
    exposure = Exposure(beam, grid, scatter, 0.04, 2.5e5, 0.0)
    stored = raw_linear(expose(np.random.default_rng(1), anatomy, calcium, exposure, PITCH_MM))
    prepared = prepare(encode_dicom(stored, header(beam, thickness_mm, grid)))
    context = prepared.context
    working = to_working_mask(mask, context).astype(np.float32)
    found = find(working, context, PostProcessing())
    result = weigh(found, working, prepared.signal, context).mass
    masses = [item.mass_mg + (0.0 if vessel else item.soft_tissue_mg) for item in result.vessels]
    return [mass / mg for mass, mg in zip(masses, true, strict=True)]


def header(beam: Beam, thickness_mm: float, grid: bool) -> dict[str, object]:
    """Collect what the header tells."""
    return {
        **{f"{level}_instance_uid": f"2.25.{n}" for n, level in enumerate(("sop", "series", "study"), 1)},
        "woman_seed": "INSERTS",
        "instance_number": 1,
        "raw": True,
        "log": False,
        "laterality": "L",
        "view": "CC",
        "flipped": False,
        "pitch_mm": PITCH_MM,
        "sid_mm": SID_MM,
        "gap_mm": GAP_MM,
        "thickness_mm": thickness_mm,
        "anode": beam.anode,
        "filter_material": beam.filter_material,
        "filter_thickness_mm": beam.filter_thickness_mm,
        "kvp": beam.kvp,
        "detector": beam.detector,
        "grid": grid,
    }


def main() -> None:
    """Weigh and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--without-grid", action="store_true", help="no anti-scatter grid in the beam")
    parser.add_argument("--thickness", type=float, choices=sorted(THICKNESSES_MM), help="mm; all by default")
    parser.add_argument("--processes", type=int, default=1, metavar="N")
    options = parser.parse_args()
    materials: tuple[Literal["a-Se", "CsI"], ...] = ("a-Se", "CsI")
    beams = [Beam(*technique, detector=material) for technique in techniques() for material in materials]
    everything = (options.thickness,) if options.thickness else tuple(THICKNESSES_MM)
    jobs = list(itertools.product(beams, everything, (not options.without_grid,), (False, True)))
    with ProcessPoolExecutor(options.processes) as pool:
        ratios = dict(zip(jobs, pool.map(weighed, *zip(*jobs, strict=True), chunksize=4), strict=True))
    print("| | plain: mean | lowest to highest beam | as vessels: mean | lowest to highest beam |")
    print("|---|---|---|---|---|")

    def show(title: str, mine: Sequence[Beam], thicknesses: Sequence[float]) -> None:
        cells = []
        for vessel in (False, True):
            by_beam = [
                np.mean([ratios[beam, mm, not options.without_grid, vessel] for mm in thicknesses])
                for beam in mine
            ]
            cells += [f"{np.mean(by_beam):.3f}", f"{min(by_beam):.3f} to {max(by_beam):.3f}"]
        print(f"| {title} | {' | '.join(cells)} |")

    show(f"all {len(beams)} beams", beams, everything)
    for thickness in everything:
        show(f"{thickness:g} mm", beams, [thickness])
    kinds = sorted({(beam.anode, beam.filter_material, beam.detector) for beam in beams})
    for kind in kinds:
        mine = [beam for beam in beams if (beam.anode, beam.filter_material, beam.detector) == kind]
        show(f"{kind[0]}/{kind[1]} {kind[2]}", mine, everything)


if __name__ == "__main__":
    main()
