"""Digitised screen film."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from bac_phantom.curves import FloatArray, random_path, stamp
from bac_phantom.fields import band_noise, power_noise
from bac_phantom.looks.stored import Stored, attenuation


def _label(rng: np.random.Generator, pitch_mm: float, text: str) -> FloatArray:
    """Lead lettering, 0 to 1."""
    size = int(rng.uniform(6, 14) / pitch_mm)
    font = ImageFont.load_default(size=size)
    canvas = Image.new("L", (int(size * len(text) * 0.8) + 8, int(size * 1.4)), 0)
    ImageDraw.Draw(canvas).text((4, 0), text, fill=255, font=font)
    canvas = canvas.rotate(float(rng.normal(0, 15)) + 90.0 * int(rng.integers(0, 4)), expand=True)
    return np.asarray(canvas, dtype=np.float32) / 255.0


def _damage(rng: np.random.Generator, shape: tuple[int, ...], pitch_mm: float) -> FloatArray:
    """Dust, hairs and scratches of a film, signed optical change."""
    change = np.zeros(shape, dtype=np.float32)
    for _ in range(int(rng.integers(0, 60))):
        row, column = int(rng.integers(1, shape[0] - 3)), int(rng.integers(1, shape[1] - 3))
        size = int(rng.integers(1, 3))
        change[row : row + size, column : column + size] += rng.choice(
            [-1.0, 1.0], p=[0.25, 0.75]
        ) * rng.uniform(0.1, 0.8)
    thin = np.zeros(shape, dtype=np.float32)
    for _ in range(int(rng.poisson(3.0))):
        start = (rng.uniform(0, shape[0]) * pitch_mm, rng.uniform(0, shape[1]) * pitch_mm)
        curl = rng.choice([0.0, 0.8])
        path = random_path(rng, start, rng.uniform(0, 6.28), rng.uniform(3, 70), float(curl))
        stamp(thin, path, pitch_mm, float(rng.choice([-1, 1], p=[0.3, 0.7]) * rng.uniform(0.01, 0.06)))
    change += ndimage.gaussian_filter(thin, 0.5)
    return change


def film(
    rng: np.random.Generator,
    signal_dn: FloatArray,
    inside: npt.NDArray[np.bool_],
    pitch_mm: float,
    text: str,
    hard_negatives: Collection[str] = ("scratches", "text"),
) -> Stored:
    """Digitised screen film, white is high, 8 bit: grain, dust, scratches, edges, labels."""
    shape = signal_dn.shape
    s = ndimage.gaussian_filter(attenuation(signal_dn), rng.uniform(0.03, 0.1) / pitch_mm, truncate=3.0)
    reference = float(np.quantile(s[inside], rng.uniform(0.3, 0.8)))
    # Characteristic curve: optical density is a sigmoid of log exposure, gradient 2.5 to 4 (in log10).
    gradient = rng.uniform(2.2, 3.8)
    log_exposure = -(s - reference) / np.log(10.0)
    peak = rng.uniform(3.2, 4.0)
    density = 0.2 + peak / (
        1 + np.exp(np.clip(-4 * gradient / peak * (log_exposure + rng.uniform(-0.15, 0.15)), -30, 30))
    )
    density += rng.uniform(0.006, 0.03) * power_noise(rng, shape, rng.uniform(0.0, 1.0), 12)
    label = _label(rng, pitch_mm, text)
    if label.shape[0] < shape[0] // 2 and label.shape[1] < shape[1] // 3:
        row = int(rng.integers(0, shape[0] - label.shape[0]))
        column = shape[1] - label.shape[1] - int(rng.integers(0, shape[1] // 12))
        density[row : row + label.shape[0], column : column + label.shape[1]] -= label * rng.uniform(1.0, 3.0)
    white = (density.max() - density) / max(float(density.max() - density[inside].min()), 1e-3)
    white = white ** rng.uniform(0.7, 1.1) * rng.uniform(0.6, 0.98) + _damage(rng, shape, pitch_mm) * 0.5
    # Unexposed borders of the film and of the scanner's bed.
    for axis in (0, 1):
        for end in (0, 1):
            if rng.random() < 0.45:
                width = int(rng.uniform(0.5, 9.0) / pitch_mm)
                strip = [slice(None), slice(None)]
                strip[axis] = slice(0, width) if end == 0 else slice(-width, None)
                level = rng.choice([1.0, rng.uniform(0.5, 0.9), 0.0], p=[0.4, 0.5, 0.1])
                white[tuple(strip)] = level
    white = np.clip(white + 0.004 * band_noise(rng, shape, 2.0), 0, 1)
    return Stored(np.rint(white * 255).astype(np.uint8), 8, False)
