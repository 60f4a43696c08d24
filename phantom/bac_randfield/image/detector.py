"""Systems that take the images: matrices, beams, scatter, blur and noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import fft, ndimage

from bac_randfield.body.fields import enlarge, shrink
from bac_randfield.physics import Beam, FloatArray


@dataclass(frozen=True)
class System:
    """A mammography unit."""

    name: str  # of ours; no vendor's
    pitch_mm: float  # of its detector
    matrices: tuple[tuple[int, int], tuple[int, int]]  # (rows, columns): small and large field
    detector: str  # {"a-Se", "CsI"}: what absorbs the X-rays
    beams: tuple[tuple[str, str, float], ...]  # (anode, filter, um): what it has
    # Gaussian core and tail (standard deviations) of the layer, and the tail's share
    blur_mm: tuple[float, float, float]
    bits: int  # of its raw images


SYSTEMS = {
    s.name: s
    for s in (
        System(
            "se-70",
            0.07,
            ((3328, 2560), (4096, 3328)),
            "a-Se",
            (("W", "Rh", 50.0), ("W", "Ag", 50.0)),
            (0.025, 0.12, 0.06),
            14,
        ),
        System(
            "csi-100",
            0.10,
            ((2294, 1914), (3062, 2394)),
            "CsI",
            (("Mo", "Mo", 30.0), ("Mo", "Rh", 25.0), ("Rh", "Rh", 25.0), ("Rh", "Ag", 30.0)),
            (0.05, 0.25, 0.12),
            14,
        ),
        System(
            "se-85",
            0.085,
            ((2800, 2082), (3518, 2800)),
            "a-Se",
            (("W", "Rh", 50.0), ("Mo", "Mo", 30.0), ("Mo", "Rh", 25.0)),
            (0.025, 0.15, 0.05),
            13,
        ),
        System(
            "se-50",
            0.05,
            ((4728, 3540), (4728, 3540)),
            "a-Se",
            (("W", "Rh", 50.0), ("W", "Al", 700.0)),
            (0.02, 0.10, 0.06),
            14,
        ),
    )
}


def choose_beam(rng: np.random.Generator, system: System, thickness_mm: float) -> Beam:
    """Choose a technique: harder for thicker breasts."""
    anode, material, um = system.beams[int(rng.integers(len(system.beams)))]
    base = {"Mo": 25.0, "Rh": 28.0, "W": 26.0}[anode] + (4.0 if material in ("Ag", "Al") else 0.0)
    kvp = float(np.round(np.clip(base + (thickness_mm - 40) / 10 + rng.normal(0, 0.8), 24, 36)))
    return Beam(anode, material, um, kvp, system.detector)


@dataclass(frozen=True)
class Exposure:
    """How much gets through."""

    grid: bool  # an anti-scatter grid was used
    scatter_to_primary: float  # in the middle of the breast
    # standard deviation of the noise over the signal, in the middle of the breast, a pixel
    noise_at_mean: float
    structure: float  # standard deviation of the detector's fixed pattern over the signal
    mean_value: float  # stored value in the middle of the breast


def choose_exposure(rng: np.random.Generator, system: System, thickness_mm: float) -> Exposure:
    """Choose grid, dose and gain."""
    grid = bool(rng.random() < 0.85)
    scatter = (0.055 + 0.0013 * thickness_mm) if grid else (0.16 + 0.0075 * thickness_mm)
    # Noise of a usual dose at 0.1 mm is 0.7 to 1.5 %; smaller pixels have more.
    noise = float(np.exp(rng.uniform(np.log(0.006), np.log(0.014)))) * (0.1 / system.pitch_mm)
    full = 2**system.bits - 1
    return Exposure(
        grid,
        float(scatter * rng.uniform(0.85, 1.2)),
        noise,
        float(rng.uniform(0.0004, 0.002)),
        float(full * rng.uniform(0.02, 0.05)),
    )


def add_scatter(
    primary: FloatArray, inside: FloatArray, reference: float, ratio: float, pitch_mm: float
) -> FloatArray:
    """Add scattered radiation: a wide share of the primary signal, on a grid coarse enough for it.

    `inside` is 1 in the breast, 0 outside: air scatters nothing. Where the primary signal is `reference`,
    scatter is `ratio` of it.
    """
    factor = max(round(1.5 / pitch_mm), 1)
    # The thin rim lets much through but has little that scatters.
    source = np.minimum(shrink(primary, factor), np.float32(1.5 * reference)) * shrink(inside, factor)
    wide = 0.6 * ndimage.gaussian_filter(source, 6 / (factor * pitch_mm), mode="nearest")
    wide += 0.4 * ndimage.gaussian_filter(source, 18 / (factor * pitch_mm), mode="nearest")
    return primary + np.float32(ratio) * enlarge(wide, primary.shape, factor)


def blur(signal: FloatArray, system: System) -> FloatArray:
    """Spread the signal as the detector's layer does."""
    core, tail, share = (v for v in system.blur_mm)
    out = ndimage.gaussian_filter(signal, core / system.pitch_mm, mode="nearest", truncate=3)
    wide = ndimage.gaussian_filter(
        shrink(signal, 2), tail / (2 * system.pitch_mm), mode="nearest", truncate=3
    )
    out *= np.float32(1 - share)
    out += np.float32(share) * enlarge(wide, signal.shape, 2)
    return np.asarray(out, dtype=np.float32)


def add_noise(
    rng: np.random.Generator, signal: FloatArray, exposure: Exposure, reference: float, system: System
) -> FloatArray:
    """Add quantum noise, whose variance follows the signal, and a fixed pattern of fine lines and grain."""
    quantum = rng.standard_normal(signal.shape, dtype=np.float32)
    if system.detector == "CsI":
        # A scintillator spreads each quantum's light, so its noise is smooth as well.
        quantum = ndimage.gaussian_filter(quantum, 0.55, truncate=3)
        quantum /= np.float32(quantum.std())
    scale = np.sqrt(np.maximum(signal, 0) * np.float32(reference))
    noisy = signal + np.float32(exposure.noise_at_mean) * scale * quantum
    lines = rng.standard_normal(signal.shape[1], dtype=np.float32)
    rows = rng.standard_normal(signal.shape[0], dtype=np.float32)
    noisy *= 1 + np.float32(0.4 * exposure.structure) * lines[None, :]
    noisy *= 1 + np.float32(0.4 * exposure.structure) * rows[:, None]
    return np.asarray(noisy + np.float32(exposure.structure * reference) * _grain(rng, signal.shape))


def _grain(rng: np.random.Generator, shape: tuple[int, ...]) -> FloatArray:
    """Noise of 1/f: what a flat-field correction leaves. Made once a small tile and repeated."""
    n = 512
    spectrum = fft.rfft2(rng.standard_normal((n, n), dtype=np.float32))
    frequency = np.hypot(fft.fftfreq(n)[:, None], fft.rfftfreq(n)[None, :])
    frequency[0, 0] = 1
    tile = fft.irfft2(spectrum / frequency**0.6, s=(n, n)).astype(np.float32)
    tile /= np.float32(tile.std())
    repeats = (-(-shape[0] // n), -(-shape[1] // n))
    return np.asarray(np.tile(tile, repeats)[: shape[0], : shape[1]])
