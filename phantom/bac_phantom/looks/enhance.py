"""What vendors do to the logarithm of the exposure: equalise the rim, lift fine detail, hold down noise."""

from __future__ import annotations

import numpy as np
from PIL import Image
from scipy import ndimage

from bac_phantom.body.curves import FloatArray
from bac_phantom.body.fields import resize
from bac_phantom.looks.stored import BoolArray


def masked_mean(field: FloatArray, inside: BoolArray, sigma_px: float) -> FloatArray:
    """Gaussian mean over the breast only, float32 (rows, columns), on a coarse grid."""
    step = max(1, int(sigma_px // 4))
    part = inside[::step, ::step].astype(np.float32)
    total = ndimage.gaussian_filter(field[::step, ::step] * part, sigma_px / step, truncate=3.0)
    weight = ndimage.gaussian_filter(part, sigma_px / step, truncate=3.0)
    return resize(total / np.maximum(weight, 1e-3), field.shape)


def equalise(
    s: FloatArray, inside: BoolArray, sigma_px: float, strength: float, *, rim_only: bool
) -> FloatArray:
    """Take away the slow part of the attenuation, or fill it up where the breast gets thinner.

    ``strength`` 1 takes all of it. With ``rim_only`` what is thicker than the typical stays as it is.
    """
    slow = masked_mean(s, inside, sigma_px)
    if not rim_only:
        return s - np.float32(strength) * (slow - float(slow[::4, ::4][inside[::4, ::4]].mean()))
    typical = float(np.quantile(slow[::4, ::4][inside[::4, ::4]], 0.45))
    # Beyond the skin the mean over the breast says nothing.
    lack = np.clip(typical - slow, 0.0, 3.0)
    return s + np.float32(strength) * lack


def sharpen(s: FloatArray, inside: BoolArray, sigma_px: float, gain: float) -> FloatArray:
    """Unsharp mask at one scale, within the breast."""
    return s + np.float32(gain) * (s - masked_mean(s, inside, sigma_px))


def _half(image: FloatArray) -> FloatArray:
    return np.asarray(Image.fromarray(image).reduce(2), dtype=np.float32)


def pyramid_enhance(
    s: FloatArray, gains: list[float], contrasts: list[float], core: float, latitude: float
) -> FloatArray:
    """Non-linear gain on each band of a Laplacian pyramid; strictly rising in each band.

    Parameters
    ----------
    s
        Logarithm of the attenuation, float32, (rows, columns).
    gains
        Gain of faint detail in each band above 1, the finest first.
    contrasts
        Contrast at which a band's gain has fallen to half.
    core
        Contrast below which the finest two bands count as noise and get no gain.
    latitude
        What remains of the coarsest level's contrast.
    """
    levels = [s]
    bands: list[FloatArray] = []
    for gain, contrast in zip(gains, contrasts, strict=True):
        coarse = _half(levels[-1])
        band = levels[-1] - resize(coarse, levels[-1].shape)
        size = np.abs(band)
        lift = np.float32(gain) / (1 + size / np.float32(contrast))
        if len(bands) < 2:
            # Noise keeps half of its height; what stands out of it is lifted.
            lift = (1 + lift) * (0.5 + 0.5 * size / (size + np.float32(core))) - 1
        bands.append(band * (1 + lift))
        levels.append(coarse)
    out = levels[-1]
    out = out.mean() + np.float32(latitude) * (out - out.mean())
    for band in reversed(bands):
        out = resize(out, band.shape) + band
    return np.asarray(out, dtype=np.float32)
