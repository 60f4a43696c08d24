"""Stored pixels: raw, processed, an 8-bit copy of that, or a scanned film; with what is written beside."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from bac_randfield.physics import FloatArray

Stored = npt.NDArray[np.uint16] | npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Pixels:
    """What a file holds."""

    stored: Stored  # (rows, columns): uint16, or uint8 of copies and films
    bits: int  # bits that are used
    inverted: bool = False  # the lowest value is white
    window: tuple[float, float] | None = None  # centre and width


def raw_pixels(signal: FloatArray, gain: float, bits: int) -> Pixels:
    """Store linearly in the X-rays that arrive: more of them, higher values."""
    values = np.clip(np.rint(signal * np.float32(gain)), 0, 2**bits - 1)
    return Pixels(values.astype(np.uint16), bits)


def presented_pixels(
    rng: np.random.Generator, bright: FloatArray, text: tuple[str, str], mirrored: bool
) -> Pixels:
    """Store what was processed for presentation: 10 to 14 bits, sometimes the lowest value white."""
    bits = int(rng.choice([10, 12, 12, 12, 14]))
    top = 2**bits - 1
    floor = float(rng.choice([0.0, 0.0, 0.1]))
    values = (floor + (1 - floor) * np.clip(bright, 0, 1)) * np.float32(top)
    values[bright <= 0] = 0
    stored = np.rint(values).astype(np.uint16)
    _write(rng, stored, text, top, mirrored)
    inverted = bool(rng.random() < 0.15)
    if inverted:
        stored = np.asarray(np.uint16(top) - stored, dtype=np.uint16)
    # Inverted or not, the window is about the middle.
    window = (top * (1 + floor) / 2 if not inverted else top * (1 - floor) / 2, top * (1 - floor))
    return Pixels(stored, bits, inverted, window)


def copied_pixels(
    rng: np.random.Generator, bright: FloatArray, text: tuple[str, str], mirrored: bool
) -> Pixels:
    """Store as saved from a viewer: 8 bits."""
    gamma = np.float32(rng.uniform(0.85, 1.2))
    stored = np.rint(255 * np.clip(bright, 0, 1) ** gamma).astype(np.uint8)
    _write(rng, stored, text, 255, mirrored)
    return Pixels(stored, 8)


def film_pixels(
    rng: np.random.Generator,
    attenuation: FloatArray,
    inside: npt.NDArray[np.bool_],
    pitch_mm: float,
    text: tuple[str, str],
    mirrored: bool,
) -> Pixels:
    """Scan a film: screen blur, characteristic curve, grain, scanner noise, a label."""
    blurred = ndimage.gaussian_filter(
        attenuation, rng.uniform(0.05, 0.11) / pitch_mm, mode="nearest", truncate=3
    )
    gradient, middle = rng.uniform(2.2, 3.4), float(np.median(blurred[inside][::23]))
    aim = rng.uniform(1.3, 1.9)
    exposure = (np.float32(middle) - blurred) / np.float32(np.log(10))
    least, most = 0.2, float(rng.uniform(3.2, 3.9))
    slope = np.float32(4 * gradient / (most - least))
    shift = np.log((aim - least) / (most - aim))
    density = least + (most - least) / (1 + np.exp(-(slope * exposure + np.float32(shift))))
    grain = ndimage.gaussian_filter(
        rng.standard_normal(density.shape, dtype=np.float32), rng.uniform(0.04, 0.08) / pitch_mm, truncate=3
    )
    grain /= np.float32(grain.std())
    density += np.float32(rng.uniform(0.01, 0.03)) * np.sqrt(density) * grain
    bright = 1 - (density - least) / np.float32(most - least)
    bright += np.float32(0.004) * rng.standard_normal(density.shape, dtype=np.float32)
    stored = np.rint(255 * np.clip(bright, 0, 1)).astype(np.uint8)
    _write(rng, stored, text, 235, mirrored)
    return Pixels(stored, 8)


def _write(
    rng: np.random.Generator, stored: Stored, text: tuple[str, str], value: int, mirrored: bool
) -> None:
    """Write view and side, and perhaps a word, where there is air, away from the chest wall."""
    rows, columns = stored.shape
    size = int(rows * rng.uniform(0.011, 0.026))
    place = [int(rows * rng.uniform(0.02, 0.09)), int(columns * rng.uniform(0.72, 0.82))]
    for words in text:
        if not words:
            continue
        image = Image.new("L", (size * (len(words) + 2), 2 * size))
        draw = ImageDraw.Draw(image)
        draw.text((size // 2, size // 3), words, fill=255, font=ImageFont.load_default(size))
        if rng.random() < 0.4:
            draw.rectangle((1, 1, image.width - 2, image.height - 2), outline=255, width=max(size // 14, 1))
        # An image that will be turned to the other side gets its letters turned first.
        letters = np.asarray(image)[:, ::-1] if mirrored else np.asarray(image)
        letters = letters[: rows - place[0], : columns - place[1]]
        box = stored[place[0] : place[0] + letters.shape[0], place[1] : place[1] + letters.shape[1]]
        # Only on air.
        if box.size and float((box > 0.25 * value).mean()) < 0.02:
            np.maximum(box, (letters.astype(np.float32) / 255 * value).astype(box.dtype), out=box)
        place[0] += int(rows * rng.uniform(0.12, 0.3))
