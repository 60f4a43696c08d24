"""What lies in the fat: strands, uncalcified vessels, masses, skin folds; in mm of gland along the ray."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from bac_phantom.curves import STEP_MM, Path, chord, many_paths, random_path, stamp, tube_pixels
from bac_phantom.fields import FloatArray, band_noise, resize


def strands(
    rng: np.random.Generator,
    fibrous: float,
    shape: tuple[int, ...],
    pitch_mm: float,
    nipple: tuple[float, float],
) -> FloatArray:
    """Ligaments, ducts and connective tissue: thin curves along a common grain, mm of gland.

    Ligaments are sheets: seen edge-on they are several mm thick along the ray though thin across it.
    """
    total = np.zeros(shape, dtype=np.float32)
    height, width = shape[0] * pitch_mm, shape[1] * pitch_mm
    grain = band_noise(rng, (int(height / 4) + 2, int(width / 4) + 2), 6)
    order = rng.uniform(0.25, 1.0)
    contrast = np.exp(rng.uniform(np.log(0.5), np.log(1.6)))
    # (blur across in mm, strands per cm2, mm of gland along the ray, samples): thin and many to broad, few.
    for blur_mm, per_cm2, depth_mm, samples in (
        (0.07, 9.0, 1.2, 160),
        (0.12, 9.0, 1.4, 220),
        (0.25, 4.0, 1.6, 260),
        (0.5, 0.7, 1.6, 300),
        (1.2, 0.15, 1.8, 400),
    ):
        count = max(1, int(rng.poisson(per_cm2 * (0.3 + 1.2 * fibrous) * height * width / 100)))
        starts = rng.uniform(0, 1, (count, 2)) * (height, width)
        toward = np.arctan2(nipple[0] - starts[:, 0], nipple[1] - starts[:, 1])
        turn = grain[(starts[:, 0] / 4).astype(int), (starts[:, 1] / 4).astype(int)]
        spread = np.where(
            rng.random(count) < 0.8, rng.normal(0, 0.3, count), rng.uniform(-np.pi, np.pi, count)
        )
        paths = many_paths(rng, starts, order * toward + 0.7 * turn + spread, samples)
        # Each strand has its own length inside the common number of samples, and fades at both ends.
        length = np.clip(rng.gamma(2.0, samples / 5, count), 20, samples)
        place = np.arange(samples)[None, :] / length[:, None]
        fade = np.sqrt(np.sin(np.pi * np.clip(place, 0, 1)))
        strength = contrast * depth_mm * rng.gamma(1.3, 0.6, count)[:, None] * blur_mm * 2.5
        # Broad strands are smooth: a coarser canvas carries them.
        step = max(1, int(blur_mm / pitch_mm / 1.2))
        canvas = np.zeros((shape[0] // step + 1, shape[1] // step + 1), dtype=np.float32)
        stamp(canvas, paths.reshape(-1, 2), pitch_mm * step, (fade * strength).ravel())
        canvas = ndimage.gaussian_filter(canvas, blur_mm / (pitch_mm * step), truncate=3.0)
        total += resize(canvas, (canvas.shape[0] * step, canvas.shape[1] * step))[: shape[0], : shape[1]]
    return total


def plain_vessels(
    rng: np.random.Generator,
    count: int,
    shape: tuple[int, ...],
    pitch_mm: float,
    nipple: tuple[float, float],
) -> FloatArray:
    """Uncalcified arteries and veins: tubes of blood and wall, mm of gland-like tissue."""
    total = np.zeros(shape, dtype=np.float32)
    height, width = shape[0] * pitch_mm, shape[1] * pitch_mm
    for _ in range(count):
        start = (rng.uniform(0.05, 0.95) * height, rng.uniform(0.0, 0.35) * width)
        path = random_path(
            rng,
            start,
            rng.normal(0, 0.6),
            rng.uniform(25, 130),
            rng.uniform(0.1, 0.8),
            target=(nipple[0] + rng.normal(0, 25), nipple[1]),
        )
        radius = rng.uniform(0.3, 1.6) * np.linspace(1.0, rng.uniform(0.4, 0.9), len(path))
        near = tube_pixels(path, radius, pitch_mm, shape)
        # Where the vessel dips along the beam the ray stays in it longer: 1 / cos(slope).
        slope = np.cumsum(rng.standard_normal(len(path))) * 0.1 * STEP_MM**0.5
        slope = ndimage.gaussian_filter1d(slope - slope.mean(), 1.5 / STEP_MM) * rng.uniform(0.2, 3.0)
        longer = 1.0 / np.cos(np.clip(slope, -1.2, 1.2))
        depth = rng.uniform(0.5, 1.1) * np.minimum(longer, 6.0 / (2 * radius) + 1)
        lumen = chord(near.offset_mm, radius[near.along].astype(np.float32))
        total[near.rows, near.columns] += lumen * depth[near.along].astype(np.float32)
        _add_knots(rng, total, path, radius, pitch_mm)
    return total


def _add_knots(
    rng: np.random.Generator, total: FloatArray, path: Path, radius: npt.NDArray[np.float64], pitch_mm: float
) -> None:
    """Bends and branchings seen end-on, and small lymph nodes on the vessel: bright dots, mm of gland."""
    for place in rng.integers(0, len(path), int(rng.poisson(0.6))):
        size_px = float(rng.uniform(0.8, 1.8) * radius[place] + rng.uniform(0.0, 0.6)) / pitch_mm
        row, column = path[place] / pitch_mm
        reach = int(2.5 * size_px) + 2
        r0, r1 = max(int(row) - reach, 0), min(int(row) + reach + 1, total.shape[0])
        c0, c1 = max(int(column) - reach, 0), min(int(column) + reach + 1, total.shape[1])
        if r0 >= r1 or c0 >= c1:
            continue
        yy, xx = np.mgrid[r0:r1, c0:c1]
        distance2 = ((yy - row) ** 2 + (xx - column) ** 2 * rng.uniform(0.5, 1.5)) / size_px**2
        total[r0:r1, c0:c1] += (rng.uniform(1.0, 6.0) * np.exp(-(distance2 ** rng.uniform(0.8, 2.0)))).astype(
            np.float32
        )


def masses(rng: np.random.Generator, shape: tuple[int, ...], pitch_mm: float) -> FloatArray:
    """Round or lobulated soft-tissue masses and nodes, mm of gland."""
    total = np.zeros(shape, dtype=np.float32)
    for _ in range(int(rng.poisson(1.2))):
        radius_px = rng.uniform(2.0, 9.0) / pitch_mm
        size = int(radius_px * 1.6)
        row, column = int(rng.integers(0, shape[0])), int(rng.integers(0, shape[1]))
        r0, r1, c0, c1 = (
            max(row - size, 0),
            min(row + size, shape[0]),
            max(column - size, 0),
            min(column + size, shape[1]),
        )
        yy, xx = np.mgrid[r0:r1, c0:c1]
        angle = np.arctan2(yy - row, xx - column)
        lobes = 1 + 0.12 * np.sin(int(rng.integers(2, 6)) * angle + rng.uniform(0, 6.28))
        inside = 1 - ((yy - row) ** 2 + (xx - column) ** 2) / (radius_px * lobes) ** 2
        total[r0:r1, c0:c1] += (
            rng.uniform(0.3, 0.9) * 1.4 * radius_px * pitch_mm * np.sqrt(np.maximum(inside, 0))
        ).astype(np.float32)
    return total


def folds(
    rng: np.random.Generator, shape: tuple[int, ...], pitch_mm: float, depth_px: FloatArray
) -> FloatArray:
    """Skin folds at the rim and at the chest wall: bands with one sharp edge, mm of gland."""
    total = np.zeros(shape, dtype=np.float32)
    rim = np.argwhere((depth_px[::8, ::8] > 0) & (depth_px[::8, ::8] * pitch_mm < 10.0))
    wall = np.argwhere(depth_px[::8, :8:8] > 0)
    for _ in range(int(rng.poisson(0.5))):
        places = wall if rng.random() < 0.5 else rim
        if len(places) == 0:
            continue
        # Folds of the chest wall gather at the upper and lower end of the breast.
        pick = (
            int(rng.beta(0.4, 0.4) * (len(places) - 1)) if places is wall else int(rng.integers(len(places)))
        )
        start = (float(places[pick][0]) * 8 * pitch_mm, float(places[pick][1]) * 8 * pitch_mm)
        path = random_path(rng, start, rng.uniform(0, 2 * np.pi), rng.uniform(8, 50), 0.1)
        radius = rng.uniform(0.8, 5.0) * np.sin(np.linspace(0.3, np.pi - 0.1, len(path))) ** 0.5
        near = tube_pixels(path, radius, pitch_mm, shape)
        across = near.offset_mm / np.maximum(radius[near.along], 1e-3).astype(np.float32)
        total[near.rows, near.columns] += np.float32(rng.uniform(2.0, 14.0)) * (
            0.5 + 0.5 * across
        ) ** np.float32(rng.uniform(0.7, 2.0))
    return total
