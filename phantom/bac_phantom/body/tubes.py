"""Tubes and rods of any course, painted onto a grid: thickness along the ray, anti-aliased."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from bac_phantom.body.curves import STEP_MM, FloatArray, Path

Profile = npt.NDArray[np.float64]


def normals(path: Path) -> Path:
    """Compute the unit normals of a path, (n, 2), (row, column)."""
    tangent = np.gradient(path, axis=0)
    tangent /= np.maximum(np.linalg.norm(tangent, axis=1, keepdims=True), 1e-9)
    return np.column_stack([tangent[:, 1], -tangent[:, 0]])


def slow_noise(rng: np.random.Generator, samples: int, scale_mm: float) -> Profile:
    """Smooth noise along a path, about unit SD, that changes over ``scale_mm``."""
    position = np.arange(samples) * STEP_MM / scale_mm
    knots = rng.standard_normal(int(position[-1]) + 4)
    return np.asarray(1.3 * ndimage.map_coordinates(knots, [position + 1.0], order=3, mode="nearest"))


def paint_tube(
    canvas: FloatArray,
    path: Path,
    radius_mm: Profile,
    amount: Profile,
    pitch_mm: float,
    *,
    hollow: float = 0.0,
    wall: float = 0.0,
) -> None:
    """Add a round tube to ``canvas`` in place: ``amount`` times the length of the ray inside it, mm.

    Parameters
    ----------
    canvas
        float32 (rows, columns).
    path
        Centre line, (n, 2), mm, (row, column), at ``STEP_MM`` steps.
    radius_mm, amount
        Outer radius and content per mm of ray, one value for each path sample.
    pitch_mm
        Pixel pitch.
    hollow
        Inner over outer radius of the empty core; 0 for a solid rod.
    wall
        Excess content of the outer fifth of the radius, relative to ``amount``.
    """
    step = min(STEP_MM, 0.7 * pitch_mm)
    place = np.arange(0.0, (len(path) - 1) * STEP_MM, step) / STEP_MM
    index = np.arange(len(path))
    centre = np.column_stack([np.interp(place, index, path[:, k]) for k in (0, 1)])
    normal = normals(path)[np.minimum(place.round().astype(int), len(path) - 1)]
    radius, content = np.interp(place, index, radius_mm), np.interp(place, index, amount)
    reach = float(radius.max()) + pitch_mm
    offset = np.arange(-reach, reach + 1e-9, 0.5 * pitch_mm)
    # Samples just outside carry zero, so that a pixel on the edge gets its share of the inside.
    i, j = np.nonzero(np.abs(offset)[None, :] <= radius[:, None] + pitch_mm)
    r2, o2 = radius[i] ** 2, offset[j] ** 2
    through = 2 * np.sqrt(np.maximum(r2 - o2, 0))
    if hollow > 0:
        through -= 2 * np.sqrt(np.maximum(hollow**2 * r2 - o2, 0))
    if wall > 0:
        through += wall * (through - 2 * np.sqrt(np.maximum(0.64 * r2 - o2, 0)))
    value = content[i] * through
    position = (centre[i] + normal[i] * offset[j, None]) / pitch_mm - 0.5
    corner = np.floor(position).astype(np.int64)
    ok = (corner >= 0).all(axis=1) & (corner < np.array(canvas.shape) - 1).all(axis=1)
    if not ok.any():
        return
    position, corner, value = position[ok], corner[ok], value[ok]
    low, high = corner.min(axis=0), corner.max(axis=0) + 2
    rows, columns = (high - low).tolist()
    flat = (corner[:, 0] - low[0]) * columns + corner[:, 1] - low[1]
    u, v = (position - corner).T
    weight, total = np.zeros(rows * columns), np.zeros(rows * columns)
    for shift, share in (
        (0, (1 - u) * (1 - v)),
        (1, (1 - u) * v),
        (columns, u * (1 - v)),
        (columns + 1, u * v),
    ):
        weight += np.bincount(flat + shift, share, rows * columns)
        total += np.bincount(flat + shift, share * value, rows * columns)
    mean = (total / np.maximum(weight, 1e-6)).reshape(rows, columns)
    canvas[low[0] : high[0], low[1] : high[1]] += mean.astype(np.float32)
