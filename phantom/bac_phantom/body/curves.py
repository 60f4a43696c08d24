"""Curved structures: random walks through the breast, thin strands, and tubes with their cross-section."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.spatial import cKDTree

FloatArray = npt.NDArray[np.float32]
Path = npt.NDArray[np.float64]  # (n, 2) in mm, (row, column), detector plane

STEP_MM = 0.1


def random_path(
    rng: np.random.Generator,
    start: tuple[float, float],
    heading: float,
    length_mm: float,
    tortuosity: float,
    target: tuple[float, float] | None = None,
) -> Path:
    """Random smooth path in mm, (row, column), at ``STEP_MM`` steps.

    ``heading`` in radians from the column axis; ``tortuosity`` 0 (straight) to about 1 (a corkscrew);
    ``target`` draws the path softly towards a point.
    """
    n = max(8, int(length_mm / STEP_MM))
    # Curvature is noise at three scales: slow bends, vessel waves, small kinks.
    s = np.arange(n) * STEP_MM
    bend = np.zeros(n)
    for scale_mm, gain in ((40.0, 0.015), (9.0, 0.09 * tortuosity), (3.0, 0.16 * tortuosity)):
        knots = rng.standard_normal(int(s[-1] / scale_mm) + 4)
        bend += gain * ndimage.map_coordinates(knots, [s / scale_mm + 1.0], order=3, mode="nearest")
    wave_mm = rng.uniform(6.0, 14.0)
    bend += (
        tortuosity**2
        * 0.25
        * np.sin(2 * np.pi * s / wave_mm + rng.uniform(0, 6.28))
        * (0.5 + 0.5 * np.sin(2 * np.pi * s / (wave_mm * rng.uniform(3, 6))))
    )
    wander = np.cumsum(bend) * STEP_MM
    direction = heading + wander
    if target is not None:
        # Pull the mean direction, not each step, so that the waves stay.
        row, column = start
        base = heading
        out = np.empty((n, 2))
        for i in range(0, n, 20):
            aim = np.arctan2(target[0] - row, target[1] - column)
            base += 0.08 * np.sin(aim - base)
            step = base + wander[i : i + 20]
            rows = row + np.cumsum(np.sin(step)) * STEP_MM
            columns = column + np.cumsum(np.cos(step)) * STEP_MM
            out[i : i + 20, 0], out[i : i + 20, 1] = rows, columns
            row, column = rows[-1], columns[-1]
        return out
    return np.column_stack(
        [start[0] + np.cumsum(np.sin(direction)) * STEP_MM, start[1] + np.cumsum(np.cos(direction)) * STEP_MM]
    )


def many_paths(
    rng: np.random.Generator, starts: Path, headings: npt.NDArray[np.float64], samples: int
) -> npt.NDArray[np.float64]:
    """Gently bending paths in one go: (n, samples, 2) in mm, (row, column), at ``STEP_MM`` steps."""
    n = len(starts)
    s = np.arange(samples) * STEP_MM
    bend = np.zeros((n, samples))
    for scale_mm, gain in ((25.0, 0.02), (7.0, 0.05), (2.0, 0.06)):
        knots = rng.standard_normal((n, int(s[-1] / scale_mm) + 3)) * rng.uniform(0.3, 1.6, (n, 1))
        low = (s / scale_mm).astype(int)
        part = s / scale_mm - low
        bend += gain * (knots[:, low] * (1 - part) + knots[:, low + 1] * part)
    direction = headings[:, None] + np.cumsum(bend, axis=1) * STEP_MM
    steps = np.stack([np.sin(direction), np.cos(direction)], axis=-1) * STEP_MM
    return np.asarray(starts[:, None, :] + np.cumsum(steps, axis=1))


def stamp(canvas: FloatArray, path: Path, pitch_mm: float, amount: npt.NDArray[np.float64] | float) -> None:
    """Add a line of ``amount`` (unit: value x mm of width) to ``canvas``, bilinear, in place."""
    position = path / pitch_mm - 0.5
    corner = np.floor(position).astype(np.int64)
    fraction = position - corner
    inside = (corner >= 0).all(axis=1) & (corner < np.array(canvas.shape) - 1).all(axis=1)
    corner, fraction = corner[inside], fraction[inside]
    weight = np.broadcast_to(np.asarray(amount, dtype=float) * STEP_MM / pitch_mm**2, len(path))[inside]
    flat = corner[:, 0] * canvas.shape[1] + corner[:, 1]
    u, v = fraction[:, 0], fraction[:, 1]
    for shift, share in (
        (0, (1 - u) * (1 - v)),
        (1, (1 - u) * v),
        (canvas.shape[1], u * (1 - v)),
        (canvas.shape[1] + 1, u * v),
    ):
        np.add.at(canvas.reshape(-1), flat + shift, (weight * share).astype(np.float32))


@dataclass(frozen=True)
class TubePixels:
    """Pixels near a path with their place in the tube's own coordinates."""

    rows: npt.NDArray[np.intp]
    columns: npt.NDArray[np.intp]
    along: npt.NDArray[np.intp]  # index of the nearest path sample
    offset_mm: FloatArray  # signed distance from the centre line


def tube_pixels(
    path: Path, reach_mm: npt.NDArray[np.float64], pitch_mm: float, shape: tuple[int, ...]
) -> TubePixels:
    """Pixels whose centre is within ``reach_mm`` (per path sample) of ``path``."""
    lattice = np.zeros(shape, dtype=bool)
    cells = np.floor(path / pitch_mm).astype(int)
    keep = (cells >= 0).all(axis=1) & (cells < np.array(shape)).all(axis=1)
    empty = np.zeros(0, dtype=np.intp)
    if not keep.any():
        return TubePixels(empty, empty, empty, np.zeros(0, dtype=np.float32))
    lo = np.maximum(cells[keep].min(axis=0) - int(reach_mm.max() / pitch_mm) - 2, 0)
    hi = np.minimum(cells[keep].max(axis=0) + int(reach_mm.max() / pitch_mm) + 3, shape)
    crop = lattice[lo[0] : hi[0], lo[1] : hi[1]]
    crop[tuple((cells[keep] - lo).T)] = True
    near = ndimage.distance_transform_edt(~crop) <= reach_mm.max() / pitch_mm + 1.5
    rows, columns = np.nonzero(near)
    rows, columns = rows + lo[0], columns + lo[1]
    centres = (np.column_stack([rows, columns]) + 0.5) * pitch_mm
    distance, along = cKDTree(path).query(centres, distance_upper_bound=float(reach_mm.max()))
    hit = np.isfinite(distance)
    rows, columns, along, centres = rows[hit], columns[hit], along[hit], centres[hit]
    tangent = np.gradient(path, axis=0)
    tangent /= np.maximum(np.linalg.norm(tangent, axis=1, keepdims=True), 1e-9)
    delta = centres - path[along]
    offset = tangent[along, 1] * delta[:, 0] - tangent[along, 0] * delta[:, 1]
    # Beyond the two ends there is no tube: the nearest sample is the end and the offset is along it.
    ahead = np.abs((tangent[along] * delta).sum(axis=1)) <= 1.5 * STEP_MM + pitch_mm
    hit = ahead & (np.abs(offset) <= reach_mm[along])
    return TubePixels(rows[hit], columns[hit], along[hit], offset[hit].astype(np.float32))
