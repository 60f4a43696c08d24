"""FOR PRESENTATION pixels, as vendors process them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import ndimage

from bac_phantom.body.curves import FloatArray
from bac_phantom.body.fields import resize
from bac_phantom.looks.enhance import equalise, pyramid_enhance, sharpen
from bac_phantom.looks.stored import BoolArray, Stored, VoiTable, Window, attenuation, children

# Pixels at 0.1 mm for the median, the spread and the like: every fourth is enough.
_SAMPLE = (slice(None, None, 4), slice(None, None, 4))
_EXPLANATIONS = ("NORMAL", "HARDER", "SOFTER")


def _levels(s: FloatArray, inside: BoolArray) -> tuple[float, float]:
    """Median of the breast and the spread around it (half of the middle 68 %)."""
    low, middle, high = np.quantile(s[_SAMPLE][inside[_SAMPLE]], [0.16, 0.5, 0.84])
    return float(middle), max(float(high - low) / 2, 1e-3)


def _sigmoid(z: FloatArray) -> FloatArray:
    return np.asarray(1 / (1 + np.exp(-np.clip(z, -30, 30))), dtype=np.float32)


def _sigmoid_tone(rng: np.random.Generator, s: FloatArray, inside: BoolArray) -> FloatArray:
    middle, spread = _levels(s, inside)
    z = (s - middle) / np.float32(spread) - np.float32(rng.uniform(0.0, 1.4))
    return _sigmoid(np.float32(rng.uniform(0.5, 1.5)) * z)


def _equalised(rng: np.random.Generator, s: FloatArray, inside: BoolArray, pitch_mm: float) -> FloatArray:
    sigma = rng.uniform(4.0, 11.0) / pitch_mm
    s = equalise(s, inside, sigma, rng.uniform(0.4, 0.95), rim_only=bool(rng.random() < 0.4))
    for scale_mm, most in ((0.25, 0.8), (0.9, 0.7), (3.0, 0.6)):
        s = sharpen(s, inside, scale_mm * rng.uniform(0.7, 1.4) / pitch_mm, rng.uniform(0, most))
    return _sigmoid_tone(rng, s, inside)


def _multiscale(rng: np.random.Generator, s: FloatArray, inside: BoolArray, pitch_mm: float) -> FloatArray:
    s = equalise(s, inside, rng.uniform(2.5, 8.0) / pitch_mm, rng.uniform(0.3, 1.0), rim_only=True)
    count = max(3, int(np.log2(6.0 / pitch_mm)))
    _, spread = _levels(s, inside)
    peak = rng.uniform(0, count - 1)
    gains = [
        float(rng.uniform(0.3, 1.4) * np.exp(-(((k - peak) / rng.uniform(1.2, 3.0)) ** 2)))
        for k in range(count)
    ]
    contrasts = [spread * float(rng.uniform(0.15, 0.6))] * count
    s = pyramid_enhance(s, gains, contrasts, spread * rng.uniform(0.02, 0.2), rng.uniform(0.45, 1.0))
    return _sigmoid_tone(rng, s, inside)


def _plain(rng: np.random.Generator, s: FloatArray, inside: BoolArray, pitch_mm: float) -> FloatArray:
    if rng.random() < 0.4:
        s = ndimage.gaussian_filter(s, rng.uniform(0.03, 0.08) / pitch_mm, truncate=3.0)
    low, high = np.quantile(s[_SAMPLE][inside[_SAMPLE]], [rng.uniform(0.005, 0.1), 0.995])
    high += rng.uniform(0.05, 0.6)
    out = np.clip((s - np.float32(low)) / np.float32(high - low), 0, 1)
    return np.asarray(out ** np.float32(rng.uniform(0.7, 1.6)), dtype=np.float32)


_TONES: dict[str, Callable[[np.random.Generator, FloatArray, BoolArray, float], FloatArray]] = {
    "equalised": _equalised,
    "multiscale": _multiscale,
    "plain": _plain,
}


def _shown(rng: np.random.Generator, s: FloatArray, inside: BoolArray, pitch_mm: float) -> BoolArray:
    """Where the vendor's segmentation sees something: the breast with a margin, and markers in the air."""
    step = max(1, round(0.8 / pitch_mm))
    part = ndimage.gaussian_filter(inside[::step, ::step].astype(np.float32), 2.5)
    near = resize(part, s.shape) > rng.uniform(0.02, 0.5)
    return np.asarray(near | (s > np.quantile(s[_SAMPLE][inside[_SAMPLE]], 0.05)))


def _background(
    rng: np.random.Generator, values: FloatArray, shown: BoolArray, top: int
) -> tuple[FloatArray, int | None]:
    """Treat the air: exactly 0 (declared as padding or not), faint noise, or what the curve makes of it."""
    kind = rng.random()
    if kind < 0.55:
        padded = bool(kind < 0.25)
        return np.where(shown, np.maximum(values, 1), 0), 0 if padded else None
    if kind < 0.8:
        noise = np.abs(rng.standard_normal(values.shape, dtype=np.float32)) * np.float32(
            top * rng.uniform(0.001, 0.01)
        )
        return np.where(shown, values, noise), None
    return values, None


def _finish(
    rng: np.random.Generator,
    tone: FloatArray,
    s: FloatArray,
    inside: BoolArray,
    pitch_mm: float,
    invert: bool,
) -> Stored:
    bits = int(rng.choice([10, 12, 14], p=[0.15, 0.6, 0.25]))
    top = 2**bits - 1
    base = rng.choice([0.0, rng.uniform(0.0, 0.15)])
    values = np.float32(top) * (np.float32(base) + tone * np.float32(rng.uniform(0.75, 1.0) - base))
    values, padding = _background(rng, values, _shown(rng, s, inside, pitch_mm), top)
    pixels = np.rint(np.clip(values, 0, top))
    if rng.random() < 0.5:
        centre, width = (top + 1) / 2, float(top + 1)
    else:
        low, high = np.quantile(pixels[_SAMPLE][inside[_SAMPLE]], [0.02, 0.998])
        centre, width = float(np.rint((low + high) / 2)), float(np.rint(max(high - low, 2) * 1.1))
    if invert:
        pixels, centre = top - pixels, top - centre
        padding = None if padding is None else top
    window = Window(centre, width, "NORMAL")
    return Stored(pixels.astype(np.uint16), bits, invert, windows=(window,), padding=padding)


def _table(rng: np.random.Generator, s: FloatArray, inside: BoolArray, pitch_mm: float) -> Stored:
    """Pixels close to the logarithm; the look is in the header, as windows, tables or both."""
    s = equalise(s, inside, rng.uniform(2.0, 6.0) / pitch_mm, rng.uniform(0.5, 1.0), rim_only=True)
    if rng.random() < 0.6:
        s = sharpen(s, inside, rng.uniform(0.2, 1.2) / pitch_mm, rng.uniform(0.1, 0.6))
    bits = int(rng.choice([12, 14], p=[0.7, 0.3]))
    top = 2**bits - 1
    middle, spread = _levels(s, inside)
    highest = float(s[inside].max())
    per_unit = top * rng.uniform(0.25, 0.4) / max(highest - middle, 1.0)
    values = (s - np.float32(middle)) * np.float32(per_unit) + np.float32(top * rng.uniform(0.45, 0.6))
    values, padding = _background(rng, values, _shown(rng, s, inside, pitch_mm), top)
    pixels = np.rint(np.clip(values, 0, top)).astype(np.uint16)
    at = float(np.median(pixels[_SAMPLE][inside[_SAMPLE]])) + per_unit * spread * rng.uniform(0.0, 1.0)
    wide = per_unit * spread * rng.uniform(4.0, 8.0)
    drawn = _EXPLANATIONS[: int(rng.choice([1, 3]))]
    windows = tuple(
        Window(float(np.rint(at * shift)), float(np.rint(wide * width)), name)
        for name, shift, width in zip(drawn, (1.0, 1.02, 0.97), (1.0, 0.8, 1.2), strict=False)
    )
    how = int(rng.choice(3))
    tables = tuple(_voi_table(rng, window, top) for window in windows) if how != 0 else ()
    function = "SIGMOID" if rng.random() < 0.8 else "LINEAR"
    return Stored(
        pixels,
        bits,
        False,
        windows=windows if how != 1 else (),
        voi_function="SIGMOID" if function == "SIGMOID" else "LINEAR",
        voi_tables=tables,
        padding=padding,
    )


def _voi_table(rng: np.random.Generator, window: Window, top: int) -> VoiTable:
    """Tabulate the sigmoid that a window stands for, around the window (PS3.3 C.11.2.1.3.1)."""
    reach = window.width * rng.uniform(0.9, 2.0)
    first, last = max(0, int(window.centre - reach)), min(top, int(window.centre + reach))
    x = np.arange(first, last + 1, dtype=np.float32)
    bits = int(rng.choice([10, 12, 16]))
    out = _sigmoid(4 * (x - np.float32(window.centre)) / np.float32(window.width))
    out = (out - out[0]) / (out[-1] - out[0])
    return VoiTable(first, bits, np.rint(out * (2**bits - 1)).astype(np.uint16), window.explanation)


def presentation(
    rng: np.random.Generator, signal_dn: FloatArray, inside: BoolArray, pitch_mm: float, style: str
) -> Stored:
    """Process the detector's signal for reading, to 10, 12 or 14 bits.

    Drawn are how strongly each step is applied, the depth in bits, the background and the header.

    Parameters
    ----------
    style
        ``equalised``: thickness equalised, sharpened, a sigmoid. ``multiscale``: bands of a Laplacian pyramid
        amplified non-linearly, noise cored. ``table``: nearly linear pixels, the look is in VOI LUT tables or
        windows. ``inverted``: one of the others as MONOCHROME1. ``plain``: logarithm and window, dark rim.
    """
    choices, tones, ends = children(rng, 3)
    s = attenuation(signal_dn)
    if style == "table":
        return _table(tones, s, inside, pitch_mm)
    tone = str(choices.choice(sorted(_TONES))) if style == "inverted" else style
    return _finish(
        ends, _TONES[tone](tones, s, inside, pitch_mm), s, inside, pitch_mm, invert=style == "inverted"
    )
