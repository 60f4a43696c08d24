"""Processing for presentation: from the raw signal to what a reader sees, in several styles."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from bac_randfield.body.fields import enlarge, shrink
from bac_randfield.physics import FloatArray


@dataclass(frozen=True)
class Style:
    """Parameters of one way to process."""

    equalise: tuple[float, float]  # least and most share of the thickness' fall that is taken out at the rim
    reach_mm: float  # width of the filter that finds the fall
    # least and most gain of details up to 0.3, 1.5 and 8 mm
    fine: tuple[float, float]
    middle: tuple[float, float]
    coarse: tuple[float, float]
    compress: float  # contrast (log units) over which details are compressed
    sharpen: tuple[float, float]  # strength of the last unsharp mask
    steep: tuple[float, float]  # slope of the gradation curve
    air: tuple[float, float] = (0.0, 0.0)  # value of air, as a share of the full scale
    # share of negative detail that is kept: below 1, dark halos are less than bright ones
    clip_shadow: float = 1.0
    fine_mm: float = 0.12  # standard deviation of the filter that parts fine from middle details


STYLES = {
    # Equalised to the skin line, moderately enhanced.
    "flat": Style((0.75, 1.0), 3.0, (1.0, 1.8), (1.2, 2.0), (0.9, 1.3), 0.35, (0.1, 0.5), (1.6, 2.6)),
    # Strong local contrast: dark fat, bright strands, a broad bright skin.
    "multiscale": Style((0.85, 1.0), 5.0, (1.3, 2.5), (1.8, 3.2), (0.7, 1.1), 0.2, (0.2, 0.8), (1.5, 2.4)),
    # Little but a curve, as the first digital units had.
    "curve": Style(
        (0.0, 0.45), 6.0, (1.0, 1.1), (1.0, 1.2), (1.0, 1.0), 1.0, (0.0, 0.3), (1.3, 2.2), (0.0, 0.05)
    ),
    # As synthetic 2D: thin bright lines on grey, ringing edges, hardly any fine noise.
    "synthetic": Style(
        (0.92, 1.0),
        2.5,
        (0.3, 1.0),
        (3.0, 5.5),
        (0.3, 0.7),
        0.25,
        (1.0, 2.5),
        (1.0, 1.8),
        (0.0, 0.0),
        0.45,
        0.2,
    ),
    # Noisy and sharp.
    "crisp": Style((0.6, 0.95), 4.0, (1.8, 3.2), (1.2, 1.8), (0.8, 1.1), 0.5, (0.4, 1.2), (1.8, 3.0)),
}


def process(
    rng: np.random.Generator, attenuation: FloatArray, breast: FloatArray, style: Style, pitch_mm: float
) -> FloatArray:
    """Process an image for presentation, to a brightness from 0 to 1.

    `attenuation` is the logarithm of air's over the measured signal; `breast` is 1 inside the breast.
    """
    share = float(rng.uniform(*style.equalise))
    # Thrice, ever nearer to the skin line, where a wide filter sees too much of the inside.
    image = attenuation
    for part, rim_mm in ((1.0, 15.0), (0.35, 2.5), (0.12, 0.8)):
        image = _equalise(image, breast, share, part * style.reach_mm, rim_mm, pitch_mm)
    image = _enhance(rng, image, style, pitch_mm)
    strength, radius = float(rng.uniform(*style.sharpen)), float(rng.uniform(0.08, 0.3))
    detail = image - ndimage.gaussian_filter(image, radius / pitch_mm, mode="nearest", truncate=3)
    detail = np.where(detail < 0, np.float32(style.clip_shadow) * detail, detail)
    image = image + np.float32(strength) * detail
    inside = image[breast > 0.5][::23]
    low, middle, high = np.percentile(inside, [2, 50, 98.5])
    slope = np.float32(rng.uniform(*style.steep) * 2 / max(high - low, 0.05))
    centre = np.float32(middle + rng.uniform(0.05, 0.35) * (high - middle))
    bright = 1 / (1 + np.exp(-slope * (image - centre)))
    air = np.float32(rng.uniform(*style.air))
    return np.asarray(air + (bright - air) * breast, dtype=np.float32)


def _equalise(
    image: FloatArray, breast: FloatArray, share: float, reach_mm: float, rim_mm: float, pitch_mm: float
) -> FloatArray:
    """Lift the rim, where the breast gets thin, towards the level inside; what lies deeper stays."""
    factor = max(round(min(0.6, 0.5 * reach_mm) / pitch_mm), 1)
    small, weight = shrink(image * breast, factor), shrink(breast, factor)
    sigma = reach_mm / (factor * pitch_mm)
    smooth = ndimage.gaussian_filter(small, sigma, mode="nearest")
    smooth /= np.maximum(ndimage.gaussian_filter(weight, sigma, mode="nearest"), 0.02)
    deep = ndimage.gaussian_filter(weight, rim_mm / (factor * pitch_mm), mode="nearest")
    level = np.float32(np.median(smooth[weight > 0.9])) if (weight > 0.9).any() else smooth.max()
    lift = np.float32(share) * np.maximum(level - smooth, 0) * np.clip(4 - 4 * deep, 0, 1)
    return image + enlarge(np.asarray(lift, np.float32), image.shape, factor)


def _enhance(rng: np.random.Generator, image: FloatArray, style: Style, pitch_mm: float) -> FloatArray:
    """Split into details of four sizes and give each its gain, large ones less."""
    fine_base = ndimage.gaussian_filter(image, style.fine_mm / pitch_mm, mode="nearest", truncate=3)
    factor = max(round(0.25 / pitch_mm), 1)
    small = shrink(fine_base, factor)
    pitch = factor * pitch_mm
    middle_base = ndimage.gaussian_filter(small, 0.7 / pitch, mode="nearest", truncate=3)
    coarse_base = ndimage.gaussian_filter(middle_base, 3.5 / pitch, mode="nearest", truncate=3)
    gains = [float(rng.uniform(*span)) for span in (style.fine, style.middle, style.coarse)]
    fine = np.float32(gains[0]) * (image - fine_base)
    details = fine_base - enlarge(middle_base, image.shape, factor)
    limit = np.float32(style.compress)
    details = np.float32(gains[1]) * details / (1 + np.abs(details) / limit)
    details = np.where(details < 0, np.float32(style.clip_shadow) * details, details)
    rest = coarse_base + np.float32(gains[2]) * (middle_base - coarse_base)
    return np.asarray(enlarge(rest, image.shape, factor) + details + fine, dtype=np.float32)
