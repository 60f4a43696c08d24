"""Area-preserving resampling between the stored matrix and the working grid.

The network works at a fixed scale of 0.1 mm at the detector. Averaging over exact cell overlaps keeps
the mean, hence signal times area, so a mass measured on either grid is the same.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy import sparse

FloatArray = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]

WORKING_SPACING_MM = 0.1
"""Working pixel at the detector, in mm. Tracks of calcium are one to three such pixels wide."""


def working_shape(
    shape: tuple[int, ...],
    spacing_mm: tuple[float, float],
    target_mm: float = WORKING_SPACING_MM,
) -> tuple[int, int]:
    """Shape of the working grid that covers a stored matrix.

    The grid covers the matrix exactly, edge to edge, so its true spacing differs from ``target_mm`` by
    at most half a cell over the whole width. That is what makes the resampling conserve sums.

    Parameters
    ----------
    shape : tuple of int
        Rows and columns of the stored matrix.
    spacing_mm : tuple of float
        Distance between rows and between columns in mm.
    target_mm : float
        Wanted spacing in mm, the same along both axes.

    Returns
    -------
    tuple of int
        Rows and columns of the working grid, each at least 1.

    Raises
    ------
    ValueError
        When a spacing is not positive and finite.
    """
    for value in (*spacing_mm, target_mm):
        if not (math.isfinite(value) and value > 0):
            raise ValueError(f"spacing must be positive and finite, got {value}")
    rows = max(1, round(shape[0] * spacing_mm[0] / target_mm))
    columns = max(1, round(shape[1] * spacing_mm[1] / target_mm))
    return rows, columns


def working_spacing(
    shape: tuple[int, int], spacing_mm: tuple[float, float], grid: tuple[int, int]
) -> tuple[float, float]:
    """Return the exact spacing of a working grid in mm, (between rows, between columns).

    Close to `WORKING_SPACING_MM`. `shape` and `spacing_mm` are those of the stored matrix, `grid` is from
    `working_shape`.
    """
    return spacing_mm[0] * shape[0] / grid[0], spacing_mm[1] * shape[1] / grid[1]


def _overlap_weights(source: int, target: int) -> sparse.csr_matrix:
    """Return the (target, source) matrix that averages source cells over each target cell."""
    edges = np.union1d(np.arange(source + 1) * target, np.arange(target + 1) * source)
    lengths = np.diff(edges)
    middle2 = edges[:-1] + edges[1:]  # twice the middle, to stay in integers
    into = middle2 // (2 * source)
    out_of = middle2 // (2 * target)
    values = (lengths / source).astype(np.float32)
    return sparse.csr_matrix((values, (into, out_of)), shape=(target, source))


def _linear_weights(source: int, target: int) -> sparse.csr_matrix:
    """Return the (target, source) matrix of linear interpolation between cell centres."""
    position = (np.arange(target) + 0.5) * source / target - 0.5
    position = np.clip(position, 0.0, source - 1.0)
    below = np.minimum(position.astype(np.int64), max(source - 2, 0))
    above = np.minimum(below + 1, source - 1)
    part = (position - below).astype(np.float32)
    index = np.tile(np.arange(target), 2)
    values = np.concatenate([1.0 - part, part])
    places = (index, np.concatenate([below, above]))
    return sparse.csr_matrix((values, places), shape=(target, source), dtype=np.float32)


Window = tuple[slice, slice]
"""Rows and columns of a result that are wanted, the rest being 0."""


def _apply(
    rows: sparse.csr_matrix,
    columns: sparse.csr_matrix,
    array: npt.NDArray[np.generic],
    window: Window | None,
) -> FloatArray:
    """Apply one matrix along each axis."""
    if window is not None:
        result = np.zeros((rows.shape[0], columns.shape[0]), dtype=np.float32)
        result[window] = _apply(rows[window[0]], columns[window[1]], array, None)
        return result
    half = rows @ np.ascontiguousarray(array, dtype=np.float32)
    full = columns @ np.ascontiguousarray(half.T)
    return np.ascontiguousarray(full.T, dtype=np.float32)


def resample_area(
    array: npt.NDArray[np.generic], out_shape: tuple[int, ...], window: Window | None = None
) -> FloatArray:
    """Resample to another grid over the same field, keeping the mean exactly.

    Parameters
    ----------
    array : ndarray of shape (rows, columns)
        Any real or boolean array.
    out_shape : tuple of int
        Rows and columns of the result; see `working_shape`.
    window : tuple of slice, optional
        Part of the result to compute; the rest is 0.

    Returns
    -------
    ndarray of float32, shape `out_shape`
        Mean of the source over each target cell.

    Notes
    -----
    The sum of the result times its pixel area equals that of the source to float32 accuracy.
    """
    if array.shape == out_shape:
        return np.array(array, dtype=np.float32)
    rows = _overlap_weights(array.shape[0], out_shape[0])
    columns = _overlap_weights(array.shape[1], out_shape[1])
    return _apply(rows, columns, array, window)


def resample_valid(
    array: FloatArray, valid: BoolArray, out_shape: tuple[int, ...]
) -> tuple[FloatArray, BoolArray]:
    """Resample the valid pixels only.

    Parameters
    ----------
    array : ndarray of float32, shape (rows, columns)
        Signal.
    valid : ndarray of bool, shape (rows, columns)
        False where the signal means nothing (padding, clipped).
    out_shape : tuple of int
        Shape of the result.

    Returns
    -------
    signal : ndarray of float32, shape `out_shape`
        Mean over the valid part of each cell; 0 where no part is valid.
    valid : ndarray of bool, shape `out_shape`
        True where at least half of the cell is valid.
    """
    if valid.all():
        return resample_area(array, out_shape), np.ones(out_shape, dtype=bool)
    coverage = resample_area(valid, out_shape)
    total = resample_area(np.where(valid, array, np.float32(0)), out_shape)
    signal = np.divide(total, coverage, out=np.zeros_like(total), where=coverage > 0)
    return signal, coverage >= 0.5


def resample_linear(
    array: npt.NDArray[np.generic], out_shape: tuple[int, ...], window: Window | None = None
) -> FloatArray:
    """Interpolate linearly between cell centres, for smooth maps such as probabilities.

    Parameters
    ----------
    array : ndarray of shape (rows, columns)
        Map to interpolate.
    out_shape : tuple of int
        Shape of the result, over the same field.
    window : tuple of slice, optional
        Part of the result to compute; the rest is 0.

    Returns
    -------
    ndarray of float32, shape `out_shape`
        Interpolated map. Sums are kept only approximately: use `resample_area` for masses.
    """
    if array.shape == out_shape:
        return np.array(array, dtype=np.float32)
    rows = _linear_weights(array.shape[0], out_shape[0])
    columns = _linear_weights(array.shape[1], out_shape[1])
    return _apply(rows, columns, array, window)


def window_of(mask: BoolArray, margin: int, out_shape: tuple[int, ...] | None = None) -> Window | None:
    """Bound a mask, on its own grid or on another over the same field.

    Parameters
    ----------
    mask : ndarray of bool, shape (h, w)
        Mask.
    margin : int
        Pixels of `mask` to add on each side.
    out_shape : tuple of int, optional
        Shape of the other grid.

    Returns
    -------
    tuple of slice or None
        Rows and columns that hold the mask; None when it is empty.
    """
    slices = []
    for axis, size in enumerate(mask.shape):
        hit = np.flatnonzero(mask.any(axis=1 - axis))
        if hit.size == 0:
            return None
        first, last = max(0, int(hit[0]) - margin), min(size, int(hit[-1]) + 1 + margin)
        target = size if out_shape is None else out_shape[axis]
        slices.append(slice(first * target // size, -(-last * target // size)))
    return slices[0], slices[1]


def to_working(mask: BoolArray, out_shape: tuple[int, ...]) -> BoolArray:
    """Return a mask, (rows, columns), on the working grid: True where at least half of the cell is in it."""
    return np.asarray(resample_area(mask, out_shape) >= 0.5)
