"""FOR PRESENTATION pixels, as vendors process them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from bac_phantom.curves import FloatArray
from bac_phantom.fields import resize
from bac_phantom.looks.stored import Stored, attenuation


def _masked_blur(field: FloatArray, inside: npt.NDArray[np.bool_], sigma_px: float) -> FloatArray:
    """Gaussian mean over the breast only, on a coarse grid."""
    step = max(1, int(sigma_px // 4))
    part = inside[::step, ::step].astype(np.float32)
    total = ndimage.gaussian_filter(field[::step, ::step] * part, sigma_px / step)
    weight = ndimage.gaussian_filter(part, sigma_px / step)
    return resize(total / np.maximum(weight, 1e-3), field.shape)


def presentation(
    rng: np.random.Generator,
    signal_dn: FloatArray,
    inside: npt.NDArray[np.bool_],
    pitch_mm: float,
    style: str = "equalised",
) -> Stored:
    """FOR PRESENTATION: equalised towards the skin, sharpened at three scales, a sigmoid, 12 bit."""
    s = attenuation(signal_dn)
    slow = _masked_blur(s, inside, 9.0 / pitch_mm)
    s = s - np.float32(rng.uniform(0.5, 0.9)) * (slow - float(slow[inside].mean()))
    for scale_mm, gain in (
        (0.25, rng.uniform(0, 0.8)),
        (0.9, rng.uniform(0, 0.7)),
        (3.0, rng.uniform(0, 0.6)),
    ):
        s = s + np.float32(gain) * (s - _masked_blur(s, inside, scale_mm / pitch_mm))
    middle, spread = float(np.median(s[inside])), float(s[inside].std())
    z = (s - middle) / max(spread, 1e-3) - rng.uniform(0.2, 1.2)
    out = 1 / (1 + np.exp(-np.clip(rng.uniform(0.8, 1.6) * z, -30, 30)))
    out = np.where(inside, out * rng.uniform(3200, 4095), rng.uniform(0, 60))
    inverted = bool(rng.random() < 0.25)
    pixels = np.rint(np.clip(out, 0, 4095))
    return Stored((4095 - pixels if inverted else pixels).astype(np.uint16), 12, inverted)
