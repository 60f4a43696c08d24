"""The exposure: primary, scatter, blur and quantum noise; the result is linear in energy at the detector."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from bac_phantom.beams import Beam, calcium_factor, transmitted
from bac_phantom.body.anatomy import Anatomy
from bac_phantom.body.curves import FloatArray
from bac_phantom.body.fields import band_noise, resize

# DN of the unattenuated beam over the mean DN behind the breast is set by the physics; this is the gain.
BREAST_DN = 500.0
AIR_LIMIT_DN = 16383.0
# A scintillator's point spread has a tail: this share of its light is spread this much wider.
TAIL_SHARE, TAIL_WIDTH = 0.2, 3.0


@dataclass(frozen=True)
class Exposure:
    """How one view is taken."""

    beam: Beam
    grid: bool
    scatter_to_primary: float  # behind the middle of the breast, after the grid
    blur_mm: float  # sigma of the core of the detector's point spread
    quanta_per_mm2: float  # noise-equivalent quanta absorbed behind the breast
    detector_offset_dn: float


def expose(
    rng: np.random.Generator,
    anatomy: Anatomy,
    calcium_mg_mm2: FloatArray,
    exposure: Exposure,
    pitch_mm: float,
) -> FloatArray:
    """Detector signal in DN, float32 (rows, columns), linear in absorbed energy plus the offset.

    ``calcium_mg_mm2`` is all calcium along the ray, that of the arteries included, in mg per mm2 of ray
    cross-section.
    """
    primary = transmitted(exposure.beam, anatomy.adipose_mm, anatomy.gland_mm)
    rows, columns = np.nonzero(calcium_mg_mm2)
    if rows.size:
        primary[rows, columns] *= calcium_factor(
            exposure.beam,
            anatomy.adipose_mm[rows, columns],
            anatomy.gland_mm[rows, columns],
            calcium_mg_mm2[rows, columns],
        )
    mean_primary = float(primary[anatomy.inside].mean())
    # Scatter: what the tissue turns aside, in proportion to its thickness, spread over centimetres, at the
    # given ratio behind the middle of the breast. It is smooth, so a coarse grid carries it.
    step = max(round(1.6 / pitch_mm), 1)
    inside = anatomy.inside[::step, ::step]
    coarse = np.where(inside, primary[::step, ::step], 0).astype(np.float32)
    tissue_mm = (anatomy.adipose_mm + anatomy.gland_mm)[::step, ::step]
    full_mm = float(np.percentile(tissue_mm[inside], 90))
    turned = coarse * np.clip(tissue_mm / full_mm, 0, 1.2).astype(np.float32)
    spread = ndimage.gaussian_filter(turned, 12.0 / (step * pitch_mm), mode="nearest")
    middle = tissue_mm > 0.9 * full_mm
    level = float(spread[middle].sum() / max(coarse[middle].sum(), 1e-12))
    scatter = resize(spread * (exposure.scatter_to_primary / max(level, 1e-6)), primary.shape)
    heel = 1 + 0.04 * band_noise(rng, primary.shape, 150 / pitch_mm)
    signal = (primary + scatter) * np.float32(BREAST_DN / mean_primary) * heel
    signal = _blur(signal, exposure, pitch_mm)
    # Energy-weighted quanta: variance proportional to the signal. In a-Se each is counted where it was
    # absorbed; a scintillator's light spreads, which blurs the noise as it does the picture.
    per_pixel = exposure.quanta_per_mm2 * pitch_mm**2
    noise = rng.standard_normal(signal.shape, dtype=np.float32)
    if exposure.beam.detector == "CsI":
        noise = _blur(noise, exposure, pitch_mm)
    signal += noise * np.sqrt(signal * np.float32(BREAST_DN / per_pixel))
    signal += rng.standard_normal(signal.shape, dtype=np.float32) * 2.0 + exposure.detector_offset_dn
    return np.asarray(np.clip(signal, 1.0, AIR_LIMIT_DN), dtype=np.float32)


def _blur(field: FloatArray, exposure: Exposure, pitch_mm: float) -> FloatArray:
    """Blur by the detector's point spread, whose sum is 1. The pixel's aperture is in what is drawn."""
    sigma = exposure.blur_mm / pitch_mm
    core = ndimage.gaussian_filter(field, sigma, truncate=3.0)
    if exposure.beam.detector != "CsI":
        return np.asarray(core, dtype=np.float32)
    tail = ndimage.gaussian_filter(field, TAIL_WIDTH * sigma, truncate=3.0)
    return np.asarray(core + np.float32(TAIL_SHARE) * (tail - core), dtype=np.float32)
