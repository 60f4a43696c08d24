"""Area-preserving resampling between the stored matrix and the working grid.

The network works at a fixed scale of 0.1 mm at the detector. Averaging over exact cell overlaps keeps
the mean, hence signal times area, so a mass measured on either grid is the same.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from bac_imaging.grid.axis import AREA, LINEAR, Axis, Kind, axis, reach

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


Window = tuple[slice, slice]
"""Rows and columns of a result that are wanted, the rest being 0."""


def resample_part(
    kind: Kind,
    array: npt.NDArray[np.generic],
    shape: tuple[int, ...],
    out_shape: tuple[int, ...],
    wanted: Window,
    given: Window | None = None,
) -> FloatArray:
    """Resample a part of one grid to a part of another over the same field.

    Parameters
    ----------
    kind : Kind
        `bac_imaging.grid.axis.AREA` or `LINEAR`.
    array : ndarray of shape (n, m)
        The part of the source that is not 0.
    shape, out_shape : tuple of int
        Shapes of the whole grids.
    wanted : tuple of slice
        Part of the result.
    given : tuple of slice, optional
        Where `array` lies in its grid. Default: it is the whole.

    Returns
    -------
    ndarray of float32, of the shape of `wanted`
        Resampled part.
    """
    (rows, columns), read = _axes(kind, shape, out_shape, wanted, given)
    values = np.asarray(array[read], dtype=np.float32)
    if rows.size < len(values):
        return columns.along_columns(rows.along_rows(values))
    return rows.along_rows(columns.along_columns(values))


def linear_strips(
    array: FloatArray, shape: tuple[int, ...], out_shape: tuple[int, ...], wanted: Window, given: Window
) -> Iterator[tuple[slice, FloatArray]]:
    """Interpolate as `resample_part` does, and give the result in strips of a few rows.

    Whoever uses each strip at once needs no array of the whole result. A strip is valid until the next.

    Yields
    ------
    slice
        Rows of `wanted`, from 0.
    ndarray of float32, shape (rows, columns of `wanted`)
        Their values.
    """
    (rows, columns), read = _axes(LINEAR, shape, out_shape, wanted, given)
    yield from rows.strips(columns.along_columns(array[read]))


def _axes(
    kind: Kind,
    shape: tuple[int, ...],
    out_shape: tuple[int, ...],
    wanted: Window,
    given: Window | None,
) -> tuple[list[Axis], Window]:
    """Make both axes, and tell which part of what is given they read."""
    axes, read = [], []
    for size, out_size, part, there in zip(shape, out_shape, wanted, given or whole(shape), strict=True):
        ends = (part.start, part.stop)
        first, stop = reach(kind, size, out_size, ends)
        first, stop = max(first, there.start), min(stop, there.stop)
        axes.append(axis(kind, size, out_size, ends, (first, stop)))
        read.append(slice(first - there.start, stop - there.start))
    return axes, (read[0], read[1])


def whole(shape: tuple[int, ...]) -> Window:
    """Return the window that is all of a grid."""
    return slice(0, shape[0]), slice(0, shape[1])


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
    if window is None:
        return resample_part(AREA, array, array.shape, out_shape, whole(out_shape))
    result = np.zeros(out_shape, dtype=np.float32)
    if all(part.stop > part.start for part in window):
        result[window] = resample_part(AREA, array, array.shape, out_shape, window)
    return result


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
    masked = np.where(valid, array, np.float32(0))
    if array.shape == out_shape:
        return masked, valid.copy()
    coverage = resample_area(valid, out_shape)
    total = resample_area(masked, out_shape)
    return np.divide(total, coverage, out=total, where=coverage > 0), coverage >= 0.5


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
    for along, size in enumerate(mask.shape):
        hit = np.flatnonzero(mask.any(axis=1 - along))
        if hit.size == 0:
            return None
        first, last = max(0, int(hit[0]) - margin), min(size, int(hit[-1]) + 1 + margin)
        target = size if out_shape is None else out_shape[along]
        slices.append(slice(first * target // size, -(-last * target // size)))
    return slices[0], slices[1]


def to_working(mask: BoolArray, out_shape: tuple[int, ...]) -> BoolArray:
    """Return a mask, (rows, columns), on the working grid: True where at least half of the cell is in it."""
    return np.asarray(resample_area(mask, out_shape) >= 0.5)
