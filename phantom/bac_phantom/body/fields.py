"""Random fields and cheap interpolation on image grids."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import fft, ndimage, sparse

FloatArray = npt.NDArray[np.float32]


def power_noise(
    rng: np.random.Generator, shape: tuple[int, ...], beta: float, largest_px: float
) -> FloatArray:
    """Gaussian noise with spectrum ``1/f**beta``, flat below ``1/largest_px``; zero mean, unit SD."""
    rows, columns = (fft.next_fast_len(n, real=True) for n in shape)
    spectrum = fft.rfft2(rng.standard_normal((rows, columns), dtype=np.float32), workers=1)
    fr = np.fft.fftfreq(rows).astype(np.float32)[:, None]
    fc = np.fft.rfftfreq(columns).astype(np.float32)[None, :]
    f2 = np.maximum(fr * fr + fc * fc, np.float32(1.0 / largest_px**2))
    spectrum *= f2 ** np.float32(-beta / 4.0)
    spectrum[0, 0] = 0
    field = fft.irfft2(spectrum, s=(rows, columns), workers=1)[: shape[0], : shape[1]]
    return np.asarray((field - field.mean()) / field.std(), dtype=np.float32)


def band_noise(rng: np.random.Generator, shape: tuple[int, ...], size_px: float) -> FloatArray:
    """Gaussian noise of one scale (correlation length about ``size_px``); zero mean, unit SD."""
    coarse = (max(4, int(shape[0] / size_px * 2) + 4), max(4, int(shape[1] / size_px * 2) + 4))
    seed = ndimage.gaussian_filter(rng.standard_normal(coarse, dtype=np.float32), 1.0)
    field = resize(seed, shape)
    return np.asarray((field - field.mean()) / max(float(field.std()), 1e-6), dtype=np.float32)


def _linear_weights(source: int, target: int) -> sparse.csr_matrix:
    position = np.clip((np.arange(target) + 0.5) * source / target - 0.5, 0, source - 1)
    low = np.minimum(position.astype(int), max(source - 2, 0))
    frac = (position - low).astype(np.float32)
    high = np.minimum(low + 1, source - 1)
    rows = np.concatenate([np.arange(target)] * 2)
    return sparse.csr_matrix(
        (np.concatenate([1 - frac, frac]), (rows, np.concatenate([low, high]))), shape=(target, source)
    )


def resize(field: FloatArray, shape: tuple[int, ...]) -> FloatArray:
    """Bilinear interpolation to ``shape``, pixel centres kept (enlarging only)."""
    if field.shape == tuple(shape):
        return field
    # Along the rows first, while the array is small: only the last step then touches every pixel.
    wide = np.ascontiguousarray((_linear_weights(field.shape[1], shape[1]) @ field.T).T)
    return np.asarray(_linear_weights(field.shape[0], shape[0]) @ wide, dtype=np.float32)


def smooth_step(x: FloatArray, edge: float, width: float) -> FloatArray:
    """Logistic step from 0 to 1 at ``edge``; ``width`` is the 25-75 % distance."""
    z = np.clip((x - edge) * (2.2 / width), -30, 30)
    return np.asarray(1.0 / (1.0 + np.exp(-z)), dtype=np.float32)
