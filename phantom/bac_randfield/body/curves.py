"""Curves drawn by correlated random walks, and what is spread over a strip along one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from bac_randfield.physics import Array64, FloatArray


def walk(
    rng: np.random.Generator,
    length_mm: float,
    heading: float,
    bend_radius_mm: float,
    memory_mm: float,
    step_mm: float = 0.25,
) -> Array64:
    """Walk with a curvature that wanders about 0: points (n, 2), (down, right) in mm, from the origin.

    `heading` is in radians from "right" towards "down", `bend_radius_mm` one over the standard deviation of
    the curvature, `memory_mm` the length over which the curvature keeps its sign.
    """
    n = max(int(length_mm / step_mm), 4)
    keep = np.exp(-step_mm / memory_mm)
    push = rng.standard_normal(n) * np.sqrt(1 - keep**2)
    curvature = np.zeros(n)
    value = rng.standard_normal()
    for k in range(n):
        value = keep * value + push[k]
        curvature[k] = value
    curvature = ndimage.gaussian_filter1d(curvature, max(memory_mm / 6 / step_mm, 1.0)) / bend_radius_mm
    angle = heading + np.cumsum(curvature) * step_mm
    steps = np.stack([np.sin(angle), np.cos(angle)], axis=1) * step_mm
    return np.asarray(np.cumsum(steps, axis=0))


def resampled(points: Array64, step_mm: float) -> Array64:
    """Return points along the same polyline, `step_mm` apart."""
    along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(points, axis=0).T))])
    at = np.arange(0.5 * step_mm, along[-1], step_mm)
    return np.stack([np.interp(at, along, points[:, axis]) for axis in (0, 1)], axis=1)


@dataclass(frozen=True)
class Line:
    """A curve in the image plane."""

    points: Array64  # (n, 2): (down, right) in mm
    normals: Array64  # (n, 2): unit vectors to the right-hand side of the direction of travel
    curvature: Array64  # (n,): 1/mm; positive where the curve bends towards its normal
    step_mm: float  # distance between points


def make_line(points: Array64, step_mm: float) -> Line:
    """Sample a polyline evenly and find its normals and curvature."""
    even = resampled(points, step_mm)
    if len(even) < 4:
        even = np.repeat(even[:1] if len(even) else points[:1], 4, axis=0) + np.arange(4)[:, None] * 1e-3
    smooth = ndimage.gaussian_filter1d(even, 0.4 / step_mm, axis=0, mode="nearest")
    tangent = np.gradient(smooth, axis=0)
    tangent /= np.maximum(np.hypot(tangent[:, 0], tangent[:, 1]), 1e-9)[:, None]
    normals = np.stack([tangent[:, 1], -tangent[:, 0]], axis=1)
    turning = np.gradient(tangent, axis=0) / step_mm
    return Line(even, normals, (turning * normals).sum(axis=1), step_mm)


def splat(
    image: FloatArray, down: Array64 | FloatArray, right: Array64 | FloatArray, weights: FloatArray | Array64
) -> None:
    """Add weights to an image at places in pixels (0 = centre of the first), shared among four pixels."""
    rows, columns = image.shape
    r, c = np.floor(down).astype(np.intp), np.floor(right).astype(np.intp)
    inside = (r >= 0) & (r < rows - 1) & (c >= 0) & (c < columns - 1)
    r, c = r[inside], c[inside]
    if r.size == 0:
        return
    fr, fc, w = down[inside] - r, right[inside] - c, weights[inside]
    r0, c0, r1, c1 = int(r.min()), int(c.min()), int(r.max()) + 2, int(c.max()) + 2
    width = c1 - c0
    index = (r - r0) * width + (c - c0)
    size = (r1 - r0) * width
    total = np.bincount(index, w * (1 - fr) * (1 - fc), size)
    total += np.bincount(index + 1, w * (1 - fr) * fc, size)
    total += np.bincount(index + width, w * fr * (1 - fc), size)
    total += np.bincount(index + width + 1, w * fr * fc, size)
    image[r0:r1, c0:c1] += total.reshape(r1 - r0, width).astype(np.float32)


def draw_cord(image: FloatArray, line: Line, radius_mm: Array64, amount: Array64, pitch_mm: float) -> None:
    """Add the path length through a round cord along a line, times `amount`, to an image in mm."""
    most = float(radius_mm.max())
    across = np.arange(-most, most + 1e-9, min(0.5 * pitch_mm, 0.25 * most))
    du = float(across[1] - across[0])
    chord = 2 * np.sqrt(np.maximum(radius_mm[:, None] ** 2 - across[None, :] ** 2, 0.0))
    weight = chord * amount[:, None] * (1 - line.curvature[:, None] * across[None, :]).clip(0, 2)
    weight *= du * line.step_mm / pitch_mm**2
    place = (line.points[:, None, :] + across[None, :, None] * line.normals[:, None, :]) / pitch_mm - 0.5
    kept = weight > 0
    splat(image, place[..., 0][kept], place[..., 1][kept], weight[kept])
