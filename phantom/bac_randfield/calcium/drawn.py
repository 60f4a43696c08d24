"""Draw an artery's calcium into a view: finer than its pixels, with its mask and its mass."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from bac_randfield.body.curves import Line, make_line, splat
from bac_randfield.body.fields import enlarge
from bac_randfield.calcium.arteries import Artery, Setting
from bac_randfield.physics import Array64, Attenuator, FloatArray

# Mean calcium over the artery's width that counts as visible, mg/mm2, and what is bridged, mm.
VISIBLE_MG_MM2 = 0.02
BRIDGED_MM = 2.0
_CHUNK_MM = 10.0


@dataclass
class Canvas:
    """What arteries of one view are drawn into, on the detector's matrix."""

    pitch_mm: float  # pixel size
    tissue: FloatArray  # float32 (rows, columns): log attenuation of the tissue
    glandularity: float  # share of gland in it
    through: FloatArray  # float32 (rows, columns): share of the signal that calcium lets through
    mask: npt.NDArray[np.bool_]  # bool (rows, columns): BAC by the mask convention


@dataclass(frozen=True)
class Drawn:
    """What became of an artery in a view; lengths and areas in the object's plane.

    `visible_mg` is the calcium of its visible stretches, which are what the mask shows.
    """

    mass_mg: float
    visible_mg: float
    visible_length_mm: float
    area_mm2: float
    box: tuple[int, int, int, int] | None
    magnification: float


def artery_line(artery: Artery, setting: Setting, index: int, step_mm: float) -> tuple[Line, Array64, float]:
    """Return the course at the detector, the way through the body at its points, and magnification."""
    height = artery.heights[index]
    path = setting.project(artery.body_mm, height)
    line = make_line(path, step_mm)
    flat = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(path, axis=0).T))])
    body = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(artery.body_mm, axis=0), axis=1))])
    at = (np.arange(len(line.points)) + 0.5) * step_mm
    return line, np.interp(at, flat, body), setting.magnification(height)


def draw_artery(
    rng: np.random.Generator,
    canvas: Canvas,
    attenuator: Attenuator,
    artery: Artery,
    setting: Setting,
    index: int,
) -> Drawn:
    """Draw one artery's calcium; `index` is the view's among the breast's."""
    pitch, deposit = canvas.pitch_mm, artery.deposit
    finer = max(int(np.ceil(pitch / 0.03)), 2)
    fine = pitch / finer
    step = 0.5 * fine
    line, way, m = artery_line(artery, setting, index, step)
    at = way - artery.lead_mm
    held = (at >= 0) & (at < len(deposit.left) * 0.05)
    # Foreshortened stretches hold more in each mm of the image. Lengths in the object's plane.
    stretched = np.gradient(way) / (step / m)
    count = max(int(2 * deposit.outer_radius_mm * m / step), 8)
    across = deposit.across(count)
    mean = np.where(held, deposit.density(across[:: max(count // 40, 1)], at).mean(axis=1) * stretched, 0.0)
    # No end is cut straight across: the calcium lies a little before or behind, unevenly over the wall.
    shift = ndimage.gaussian_filter1d(
        rng.standard_normal(count + 80), 0.12 / (across[1] - across[0]), mode="wrap"
    )
    shift = (shift / max(float(shift.std()), 1e-9) * rng.uniform(0.1, 0.6))[:count]
    beyond = int(2.0 / step * m)
    near = ndimage.maximum_filter1d(mean > 0, beyond)
    total = 0.0
    chunk = max(int(_CHUNK_MM / step), 1)
    for begin in range(0, len(at), chunk):
        part = slice(begin, begin + chunk)
        rows = np.flatnonzero(near[part]) + begin
        if not len(rows):
            continue
        density = deposit.density(across, at[rows, None] + shift[None, :]) * stretched[rows, None]
        density *= _grain(rng, density.shape, step / m, deposit.grain)
        # Back at the detector: a length there is m of the object's, and so is a width.
        weight = density * (step / m) * (across[1] - across[0]) / (fine / m) ** 2
        place = line.points[rows, None, :] + (m * across)[None, :, None] * line.normals[rows, None, :]
        total += _put(rng, canvas, attenuator, place, weight, finer) * (fine / m) ** 2
    visible = _visible(mean, step / m)
    box, area = _mark(canvas, line, visible, deposit.outer_radius_mm * m)
    visible_mg = total * float(mean[visible].sum() / max(float(mean.sum()), 1e-12))
    return Drawn(total, visible_mg, float(visible.sum() * step / m), area * (pitch / m) ** 2, box, m)


def _grain(rng: np.random.Generator, shape: tuple[int, ...], step_mm: float, spread: float) -> FloatArray:
    """Uneven calcium with mean 1, in lumps of 0.1 to 0.4 mm."""
    coarse = max(int(0.05 / step_mm), 1)
    small = tuple(-(-n // coarse) + 2 for n in shape)
    noise = ndimage.gaussian_filter(rng.standard_normal(small), rng.uniform(1.2, 4.0), mode="nearest")
    noise /= max(float(noise.std()), 1e-9)
    lumps = np.exp(spread * noise - 0.5 * spread**2).astype(np.float32)
    return enlarge(lumps, shape, coarse)


def _put(
    rng: np.random.Generator,
    canvas: Canvas,
    attenuator: Attenuator,
    place_mm: Array64,
    weight: Array64,
    finer: int,
) -> float:
    """Put calcium on a fine grid, let the beam through, and average over the pixels; return the sum put."""
    rows, columns = canvas.mask.shape
    pixel = place_mm / canvas.pitch_mm
    r0, c0 = (max(int(v) - 2, 0) for v in pixel.reshape(-1, 2).min(axis=0))
    r1, c1 = (
        min(int(v) + 3, n) for v, n in zip(pixel.reshape(-1, 2).max(axis=0), (rows, columns), strict=True)
    )
    if r1 - r0 < 2 or c1 - c0 < 2:
        return 0.0
    grid = np.zeros(((r1 - r0) * finer, (c1 - c0) * finer), dtype=np.float32)
    # Jitter within a step: no moire between the samples and the grid.
    jitter = rng.uniform(-0.25, 0.25, size=(2, *weight.shape))
    down = (pixel[..., 0] - r0) * finer - 0.5 + jitter[0]
    right = (pixel[..., 1] - c0) * finer - 0.5 + jitter[1]
    splat(grid, down.ravel(), right.ravel(), weight.ravel())
    box = slice(r0, r1), slice(c0, c1)
    fine_tissue = np.repeat(np.repeat(canvas.tissue[box], finer, axis=0), finer, axis=1)
    let = np.ones_like(grid)
    some = grid > 0
    let[some] = attenuator.transmission(fine_tissue[some], grid[some], canvas.glandularity)
    canvas.through[box] *= let.reshape(r1 - r0, finer, c1 - c0, finer).mean(axis=(1, 3))
    return float(grid.sum(dtype=np.float64))


def _visible(mean_mg_mm2: Array64, step_mm: float) -> npt.NDArray[np.bool_]:
    """Say where calcium is visible along the way, gaps under `BRIDGED_MM` bridged."""
    smooth = ndimage.uniform_filter1d(mean_mg_mm2, max(int(0.4 / step_mm), 1), mode="constant")
    seen = smooth >= VISIBLE_MG_MM2
    gaps, n = ndimage.label(~seen)
    for k in range(1, n + 1):
        inside = np.flatnonzero(gaps == k)
        open_end = inside[0] == 0 or inside[-1] == len(seen) - 1
        if not open_end and len(inside) * step_mm < BRIDGED_MM:
            seen[inside] = True
    return np.asarray(seen)


def _mark(
    canvas: Canvas, line: Line, visible: npt.NDArray[np.bool_], radius_mm: float
) -> tuple[tuple[int, int, int, int] | None, float]:
    """Mark pixels at least half of which lie between the outer walls; return their box and number."""
    rows = np.flatnonzero(visible)
    if not len(rows):
        return None, 0.0
    pitch = canvas.pitch_mm
    every = max(int(0.2 * pitch / line.step_mm), 1)
    rows = rows[::every]
    step = line.step_mm * every
    count = max(int(2 * radius_mm / (0.2 * pitch)), 6)
    du = 2 * radius_mm / count
    across = (np.arange(count) + 0.5) * du - radius_mm
    place = line.points[rows, None, :] + across[None, :, None] * line.normals[rows, None, :]
    weight = step * du * (1 - line.curvature[rows, None] * across[None, :]).clip(0, 2) / pitch**2
    pixel = np.floor(place / pitch).astype(np.intp).reshape(-1, 2)
    shape = canvas.mask.shape
    ok = (pixel >= 0).all(axis=1) & (pixel < shape).all(axis=1)
    pixel, weight = pixel[ok], weight.ravel()[ok]
    if not len(pixel):
        return None, 0.0
    r0, c0 = pixel.min(axis=0)
    r1, c1 = pixel.max(axis=0) + 1
    size = (int(r1 - r0), int(c1 - c0))
    cover = np.bincount((pixel[:, 0] - r0) * size[1] + pixel[:, 1] - c0, weight, size[0] * size[1])
    inside = cover.reshape(size) >= 0.5
    canvas.mask[r0:r1, c0:c1] |= inside
    if not inside.any():
        return None, 0.0
    r, c = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    box = (int(r0 + r[0]), int(c0 + c[0]), int(r0 + r[-1] + 1), int(c0 + c[-1] + 1))
    return box, float(inside.sum())
