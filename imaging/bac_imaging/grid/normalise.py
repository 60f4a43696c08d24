"""Local contrast normalisation: what makes raw, processed and film images look alike to the network."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from bac_imaging.grid.working_grid import resample_area, resample_linear

FloatArray = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]

MEAN_SIGMA_PX = 25.0
"""Width of the local mean: 2.5 mm, wider than any breast artery and narrower than the breast's relief."""
SD_SIGMA_PX = 100.0
"""Width of the local standard deviation: 10 mm, so that one artery does not set its own scale."""
CLIP = (-4.0, 12.0)
"""Range of the result in local standard deviations. Calcium is bright, so the upper side is wider."""

_FACTOR = 4  # the mean and SD fields are smooth: a grid four times coarser carries them
_SD_FACTOR = 4  # and the SD field four times coarser again
_WINSOR = 3.0  # residuals count up to this many SD, else a clip or a calcified artery dims its surroundings
_METAL_CELLS = 9  # coarse cells: 3.6 mm, wider than clips and markers
_METAL_FACTOR = 20.0  # times the median height above the opening; calcified arteries reach about 12
_FLOOR = 0.4  # of the median SD: flat fat is not blown up into noise


def _coarse(array: FloatArray, factor: int) -> FloatArray:
    shape = (max(1, round(array.shape[0] / factor)), max(1, round(array.shape[1] / factor)))
    return resample_area(array, shape)


def _masked_mean(masked: FloatArray, weight: FloatArray, sigma: float) -> FloatArray:
    """Gaussian mean of values that are already 0 outside the mask."""
    total = ndimage.gaussian_filter(masked, sigma, mode="constant", truncate=3.0)
    coverage = ndimage.gaussian_filter(weight, sigma, mode="constant", truncate=3.0)
    mean: FloatArray = np.divide(total, coverage, out=np.zeros_like(total), where=coverage > 1e-4)
    return mean


def normalise(signal: FloatArray, breast: BoolArray) -> FloatArray:
    """Express the signal in local standard deviations above the local mean.

    Parameters
    ----------
    signal : ndarray of float32, shape (h, w)
        Signal on the working grid (0.1 mm), larger = more attenuation, any scale and offset.
    breast : ndarray of bool, shape (h, w)
        Breast mask; nothing outside it enters the statistics.

    Returns
    -------
    ndarray of float32, shape (h, w)
        Normalised signal within `CLIP`, 0 outside the breast. All 0 when the breast holds no contrast.
    """
    outside = ~breast
    if outside.all():
        return np.zeros(signal.shape, dtype=np.float32)
    inside = breast.astype(np.float32)
    weight = _coarse(inside, _FACTOR)
    sigma = MEAN_SIGMA_PX / _FACTOR
    # An offset from the median keeps float32 exact for raw signals on a large pedestal.
    offset = (
        np.float32(np.median(signal[::8, ::8][breast[::8, ::8]])) if breast[::8, ::8].any() else np.float32(0)
    )
    residual = (signal - offset) * inside
    coarse = _coarse(residual, _FACTOR)
    plain = _without_metal(coarse, weight)
    mean = _masked_mean(coarse * plain, weight * plain, sigma)
    residual -= resample_linear(mean, signal.shape)
    residual[outside] = 0
    scale = _robust_scale(residual, breast)
    if scale <= 0:
        return np.zeros(signal.shape, dtype=np.float32)
    # The mean of the residual takes away the bias at the breast's edge, where the signal is steep and the
    # Gaussian sees one side only. Bright objects are held down: they are no bias.
    limit = _WINSOR * scale
    clipped = np.minimum(residual, np.float32(limit))
    mean = _masked_mean(_coarse(clipped, _FACTOR) * plain, weight * plain, sigma)
    residual -= resample_linear(mean, signal.shape)
    residual[outside] = 0
    np.clip(residual, -limit, limit, out=clipped)
    np.square(clipped, out=clipped)
    factor = _FACTOR * _SD_FACTOR
    variance = _masked_mean(_coarse(clipped, factor), _coarse(inside, factor), SD_SIGMA_PX / factor)
    sd = np.sqrt(np.maximum(variance, 0))
    inside_sd = sd[_coarse(inside, factor) > 0.5]
    typical = float(np.median(inside_sd)) if inside_sd.size else scale
    np.maximum(sd, _FLOOR * typical, out=sd)
    residual /= resample_linear(sd, signal.shape)
    np.clip(residual, CLIP[0], CLIP[1], out=residual)
    residual[outside] = 0
    return residual


def _without_metal(total: FloatArray, weight: FloatArray) -> BoolArray:
    """Mark what is not metal: clips and markers are so bright that they would pull the mean around them.

    They are narrow and stand out from a grey opening by far more than tissue does.
    """
    inside = weight > 0.5
    if not inside.any():
        return inside
    level = np.divide(total, weight, out=np.zeros_like(total), where=inside)
    low, high = float(level[inside].min()), float(level[inside].max())
    eroded = ndimage.minimum_filter(np.where(inside, level, high), _METAL_CELLS)
    opened = ndimage.maximum_filter(np.where(inside, eroded, low), _METAL_CELLS)
    top = level - opened
    metal = inside & (top > _METAL_FACTOR * float(np.median(top[inside])))
    return np.asarray(~ndimage.binary_dilation(metal))


def _robust_scale(residual: FloatArray, breast: BoolArray) -> float:
    """Estimate the residual's standard deviation from its median absolute value, on a sample."""
    sample = residual[::4, ::4][breast[::4, ::4]]
    if sample.size == 0:
        sample = residual[breast]
    return 1.4826 * float(np.median(np.abs(sample)))
