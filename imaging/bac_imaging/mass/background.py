"""What the signal would be without the vessel: a local quadratic through the tissue around it.

A local mean is biased by the curvature of the breast's thickness; a quadratic follows it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

FloatArray = npt.NDArray[np.float32]
DoubleArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

SIGMA_PX = 15.0
"""Width of the Gaussian weight of the fit: 1.5 mm, so that both sides of a vessel count."""
REACH_PX = 45
"""Tissue beyond this distance does not count."""

_STEP = 2  # the fit runs on a grid of 0.2 mm: the background is smooth
_RIDGE = 1e-3  # keeps a fit with tissue on one side from running away
_MIN_WEIGHT = 0.02  # of a full neighbourhood
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
    moments = _moments(weight, 4)
    products = _moments(total, 2)
    coarse_target = _blocks(np.pad(target, grow).astype(np.float64)) > 0
    spread = _spread(weight, total, moments, products, coarse_target)
    if spread is None:
        return None
    fit = _solve(moments, products, coarse_target)
    rows, columns = np.nonzero(target)
    where = np.full(coarse_target.shape, -1, dtype=np.int64)
    where[coarse_target] = np.arange(int(coarse_target.sum()))
    index = where[rows // _STEP, columns // _STEP]
    # Position within the coarse pixel, in units of the Gaussian's width.
    row_off = ((rows % _STEP) - (_STEP - 1) / 2) / SIGMA_PX
    column_off = ((columns % _STEP) - (_STEP - 1) / 2) / SIGMA_PX
    result = np.zeros(signal.shape, dtype=np.float32)
    result[target] = offset + fit[index, 0] + fit[index, 1] * row_off + fit[index, 2] * column_off
    return Background(result, spread)


def _blocks(array: DoubleArray) -> DoubleArray:
    rows, columns = (n // _STEP for n in array.shape)
    blocks: DoubleArray = array.reshape(rows, _STEP, columns, _STEP).mean(axis=(1, 3))
    return blocks


def _moments(array: DoubleArray, order: int) -> dict[tuple[int, int], DoubleArray]:
    """Gaussian-weighted moments about each pixel, up to an order, by separable correlation."""
    sigma = SIGMA_PX / _STEP
    radius = REACH_PX // _STEP
    offset = np.arange(-radius, radius + 1) / sigma
    gauss = np.exp(-0.5 * offset**2)
    gauss /= gauss.sum()
    kernels = [gauss * offset**power for power in range(order + 1)]
    result = {}
    for column_power in range(order + 1):
        half = ndimage.correlate1d(array, kernels[column_power], axis=1, mode="constant")
        for row_power in range(order + 1 - column_power):
            result[row_power, column_power] = ndimage.correlate1d(
                half, kernels[row_power], axis=0, mode="constant"
            )
    return result


def _solve(
    moments: dict[tuple[int, int], DoubleArray], products: dict[tuple[int, int], DoubleArray], at: BoolArray
) -> DoubleArray:
    """Solve the weighted least squares at some pixels; returns (pixels, terms)."""
    matrix = np.empty((int(at.sum()), len(_TERMS), len(_TERMS)))
    right = np.empty((matrix.shape[0], len(_TERMS)))
    for i, (a, b) in enumerate(_TERMS):
        right[:, i] = products[a, b][at]
        for j, (c, d) in enumerate(_TERMS):
            matrix[:, i, j] = moments[a + c, b + d][at]
    mass = np.maximum(matrix[:, 0, 0], 1e-12)
    ridge = np.diag([0.0, 1.0, 1.0, 1.0, 1.0, 1.0]) * _RIDGE
    matrix += mass[:, None, None] * ridge
    poor = mass < _MIN_WEIGHT
    matrix[poor] = np.eye(len(_TERMS))
    # Too little tissue nearby for a curve: the mean of what there is, or of the whole surroundings.
    right[poor] = 0.0
    right[poor, 0] = products[0, 0][at][poor] / mass[poor]
    solution: DoubleArray = np.linalg.solve(matrix, right[..., None])[..., 0]
    return solution


def _spread(
    weight: DoubleArray,
    total: DoubleArray,
    moments: dict[tuple[int, int], DoubleArray],
    products: dict[tuple[int, int], DoubleArray],
    target: BoolArray,
) -> float | None:
    """Spread of the tissue beside the vessel about its own fit, smoothed over 0.5 mm; None without any."""
    sigma = 2.5 / _STEP
    coverage = ndimage.gaussian_filter(weight, sigma)
    smooth = np.divide(
        ndimage.gaussian_filter(total, sigma), coverage, out=np.zeros_like(coverage), where=coverage > 0.2
    )
    ring = ndimage.binary_dilation(target, iterations=8) & (weight == 1.0)
    places = np.argwhere(ring)
    if len(places) < _LEAST_PLACES:
        return None
    chosen = places[:: max(1, len(places) // _RING_SAMPLES)]
    at = np.zeros(ring.shape, dtype=bool)
    at[tuple(chosen.T)] = True
    residual = smooth[at] - _solve(moments, products, at)[:, 0]
    return float(1.4826 * np.median(np.abs(residual - np.median(residual))))
