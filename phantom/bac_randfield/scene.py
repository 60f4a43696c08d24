"""One exposure: from a breast and its arteries to the signal of a detector, with the truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from bac_randfield.body.curves import draw_cord
from bac_randfield.body.fields import enlarge
from bac_randfield.body.outline import Build, Outline, draw_outline
from bac_randfield.body.tissue import Character, make_tissue
from bac_randfield.body.vessels import draw_plain_vessels
from bac_randfield.calcium.arteries import Artery, Setting
from bac_randfield.calcium.drawn import Canvas, Drawn, artery_line, draw_artery
from bac_randfield.calcium.others import draw_others
from bac_randfield.image.detector import Exposure, System, add_noise, add_scatter, blur
from bac_randfield.physics import Attenuator, Beam, FloatArray


@dataclass(frozen=True)
class Scene:
    """What a detector has seen; chest wall at the first column."""

    # float32 (rows, columns): relative to air's, with scatter, blur and noise. Columns beyond the breast are
    # left out.
    signal: FloatArray = field(repr=False)
    # float32 (rows, columns): 1 inside the breast, 0 outside, between them at its edge
    inside: FloatArray = field(repr=False)
    mask: npt.NDArray[np.bool_] = field(repr=False)  # bool (rows, columns): BAC
    arteries: tuple[tuple[Artery, Drawn], ...]  # (Artery, Drawn): those that were drawn
    kinds: tuple[str, ...]  # hard negatives
    reference: float  # signal in the middle of the breast


def grid_factor(system: System) -> int:
    """Pixels of the detector to one of the grid on which tissue is made."""
    return 3 if system.pitch_mm < 0.06 else 2


def expose(
    rng: np.random.Generator,
    build: Build,
    character: Character,
    setting: Setting,
    arteries: Sequence[Artery],
    index: int,
    system: System,
    beam: Beam,
    exposure: Exposure,
    rows: int,
) -> Scene:
    """Expose a breast in one view; `rows` are the detector's."""
    factor = grid_factor(system)
    anatomy, plain, beside, noise = (np.random.default_rng(int(s)) for s in rng.integers(2**63, size=4))
    outline, grid_mm, pitch = setting.outline, setting.pitch_mm, system.pitch_mm
    tissue = make_tissue(anatomy, build, character, outline, grid_mm)
    tissue.replace_fat(draw_plain_vessels(plain, outline, character.vessels, grid_mm))
    blood = np.zeros_like(tissue.fat_mm)
    for artery in arteries:
        line, _, m = artery_line(artery, setting, index, 0.1)
        n = len(line.points)
        # Before and behind it dives out of sight; nothing of a vessel ends squarely.
        ends = np.minimum(np.arange(n), np.arange(n)[::-1]) * line.step_mm / 8.0
        amount = np.clip(ends, 0, 1) ** 2 / m
        draw_cord(blood, line, np.full(n, artery.deposit.outer_radius_mm * m), amount, grid_mm)
    tissue.hold_vessels(blood)
    attenuator = Attenuator(beam, 1.1 * build.thickness_mm)
    shape = (rows, outline.edge_mm.shape[1] * factor)
    log_tissue = enlarge(attenuator.tissue(tissue.fat_mm, tissue.gland_mm), shape, factor)
    inside = enlarge((outline.edge_mm > 0).astype(np.float32), shape, factor)
    thick = tissue.fat_mm + tissue.gland_mm
    glandularity = float(tissue.gland_mm.sum() / max(float(thick.sum()), 1e-6))
    through = np.ones(shape, dtype=np.float32)
    kinds = draw_others(beside, through, log_tissue, attenuator, outline, grid_mm, pitch)
    canvas = Canvas(pitch, log_tissue, glandularity, through, np.zeros(shape, dtype=bool))
    drawn = [(a, draw_artery(beside, canvas, attenuator, a, setting, index)) for a in arteries]
    signal = np.exp(-log_tissue)
    signal *= through
    # Less comes from the anode's side.
    signal *= np.linspace(1, 1 - beside.uniform(0, 0.12), shape[1], dtype=np.float32)[None, :]
    middle = outline.edge_mm > 0.4 * float(outline.edge_mm.max())
    reference = float(np.median(signal[::factor, ::factor][: middle.shape[0], : middle.shape[1]][middle]))
    signal = blur(add_scatter(signal, inside, reference, exposure.scatter_to_primary, pitch), system)
    reference *= 1 + exposure.scatter_to_primary
    signal = add_noise(noise, signal, exposure, reference, system)
    names = tuple(sorted({*kinds, "ligaments", *(("vessels",) if character.vessels else ())}))
    return Scene(signal, inside, canvas.mask, tuple(drawn), names, reference)


def make_outline(
    outlines: np.random.Generator, build: Build, view: str, system: System, shape: tuple[int, int]
) -> tuple[Outline, float]:
    """Draw an outline on the tissue grid, cut to the columns that it needs; return its pixel size as well."""
    factor = grid_factor(system)
    pitch = system.pitch_mm * factor
    grid = (-(-shape[0] // factor), shape[1] // factor)
    outline = draw_outline(outlines, build, view, grid, pitch)
    columns = min(int(outline.reach_mm.max() / pitch) + int(5 / pitch), grid[1])
    return (
        Outline(
            outline.reach_mm,
            outline.nipple_mm,
            np.ascontiguousarray(outline.edge_mm[:, :columns]),
            np.ascontiguousarray(outline.pectoral_mm[:, :columns]),
        ),
        pitch,
    )
