"""Local contrast normalisation: what makes raw, processed and film images look alike to the network."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from bac_imaging.grid.axis import AREA, LINEAR, reach
from bac_imaging.grid.working_grid import Window, linear_strips, resample_part, window_of

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
_LEAST_HEIGHT = 1e-4  # of the range of levels, for that median; noise alone has a hundred times as much
_SAMPLE = 8  # pixels from one to the next that a median is taken of
_FLOOR = 0.4  # of the median SD: flat fat is not blown up into noise


@dataclass(frozen=True)
class _Coarse:
    """A grid that is coarser by a factor over the whole image, but computed only under a box of it."""

    shape: tuple[int, ...]
    box: Window
    factor: int

    @property
    def _shape(self) -> tuple[int, int]:
        return max(1, round(self.shape[0] / self.factor)), max(1, round(self.shape[1] / self.factor))

    @property
    def _part(self) -> Window:
        """What interpolation to the box reads."""
        rows, columns = (
            slice(*reach(LINEAR, size, fine, (part.start, part.stop)))
            for size, fine, part in zip(self._shape, self.shape, self.box, strict=True)
        )
        return rows, columns

    def mean(self, values: FloatArray) -> FloatArray:
        """Average what lies in the box, and is 0 around it, over each coarse cell."""
        return resample_part(AREA, values, self.shape, self._shape, self._part, self.box)

    def strips(self, field: FloatArray) -> Iterator[tuple[slice, FloatArray]]:
        """Interpolate to the box, in strips of rows."""
        return linear_strips(field, self._shape, self.shape, self.box, self._part)


def _blurred(values: FloatArray, sigma: float) -> FloatArray:
    blurred: FloatArray = ndimage.gaussian_filter(values, sigma, mode="constant", truncate=3.0)
    return blurred


def _mean(total: FloatArray, coverage: FloatArray) -> FloatArray:
    """Gaussian mean of the values in a mask, of the blurred values, 0 outside it, and the blurred mask."""
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

    Notes
    -----
    Works on the breast's box, so that air costs nothing, and takes each smooth field off strip by strip.
    """
    normalised = np.zeros(signal.shape, dtype=np.float32)
    box = _sampled_box(breast)
    if box is None:
        return normalised
    inside = breast[box].astype(np.float32)
    grid = _Coarse(breast.shape, box, _FACTOR)
    weight = grid.mean(inside)
    # An offset from the median keeps float32 exact for raw signals on a large pedestal.
    sample = signal[box][::_SAMPLE, ::_SAMPLE][breast[box][::_SAMPLE, ::_SAMPLE]]
    residual = signal[box] - (np.float32(np.median(sample)) if sample.size else np.float32(0))
    residual *= inside
    coarse = grid.mean(residual)
    plain = _without_metal(coarse, weight)
    sigma = MEAN_SIGMA_PX / _FACTOR
    coverage = _blurred(weight * plain, sigma)
    for rows, mean in grid.strips(_mean(_blurred(coarse * plain, sigma), coverage)):
        part = residual[rows]
        part -= mean
        part *= inside[rows]
    scale = _robust_scale(residual, breast[box])
    if scale <= 0:
        return normalised
    # The mean of the residual takes away the bias at the breast's edge, where the signal is steep and the
    # Gaussian sees one side only. Bright objects are held down: they are no bias.
    limit = np.float32(_WINSOR * scale)
    clipped = np.minimum(residual, limit)
    for rows, mean in grid.strips(_mean(_blurred(grid.mean(clipped) * plain, sigma), coverage)):
        part, squared = residual[rows], clipped[rows]
        part -= mean
        part *= inside[rows]
        np.clip(part, -limit, limit, out=squared)
        np.square(squared, out=squared)
    grid = _Coarse(breast.shape, box, _FACTOR * _SD_FACTOR)
    weight, sigma = grid.mean(inside), SD_SIGMA_PX / grid.factor
    variance = _mean(_blurred(grid.mean(clipped), sigma), _blurred(weight, sigma))
    field = np.sqrt(np.maximum(variance, 0))
    inside_sd = field[weight > 0.5]
    typical = float(np.median(inside_sd)) if inside_sd.size else scale
    np.maximum(field, _FLOOR * typical, out=field)
    result = normalised[box]
    for rows, sd in grid.strips(field):
        part = residual[rows]
        part /= sd
        np.clip(part, CLIP[0], CLIP[1], out=part)
        np.multiply(part, inside[rows], out=result[rows])
    return normalised


def _sampled_box(breast: BoolArray) -> Window | None:
    """Bound the breast; samples of the box, every few pixels, are those of the whole image."""
    box = window_of(breast, 0)
    if box is None:
        return None
    rows, columns = (slice(part.start // _SAMPLE * _SAMPLE, part.stop) for part in box)
    return rows, columns


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
    # On a flat image the median is a rounding error, or 0: what stands out from that is no metal yet.
    typical = max(float(np.median(top[inside])), _LEAST_HEIGHT * (high - low))
    metal = inside & (top > _METAL_FACTOR * typical)
    return np.asarray(~ndimage.binary_dilation(metal))


def _robust_scale(residual: FloatArray, breast: BoolArray) -> float:
    """Estimate the residual's standard deviation from its median absolute value, on a sample."""
    step = _SAMPLE // 2
    sample = residual[::step, ::step][breast[::step, ::step]]
    if sample.size == 0:
        sample = residual[breast]
    return 1.4826 * float(np.median(np.abs(sample)))
