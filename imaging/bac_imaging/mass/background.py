"""What the signal would be without the vessel: a local quadratic through the tissue around it.

A local mean is biased by the curvature of the breast's thickness; a quadratic follows it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view
from scipy import ndimage

from bac_imaging.vessels.discs import dilate_cross

FloatArray = npt.NDArray[np.float32]
DoubleArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.intp]

SIGMA_PX = 15.0
"""Width of the Gaussian weight of the fit: 1.5 mm, so that both sides of a vessel count."""
REACH_PX = 45
"""Tissue beyond this distance does not count."""

_STEP = 2  # the fit runs on a grid of 0.2 mm: the background is smooth
_RIDGE = 1e-3  # keeps a fit with tissue on one side from running away
_MIN_WEIGHT = 0.02  # of a full neighbourhood
_STRIP = 64  # columns: a matrix product of a good size
_RING_STEPS = 8
_RING_SAMPLES = 1500
_LEAST_PLACES = 8  # of 0.2 mm: fewer tell nothing of how the tissue scatters about the fit

# Exponents (row, column) of the polynomial's terms.
_TERMS = ((0, 0), (1, 0), (0, 1), (2, 0), (1, 1), (0, 2))


@dataclass(frozen=True)
class Background:
    """Background of one crop.

    Attributes
    ----------
    signal : ndarray of float32, shape (h, w)
        Interpolated signal at the target pixels, 0 elsewhere.
    spread : float
        Standard deviation of the surrounding tissue about the same fit, at the scale of 0.5 mm, in units of
        the signal: what the fit cannot know.
    """

    signal: FloatArray
    spread: float


def fit_background(signal: FloatArray, tissue: BoolArray, target: BoolArray) -> Background | None:
    """Interpolate the tissue's signal into a vessel.

    Parameters
    ----------
    signal : ndarray of float32, shape (h, w)
        Signal of a crop around the vessel, on the working grid, with a margin of `REACH_PX`.
    tissue : ndarray of bool, shape (h, w)
        Pixels to learn from: breast, no vessel, no calcification.
    target : ndarray of bool, shape (h, w)
        Pixels to interpolate to.

    Returns
    -------
    Background or None
        None when there is no tissue to learn from, or too little near the target to tell how far off it is.
    """
    if not tissue.any() or not target.any():
        return None
    offset = float(signal[tissue].mean())
    shape = tuple(-(-n // _STEP) * _STEP for n in signal.shape)
    grow = [(0, padded - n) for padded, n in zip(shape, signal.shape, strict=True)]
    weight_fine = np.pad(tissue, grow).astype(np.float64)
    value_fine = np.pad(signal.astype(np.float64) - offset, grow) * weight_fine
    weight, total = _blocks(weight_fine), _blocks(value_fine)
    coarse_target = _blocks(np.pad(target, grow).astype(np.float64)) > 0
    ring = _ring(coarse_target, weight)
    if ring is None:
        return None
    inner = np.argwhere(coarse_target)
    fit = _fit(weight, total, np.concatenate([inner, ring]))
    spread = _spread(weight, total, ring, fit[len(inner) :, 0])
    rows, columns = np.nonzero(target)
    where = np.full(coarse_target.shape, -1, dtype=np.int64)
    where[coarse_target] = np.arange(len(inner))
    index = where[rows // _STEP, columns // _STEP]
    # Position within the coarse pixel, in units of the Gaussian's width.
    row_off = ((rows % _STEP) - (_STEP - 1) / 2) / SIGMA_PX
    column_off = ((columns % _STEP) - (_STEP - 1) / 2) / SIGMA_PX
    result = np.zeros(signal.shape, dtype=np.float32)
    result[target] = offset + fit[index, 0] + fit[index, 1] * row_off + fit[index, 2] * column_off
    return Background(result, spread)


def _blocks(array: DoubleArray) -> DoubleArray:
    """Return the means of blocks of `_STEP` x `_STEP` pixels."""
    total = sum(array[row::_STEP, column::_STEP] for row in range(_STEP) for column in range(_STEP))
    return np.asarray(total / _STEP**2)


def _moments(array: DoubleArray, places: IntArray, order: int) -> dict[tuple[int, int], DoubleArray]:
    """Gaussian-weighted moments about places, (n, 2), up to an order; (n,) each, by powers (row, column).

    A vessel fills little of its box and the fit is read in it and beside it alone, so the columns are gone
    through in strips: the sums along a strip's rows are one matrix product over the rows that its places
    reach, and those along the columns are taken at the places only.
    """
    sigma = SIGMA_PX / _STEP
    reach = REACH_PX // _STEP
    offset = np.arange(-reach, reach + 1) / sigma
    gauss = np.exp(-0.5 * offset**2)
    kernels = gauss / gauss.sum() * offset ** np.arange(order + 1)[:, None]
    banded = np.zeros((order + 1, _STRIP, _STRIP + 2 * reach))
    for column in range(_STRIP):
        banded[:, column, column : column + len(offset)] = kernels
    result = {
        (row_power, column_power): np.empty(len(places))
        for column_power in range(order + 1)
        for row_power in range(order + 1 - column_power)
    }
    padded = np.pad(array, [(reach, reach), (reach, reach + _STRIP)])
    strips = places[:, 1] // _STRIP
    for strip in np.unique(strips):
        here = np.flatnonzero(strips == strip)
        rows, columns = places[here, 0], places[here, 1] - strip * _STRIP
        first, last = int(rows.min()), int(rows.max())
        patch = padded[first : last + 1 + 2 * reach, strip * _STRIP : (strip + 1) * _STRIP + 2 * reach]
        along_rows = banded.reshape(-1, banded.shape[2]) @ patch.T
        windows = sliding_window_view(along_rows.reshape(order + 1, _STRIP, -1), len(offset), axis=2)
        for column_power in range(order + 1):
            around = windows[column_power, columns, rows - first]
            sums = around @ kernels[: order + 1 - column_power].T
            for row_power in range(order + 1 - column_power):
                result[row_power, column_power][here] = sums[:, row_power]
    return result


def _fit(weight: DoubleArray, total: DoubleArray, places: IntArray) -> DoubleArray:
    """Solve the weighted least squares about some places, (n, 2); returns (n, terms)."""
    moments, products = _moments(weight, places, 4), _moments(total, places, 2)
    right = np.stack([products[term] for term in _TERMS], axis=1)
    matrix = np.stack([moments[a + c, b + d] for a, b in _TERMS for c, d in _TERMS], axis=1)
    matrix = matrix.reshape(len(places), len(_TERMS), len(_TERMS))
    mass = np.maximum(matrix[:, 0, 0], 1e-12)
    ridge = np.diag([0.0, 1.0, 1.0, 1.0, 1.0, 1.0]) * _RIDGE
    matrix += mass[:, None, None] * ridge
    poor = mass < _MIN_WEIGHT
    matrix[poor] = np.eye(len(_TERMS))
    # Too little tissue nearby for a curve: the mean of what there is, or of the whole surroundings.
    right[poor] = 0.0
    right[poor, 0] = products[0, 0][poor] / mass[poor]
    solution: DoubleArray = np.linalg.solve(matrix, right[..., None])[..., 0]
    return solution


def _ring(target: BoolArray, weight: DoubleArray) -> IntArray | None:
    """Choose places (n, 2) of whole tissue beside the vessel; None where there are too few."""
    places = np.argwhere(dilate_cross(target, _RING_STEPS) & (weight == 1.0))
    if len(places) < _LEAST_PLACES:
        return None
    return places[:: max(1, len(places) // _RING_SAMPLES)]


def _spread(weight: DoubleArray, total: DoubleArray, ring: IntArray, fitted: DoubleArray) -> float:
    """Spread of the tissue beside the vessel about its own fit, smoothed over 0.5 mm."""
    sigma = 2.5 / _STEP
    at = tuple(ring.T)
    coverage, smooth = (ndimage.gaussian_filter(array, sigma)[at] for array in (weight, total))
    smooth = np.divide(smooth, coverage, out=np.zeros_like(coverage), where=coverage > 0.2)
    residual = smooth - fitted
    return float(1.4826 * np.median(np.abs(residual - np.median(residual))))
