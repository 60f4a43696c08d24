"""Digitised screen film: screen, emulsion, what happens to the film, and the scanner."""

from __future__ import annotations

import io
from collections.abc import Collection

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import ndimage

from bac_phantom.body.curves import FloatArray
from bac_phantom.body.fields import band_noise, resize
from bac_phantom.looks.damage import damage
from bac_phantom.looks.edges import film_border, fog, frame
from bac_phantom.looks.lettering import letter
from bac_phantom.looks.stored import BoolArray, Stored, attenuation, children


def film(
    rng: np.random.Generator,
    signal_dn: FloatArray,
    inside: BoolArray,
    pitch_mm: float,
    text: str,
    hard_negatives: Collection[str],
) -> Stored:
    """Expose, develop and scan a film to 8 or 16 bits; white is high.

    Film, scanner, damage and labels each have a generator of their own. `signal_dn` is the exposure with its
    quantum noise, chest wall at column 0; `text` are lead letters for side and view; `hard_negatives` may
    hold ``scratches`` (with dust, hairs and other damage) and ``text`` (letters and labels).
    """
    emulsion, labels, harm, border, scanner, file = children(rng, 6)
    density, base = _develop(emulsion, attenuation(signal_dn), inside, pitch_mm)
    kinds: list[str] = []
    hidden: list[BoolArray | None] = []
    fog(border, density, pitch_mm)
    if "text" in hard_negatives:
        covered, drawn = letter(labels, density, inside, pitch_mm, text, base)
        hidden.append(covered)
        kinds += ["text"] * drawn
    hidden.append(film_border(border, density, pitch_mm, base))
    if "scratches" in hard_negatives:
        change, drawn = damage(harm, density.shape, pitch_mm)
        density += change
        kinds += ["scratches"] * drawn
    white = _scan(scanner, density, pitch_mm, base)
    hidden.append(frame(border, white, pitch_mm))
    parts = [part for part in hidden if part is not None]
    pixels, bits = _digitise(file, white)
    together = np.logical_or.reduce(parts) if parts else None
    return Stored(pixels, bits, False, kinds=tuple(kinds), covered=together)


def _develop(
    rng: np.random.Generator, s: FloatArray, inside: BoolArray, pitch_mm: float
) -> tuple[FloatArray, float]:
    """Optical density after the screen's blur, the characteristic curve and grain; and that of clear film."""
    # The screen spreads light: a core and a faint tail.
    s = ndimage.gaussian_filter(s, rng.uniform(0.04, 0.1) / pitch_mm, truncate=3.0)
    tail = ndimage.gaussian_filter(s[::2, ::2], 0.15 / pitch_mm, truncate=2.5)
    s += np.float32(rng.uniform(0.0, 0.3)) * (resize(tail, s.shape) - s)
    # Automatic exposure brings some part of the breast to its density; dense tissue lies in the toe.
    sample = s[::4, ::4][inside[::4, ::4]]
    reference = float(np.quantile(sample, rng.uniform(0.25, 0.75)))
    base, top = float(rng.uniform(0.15, 0.28)), float(rng.uniform(3.2, 4.2))
    share = (float(rng.uniform(0.8, 1.9)) - base) / (top - base)
    # D = base + (top - base) (1 + exp(-x))**-a: its steepest slope is (a / (1 + a))**(1 + a).
    a = float(np.exp(rng.uniform(np.log(0.6), np.log(1.8))))
    gradient = float(rng.uniform(2.2, 4.0))
    per_decade = gradient / ((top - base) * (a / (1 + a)) ** (1 + a))
    at = -np.log(share ** (-1 / a) - 1)
    x = np.float32(at) - (s - np.float32(reference)) * np.float32(per_decade / np.log(10.0))
    curve = np.exp(np.float32(-a) * np.log1p(np.exp(np.clip(-x, -30, 30))))
    density = np.float32(base) + np.float32(top - base) * curve
    density += np.float32(rng.uniform(0.0, 0.06)) * band_noise(rng, s.shape, 60.0 / pitch_mm)
    # Granularity grows with the root of the density (Selwyn), measured at 0.05 mm.
    grain = rng.standard_normal(s.shape, dtype=np.float32)
    sigma = rng.uniform(0.02, 0.05) / pitch_mm
    if sigma > 0.3:
        grain = ndimage.gaussian_filter(grain, sigma, truncate=3.0)
    strength = rng.uniform(0.008, 0.035) * (0.05 / pitch_mm) ** 0.7 / float(grain[::4, ::4].std())
    density += grain * np.float32(strength) * np.sqrt(np.maximum(density, 0))
    return np.asarray(density, dtype=np.float32), base


def _scan(rng: np.random.Generator, density: FloatArray, pitch_mm: float, base: float) -> FloatArray:
    """Brightness 0 to 1 of the scanned film, with the scanner's noise and lines."""
    # Little light comes through dark film: noise grows with 10**density. Part of it lasts along the line.
    light = rng.uniform(0.3, 4.0) * 1e-4
    along = density if rng.random() < 0.6 else density.T
    rows, columns = along.shape
    run = int(rng.integers(6, 40))
    lines = np.repeat(rng.standard_normal((rows, -(-columns // run)), dtype=np.float32), run, axis=1)[
        :, :columns
    ]
    noise = rng.standard_normal((rows, columns), dtype=np.float32)
    part = np.float32(rng.uniform(0, 0.9))
    noise = noise * np.sqrt(1 - part**2) + lines * part
    noise *= np.minimum(np.float32(light / np.log(10.0)) * np.exp(along * np.float32(np.log(10.0))), 0.25)
    across = rng.standard_normal(columns, dtype=np.float32) * np.float32(
        rng.choice([0.0, rng.uniform(0, 0.004)])
    )
    if rng.random() < 0.25:
        streaks = rng.integers(0, columns, size=int(rng.integers(1, 6)))
        across[streaks] += rng.normal(0, 0.03, size=streaks.size).astype(np.float32)
    along += noise + across
    if rng.random() < 0.5:
        density = ndimage.gaussian_filter(density, rng.uniform(0.02, 0.05) / pitch_mm, truncate=3.0)
    black = rng.uniform(2.2, 3.4)
    clear = base + rng.uniform(-0.1, 0.5)
    white = np.clip((np.float32(black) - density) / np.float32(black - clear), 0, 1)
    return np.asarray(white ** np.float32(rng.uniform(0.75, 1.4)) * np.float32(rng.uniform(0.7, 1.0)))


def _digitise(
    rng: np.random.Generator, white: FloatArray
) -> tuple[npt.NDArray[np.uint8] | npt.NDArray[np.uint16], int]:
    """8 or 16 bits; some were made smaller and larger again, or kept as JPEG in between."""
    rows, columns = white.shape
    if rng.random() < 0.25:
        factor = rng.uniform(1.15, 2.0)
        small = Image.fromarray(white).resize(
            (int(columns / factor), int(rows / factor)), Image.Resampling.BICUBIC
        )
        white = np.clip(np.asarray(small.resize((columns, rows), Image.Resampling.BICUBIC)), 0, 1)
    if rng.random() < 0.3:
        return np.rint(white * np.float32(65535)).astype(np.uint16), 16
    pixels = np.rint(white * np.float32(255)).astype(np.uint8)
    if rng.random() < 0.4:
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, format="JPEG", quality=int(rng.integers(60, 96)))
        pixels = np.asarray(Image.open(buffer), dtype=np.uint8)
    return pixels, 8
