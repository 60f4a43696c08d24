"""Arteries and veins without calcium: trees of tubes that branch, taper, run in pairs and cross."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from bac_phantom.body.curves import STEP_MM, FloatArray, Path, random_path
from bac_phantom.body.tubes import Profile, normals, paint_tube, slow_noise

Point = tuple[float, float]


@dataclass(frozen=True)
class _Tube:
    path: Path
    radius_mm: Profile


def _course(rng: np.random.Generator, height: float, width: float, nipple: Point) -> tuple[Point, float]:
    """Draw where a trunk enters and its heading: from the chest wall inwards, or along under the skin."""
    if rng.random() < 0.4:
        # Veins under the skin enter near either end of the breast and follow its round.
        side = float(rng.choice([-1, 1]))
        start = (nipple[0] + side * rng.uniform(0.2, 0.45) * height, rng.uniform(0.0, 0.2) * width)
        return start, float(rng.uniform(-0.4, 0.6) * side)
    start = (rng.uniform(0.05, 0.95) * height, rng.uniform(0.0, 0.35) * width)
    return start, float(rng.normal(0, 0.6))


def _tree(
    rng: np.random.Generator,
    start: Point,
    heading: float,
    length_mm: float,
    radius_mm: float,
    winding: float,
    target: Point | None,
    generation: int = 0,
) -> list[_Tube]:
    """Grow a vessel with its branches, thinner at each (the cubes of the radii are about kept)."""
    path = random_path(rng, start, heading, length_mm, winding, target)
    samples = len(path)
    radius = radius_mm * np.linspace(1.0, rng.uniform(0.55, 0.95), samples)
    radius = radius * (1 + 0.06 * slow_noise(rng, samples, 6.0))
    tubes: list[_Tube] = []
    number = int(rng.poisson(length_mm / (38.0 if generation == 0 else 60.0))) if generation < 2 else 0
    for k in np.sort(rng.integers(samples // 8, samples, number)):
        share = rng.uniform(0.3, 0.85)
        child = float(radius[k]) * share
        radius[k:] *= (1 - 0.6 * share**3) ** (1 / 3)
        if child < 0.15:
            continue
        ahead = path[min(k + 10, samples - 1)] - path[max(k - 10, 0)]
        turn = rng.choice([-1, 1]) * rng.uniform(0.3, 1.2)
        tubes += _tree(
            rng,
            (float(path[k, 0]), float(path[k, 1])),
            float(np.arctan2(ahead[0], ahead[1])) + turn,
            max(rng.uniform(0.2, 0.8) * (length_mm - k * STEP_MM), 6.0),
            child,
            winding,
            target if rng.random() < 0.5 else None,
            generation + 1,
        )
    return [_Tube(path, radius), *tubes]


def _companion(rng: np.random.Generator, tube: _Tube) -> _Tube:
    """Draw the vein beside an artery: along the same course, changing sides now and then."""
    samples = len(tube.path)
    ratio = rng.uniform(0.5, 1.6)
    gap = tube.radius_mm * (1 + ratio) * rng.uniform(0.9, 1.8)
    side = slow_noise(rng, samples, rng.uniform(15, 50)) + rng.normal(0, 0.7)
    offset = gap * 1.4 * np.tanh(1.5 * side)
    path = tube.path + normals(tube.path) * offset[:, None]
    path = ndimage.gaussian_filter1d(path, 6.0, axis=0, mode="nearest")
    return _Tube(path, np.clip(ratio * tube.radius_mm, 0.15, 2.2))


def plain_vessels(
    rng: np.random.Generator, count: int, shape: tuple[int, ...], pitch_mm: float, nipple: Point
) -> FloatArray:
    """Uncalcified arteries and veins, float32 (rows, columns): mm of gland-like tissue along the ray.

    Parameters
    ----------
    rng
        Random stream.
    count
        Number of trunks; most have branches, some a companion.
    shape, pitch_mm
        Grid, (rows, columns) and mm.
    nipple
        (row, column), mm: where the trunks run to.
    """
    total = np.zeros(shape, dtype=np.float32)
    height, width = shape[0] * pitch_mm, shape[1] * pitch_mm
    winding = rng.beta(1.3, 2.0)  # older women's vessels wind more, all of them
    clear = np.exp(rng.uniform(np.log(0.7), np.log(2.0)))  # and some breasts show theirs more than others
    for _ in range(count):
        start, heading = _course(rng, height, width, nipple)
        tubes = _tree(
            rng,
            start,
            heading,
            rng.uniform(25, 120),
            float(np.clip(rng.lognormal(np.log(0.8), 0.45), 0.25, 2.0)),
            float(np.clip(winding + rng.normal(0, 0.15), 0.0, 1.0)),
            (nipple[0] + rng.normal(0, 25), nipple[1] - rng.uniform(0, 15)),
        )
        if rng.random() < 0.3:
            tubes.append(_companion(rng, tubes[0]))
        # Flat under compression to upright; much of what is bright on film is a vessel in clear fat.
        strength = clear * np.exp(rng.uniform(np.log(0.5), np.log(1.7)))
        wall = float(rng.choice([0.0, rng.uniform(0.1, 0.5)]))
        for tube in tubes:
            samples = len(tube.path)
            # Where the vessel dips along the beam the ray stays in it longer: 1 / cos(slope).
            slope = slow_noise(rng, samples, 7.0) * rng.uniform(0.1, 0.7)
            longer = 1.0 / np.cos(np.clip(slope, -1.25, 1.25))
            amount = strength * rng.uniform(0.8, 1.2) * longer
            # A branch leaves its parent gradually; both ends go out of sight.
            amount *= np.clip(np.minimum(np.arange(samples), np.arange(samples, 0, -1)) / 50.0, 0, 1)
            paint_tube(total, tube.path, tube.radius_mm, amount, pitch_mm, wall=wall)
            for k in rng.integers(0, samples, int(rng.poisson(0.35))):
                _knot(rng, total, tube.path[k], float(tube.radius_mm[k]), pitch_mm)
    return total


def _knot(
    rng: np.random.Generator, total: FloatArray, place: Path, radius_mm: float, pitch_mm: float
) -> None:
    """Add a bend or branching seen end-on, or a small node on the vessel: a bright dot, mm of gland."""
    size_px = (rng.uniform(0.8, 1.8) * radius_mm + rng.uniform(0.0, 0.6)) / pitch_mm
    row, column = place / pitch_mm
    reach = int(2.5 * size_px) + 2
    r0, r1 = max(int(row) - reach, 0), min(int(row) + reach + 1, total.shape[0])
    c0, c1 = max(int(column) - reach, 0), min(int(column) + reach + 1, total.shape[1])
    if r0 >= r1 or c0 >= c1:
        return
    yy, xx = np.mgrid[r0:r1, c0:c1]
    distance2 = ((yy - row) ** 2 + (xx - column) ** 2 * rng.uniform(0.5, 1.5)) / size_px**2
    dot = rng.uniform(0.7, 3.0) * min(2 * radius_mm, 2.0) * np.exp(-(distance2 ** rng.uniform(0.8, 2.0)))
    total[r0:r1, c0:c1] += dot.astype(np.float32)
