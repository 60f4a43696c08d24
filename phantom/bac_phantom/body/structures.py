"""What lies in the fat: strands, ligaments, ducts, muscle, masses, folds; in mm of gland along the ray."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from bac_phantom.body.curves import STEP_MM, many_paths, random_path, stamp, tube_pixels
from bac_phantom.body.fields import FloatArray, band_noise, resize


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
    contrast = np.exp(rng.uniform(np.log(0.4), np.log(1.3)))
    # (blur across in mm, strands per cm2, mm of gland along the ray, samples): thin and many to broad, few.
    for blur_mm, per_cm2, depth_mm, samples in (
        (0.09, 12.0, 1.3, 190),
        (0.25, 4.0, 1.6, 260),
        (0.5, 0.7, 1.6, 300),
        (1.2, 0.15, 1.8, 400),
    ):
        count = max(1, int(rng.poisson(per_cm2 * (0.3 + 1.2 * fibrous) * height * width / 100)))
        # They come in feathery bundles of near-parallel fibres.
        bundles = rng.uniform(0, 1, (count // 6 + 1, 2)) * (height, width)
        whose = np.arange(count) // 6
        starts = np.abs(bundles[whose] + rng.normal(0, 2.5, (count, 2)))
        starts = np.minimum(starts, (height - pitch_mm, width - pitch_mm))
        toward = np.arctan2(nipple[0] - starts[:, 0], nipple[1] - starts[:, 1])
        turn = grain[(starts[:, 0] / 4).astype(int), (starts[:, 1] / 4).astype(int)]
        loose = rng.random(len(bundles)) < 0.3
        spread = np.where(loose, rng.uniform(-np.pi, np.pi, len(bundles)), rng.normal(0, 0.3, len(bundles)))[
            whose
        ] + rng.normal(0, 0.2, count)
        paths = many_paths(rng, starts, order * toward + 0.7 * turn + spread, samples)
        # Each strand has its own length inside the common number of samples, and fades at both ends.
        length = np.clip(rng.gamma(2.0, samples / 5, count), 20, samples)
        place = np.arange(samples)[None, :] / length[:, None]
        fade = np.sqrt(np.sin(np.pi * np.clip(place, 0, 1)))
        strength = contrast * depth_mm * rng.gamma(2.0, 0.35, count)[:, None] * blur_mm * 2.5
        # Broad strands are smooth: a coarser canvas carries them.
        step = max(1, int(blur_mm / pitch_mm / 1.2))
        canvas = np.zeros((shape[0] // step + 1, shape[1] // step + 1), dtype=np.float32)
        skip = max(1, int(blur_mm / STEP_MM))  # samples that blur would join anyway
        amount = (fade * strength)[:, ::skip].ravel() * skip
        stamp(canvas, paths[:, ::skip].reshape(-1, 2), pitch_mm * step, amount)
        canvas = ndimage.gaussian_filter(canvas, blur_mm / (pitch_mm * step), truncate=3.0)
        total += resize(canvas, (canvas.shape[0] * step, canvas.shape[1] * step))[: shape[0], : shape[1]]
    return total


def ligaments(
    rng: np.random.Generator, fibrous: float, depth_mm: FloatArray, grid_mm: float, pitch_mm: float
) -> FloatArray:
    """Cooper's ligaments: curved sheets seen edge-on, densest near the skin, mm of gland.

    ``depth_mm`` is the distance to the skin on a grid of ``grid_mm``; the result lies on one of ``pitch_mm``.
    """
    shape = tuple(int(np.ceil(n * grid_mm / pitch_mm)) for n in depth_mm.shape)
    canvas = np.zeros(shape, dtype=np.float32)
    chance = np.where(depth_mm > 1.0, np.exp(-depth_mm / rng.uniform(8, 25)), 0).ravel()
    if chance.sum() == 0:
        return canvas
    area_cm2 = float((depth_mm > 1.0).sum()) * grid_mm**2 / 100
    count = int(rng.poisson(area_cm2 * rng.uniform(0.3, 2.2) * (0.4 + 1.2 * fibrous))) + 1
    picks = rng.choice(chance.size, count, p=chance / chance.sum())
    rows, columns = np.unravel_index(picks, depth_mm.shape)
    starts = (np.column_stack([rows, columns]) + rng.random((count, 2))) * grid_mm
    down, right = np.gradient(ndimage.gaussian_filter(depth_mm, 3.0))
    # They leave the skin obliquely and bow like a festoon between their ends.
    along_skin = np.arctan2(right[rows, columns], -down[rows, columns])
    heading = along_skin + rng.choice([0.0, np.pi], count) + rng.normal(0, 0.6, count)
    samples = 220
    bow = rng.choice([-1, 1], count) / np.exp(rng.uniform(np.log(10), np.log(80), count))
    turn = heading[:, None] + bow[:, None] * (np.arange(samples) - samples / 3) * STEP_MM
    turn = turn + np.cumsum(rng.normal(0, 0.012, (count, samples)), axis=1)
    step = np.stack([np.sin(turn), np.cos(turn)], axis=-1) * STEP_MM
    paths = starts[:, None, :] + np.cumsum(step, axis=1)
    length = rng.uniform(40, samples, (count, 1))
    fade = np.sqrt(np.sin(np.pi * np.clip(np.arange(samples)[None, :] / length, 0, 1)))
    strength = rng.gamma(1.5, 0.7, (count, 1)) * rng.uniform(0.12, 0.4)
    for part, blur_mm, step in ((slice(0, None, 2), 0.1, 1), (slice(1, None, 2), 0.25, 2)):
        layer = np.zeros((shape[0] // step + 1, shape[1] // step + 1), dtype=np.float32)
        amount = (fade * strength)[part, ::step].ravel() * (1 + 2 * blur_mm) * step
        stamp(layer, paths[part, ::step].reshape(-1, 2), pitch_mm * step, amount)
        layer = ndimage.gaussian_filter(layer, blur_mm / (pitch_mm * step), truncate=2.5)
        canvas += resize(layer, (layer.shape[0] * step, layer.shape[1] * step))[: shape[0], : shape[1]]
    return canvas


def ducts(
    rng: np.random.Generator, shape: tuple[int, ...], pitch_mm: float, nipple: tuple[float, float]
) -> FloatArray:
    """Ducts: soft cords that converge on the nipple, thinner further out, mm of gland."""
    # Half a millimetre wide or more: a coarser canvas carries them.
    step = max(1, int(0.35 / pitch_mm))
    canvas = np.zeros((shape[0] // step + 1, shape[1] // step + 1), dtype=np.float32)
    count, samples = int(rng.integers(6, 16)), int(rng.uniform(250, 600))
    starts = np.array(nipple) + rng.normal(0, 1.2, (count, 2))
    trunks = many_paths(rng, starts, np.pi + rng.uniform(-0.9, 0.9, count), samples)
    picks = rng.integers(0, samples, 3 * count)
    whose = rng.integers(0, count, 3 * count)
    joins = trunks[whose, picks]
    away = np.arctan2(joins[:, 0] - nipple[0], joins[:, 1] - nipple[1])
    twigs = many_paths(
        rng, joins, away + rng.choice([-1, 1], 3 * count) * rng.uniform(0.2, 0.8, 3 * count), 200
    )
    strength = rng.uniform(0.1, 1.1)
    for paths, scale in ((trunks, 1.0), (twigs, 0.5)):
        thin = np.linspace(1.0, 0.15, paths.shape[1])[None, :] * rng.gamma(2.0, 0.5, (len(paths), 1))
        stamp(canvas, paths.reshape(-1, 2), pitch_mm * step, (strength * scale * thin).ravel())
    canvas = ndimage.gaussian_filter(canvas, 0.4 / (pitch_mm * step), truncate=3.0)
    return resize(canvas, (canvas.shape[0] * step, canvas.shape[1] * step))[: shape[0], : shape[1]]


def muscle_fibres(
    rng: np.random.Generator, shape: tuple[int, ...], grid_mm: float, edge_rad: float
) -> FloatArray:
    """Relative thickness of a muscle, mean 1: bundles along its edge, ``edge_rad`` from the column axis."""
    rows, columns = np.mgrid[: shape[0], : shape[1]].astype(np.float32) * np.float32(grid_mm)
    # Bundles fan out a little from the shoulder.
    angle = edge_rad + rng.uniform(-0.0025, 0.0025) * columns
    along = rows * np.sin(angle) + columns * np.cos(angle)
    across = columns * np.sin(angle) - rows * np.cos(angle)
    total = np.ones(shape, dtype=np.float32)
    for bundle_mm, gain in ((1.2, 0.018), (3.5, 0.03), (14.0, 0.06)):
        length_mm = 20 * bundle_mm
        size = (
            int((np.ptp(across)) / bundle_mm) + 3,
            int((np.ptp(along)) / length_mm) + 3,
        )
        where = [(across - across.min()) / bundle_mm, (along - along.min()) / length_mm]
        total += gain * ndimage.map_coordinates(
            rng.standard_normal(size, dtype=np.float32), where, order=1, mode="nearest"
        )
    return total


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
        lobes = 1 + sum(
            rng.uniform(0, 0.3) / waves**1.5 * np.sin(waves * angle + rng.uniform(0, 6.28))
            for waves in (2, 3, 5)
        )
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
        ends = np.sin(np.linspace(0, np.pi, len(path))).astype(np.float32) ** np.float32(0.7)
        edge = (0.5 + 0.5 * across) ** np.float32(rng.uniform(0.7, 2.0))
        total[near.rows, near.columns] += np.float32(rng.uniform(2.0, 14.0)) * edge * ends[near.along]
    return total
