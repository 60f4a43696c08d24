"""The breast without calcium: outline, thickness, fat and gland along each ray."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from bac_phantom.body.fields import FloatArray, band_noise, power_noise, resize, smooth_step
from bac_phantom.body.structures import ducts, folds, ligaments, masses, muscle_fibres, strands
from bac_phantom.body.vessels import plain_vessels
from bac_phantom.config import HARD_NEGATIVES

ViewName = Literal["CC", "MLO"]
COARSE_MM = 0.8
MUSCLE_MM = 0.4
# Tissue has no detail that a finer grid than this would show behind a detector's blur.
FINEST_MM = 0.06


@dataclass(frozen=True)
class BreastTraits:
    """What both views of one breast share. Lengths in mm, in the object's plane."""

    depth_mm: float
    half_height_mm: float
    thickness_mm: float
    density: float  # glandular fraction behind the nipple, about 0.05 (A) to 0.8 (D)
    strands: float  # how fibrous: 0 to 1
    vessels: int
    curvature: float


@dataclass(frozen=True)
class Anatomy:
    """Tissue along each ray of one view, chest wall at column 0."""

    # float32 (rows, columns), millimetres along the ray, without skin
    adipose_mm: FloatArray
    gland_mm: FloatArray
    inside: npt.NDArray[np.bool_]  # bool (rows, columns): the breast's shadow
    depth_px: FloatArray  # float32 (rows, columns): distance to the skin line, pixels (0 outside)
    nipple_mm: tuple[float, float]  # (row, column) in the detector plane, mm
    kinds: tuple[str, ...] = ()  # names of ``HARD_NEGATIVES`` that the tissue holds


def _outline(
    rng: np.random.Generator, traits: BreastTraits, view: ViewName, height_mm: float, width_mm: float
) -> tuple[npt.NDArray[np.bool_], tuple[float, float]]:
    """Breast shadow on the coarse grid and the nipple, (row, column) in mm."""
    rows, columns = int(np.ceil(height_mm / COARSE_MM)), int(np.ceil(width_mm / COARSE_MM))
    y = (np.arange(rows) + 0.5) * COARSE_MM
    depth = min(traits.depth_mm, width_mm - 12)
    if view == "CC":
        centre = height_mm * rng.uniform(0.45, 0.55)
        half = min(traits.half_height_mm, 0.47 * height_mm)
        t = np.clip(np.abs(y - centre) / half, 0, 1)
        edge = depth * (1 - t ** rng.uniform(2.0, 2.6)) ** (1 / traits.curvature)
        nipple_row = centre + rng.uniform(-0.12, 0.12) * half
    else:
        centre = height_mm * rng.uniform(0.52, 0.62)
        half_low = min(traits.half_height_mm, height_mm - centre - rng.uniform(4, 15))
        low = np.clip((y - centre) / half_low, 0, 1)
        high = np.clip((centre - y) / centre, 0, 1)
        top = rng.uniform(0.25, 0.6)
        lower = (1 - low ** rng.uniform(2.0, 2.8)) ** (1 / traits.curvature)
        upper = top + (1 - top) * (1 - smooth_step(high.astype(np.float32), rng.uniform(0.45, 0.65), 0.3))
        edge = depth * np.where(y > centre, lower, upper)
        if rng.random() < 0.4:  # a fold of the abdomen below the breast
            fold = np.clip((y - centre - half_low * 0.93) / max(height_mm - centre - half_low, 1), 0, 1)
            edge = np.maximum(edge, depth * rng.uniform(0.1, 0.3) * fold)
        nipple_row = centre + rng.uniform(-0.05, 0.2) * half_low
    wobble = ndimage.gaussian_filter1d(rng.standard_normal(rows), 12.0 / COARSE_MM)
    edge = edge * (1 + 0.02 * wobble / max(wobble.std(), 1e-6))
    nipple_mm = rng.uniform(2.0, 9.0)
    edge = edge + nipple_mm * np.exp(-(((y - nipple_row) / 5.0) ** 2)) * (edge > 5)
    x = (np.arange(columns) + 0.5) * COARSE_MM
    inside = x[None, :] < edge[:, None]
    return inside, (float(nipple_row), float(np.interp(nipple_row, y, edge) - nipple_mm * 0.5))


def _pectoral(
    rng: np.random.Generator, shape: tuple[int, ...], pitch_mm: float, *, sharp: bool
) -> tuple[FloatArray, FloatArray]:
    """Cover (0 to 1) and muscle share along the ray of the pectoral muscle; not ``sharp``: its edge fades."""
    grid = tuple(int(np.ceil(n * pitch_mm / MUSCLE_MM)) for n in shape)
    height = grid[0] * MUSCLE_MM * rng.uniform(0.35, 0.75)
    width = rng.uniform(25, 70)
    y = (np.arange(grid[0]) + 0.5)[:, None] * MUSCLE_MM
    x = (np.arange(grid[1]) + 0.5)[None, :] * MUSCLE_MM
    bulge = rng.uniform(-6, 8)
    border = width * (1 - y / height) + bulge * np.sin(np.pi * np.clip(y / height, 0, 1))
    edge_mm = rng.uniform(0.6, 3.0)
    cover = smooth_step((border - x).astype(np.float32), 0.0, edge_mm if sharp else 15.0)
    share = rng.uniform(0.35, 0.85) * muscle_fibres(rng, grid, MUSCLE_MM, float(np.arctan2(height, -width)))
    return resize(cover, shape), resize(cover * share.astype(np.float32), shape)


def _gland_envelope(
    rng: np.random.Generator, traits: BreastTraits, inside: npt.NDArray[np.bool_], nipple: tuple[float, float]
) -> FloatArray:
    """Glandular fraction, smooth, coarse grid: a patchy cone behind the nipple inside subcutaneous fat."""
    shape = inside.shape
    y = (np.arange(shape[0]) + 0.5)[:, None] * COARSE_MM - nipple[0]
    x = nipple[1] - (np.arange(shape[1]) + 0.5)[None, :] * COARSE_MM
    spread = traits.half_height_mm * rng.uniform(0.3, 0.65)
    reach = traits.depth_mm * rng.uniform(0.4, 0.85)
    cone = np.exp(-((y / (0.35 * spread + 0.6 * np.abs(x) * spread / reach + 4)) ** 2)) * np.exp(
        -((np.maximum(x, 0) / reach) ** 3)
    )
    under_skin = ndimage.distance_transform_edt(inside) * COARSE_MM
    cone = cone * smooth_step(under_skin.astype(np.float32), rng.uniform(6, 14), 6.0)
    patchy = smooth_step(
        power_noise(rng, shape, 3.0, 40 / COARSE_MM) + 1.6 * (cone - 0.5).astype(np.float32), 0.0, 0.8
    )
    return np.asarray(traits.density * (0.55 * patchy * cone**0.5 + 0.45 * cone), dtype=np.float32)


def _enlarged(anatomy: Anatomy, shape: tuple[int, ...]) -> Anatomy:
    """Bring an anatomy to twice the pixels along either side, cut to ``shape``."""
    twice = tuple(2 * n for n in anatomy.inside.shape)
    adipose, gland, depth = (
        resize(field, twice)[: shape[0], : shape[1]]
        for field in (anatomy.adipose_mm, anatomy.gland_mm, 2 * anatomy.depth_px)
    )
    inside = np.repeat(np.repeat(anatomy.inside, 2, axis=0), 2, axis=1)[: shape[0], : shape[1]]
    # Interpolation across the skin line would leave a trace of tissue in the air.
    return Anatomy(
        np.where(inside, adipose, 0),
        np.where(inside, gland, 0),
        inside,
        np.where(inside, depth, 0),
        anatomy.nipple_mm,
        anatomy.kinds,
    )


def build_anatomy(
    rng: np.random.Generator,
    traits: BreastTraits,
    view: ViewName,
    shape: tuple[int, ...],
    pitch_mm: float,
    hard_negatives: Sequence[str] = HARD_NEGATIVES,
) -> Anatomy:
    """Make the tissue of one view on a detector grid of ``shape`` (rows, columns) and ``pitch_mm``.

    Lengths of ``traits`` are taken in the detector plane here; the caller scales them by the magnification.
    ``hard_negatives`` says which of "vessels", "masses", "folds" and "pectoral" are drawn; each has a random
    stream of its own, so that leaving one out changes nothing else.
    """
    if pitch_mm < FINEST_MM:
        half = (shape[0] // 2 + shape[0] % 2, shape[1] // 2 + shape[1] % 2)
        return _enlarged(build_anatomy(rng, traits, view, half, 2 * pitch_mm, hard_negatives), shape)
    seed = int(rng.integers(2**63))
    streams = {
        name: np.random.default_rng([seed, HARD_NEGATIVES.index(name)])
        for name in ("vessels", "masses", "folds", "pectoral")
    }
    kinds: list[str] = []
    full_columns = shape[1]
    # Air needs no anatomy: only the columns that the breast can reach are worked on.
    shape = (shape[0], min(full_columns, int((traits.depth_mm + 20.0) / pitch_mm)))
    height, width = shape[0] * pitch_mm, shape[1] * pitch_mm
    inside_coarse, nipple = _outline(rng, traits, view, height, width)
    coarse = inside_coarse.shape
    # The chest wall goes on beyond the image: distance to skin ignores the image border.
    padded = np.pad(inside_coarse, ((40, 40) if view == "MLO" else (0, 0), (60, 0)), mode="edge")
    depth_mm = ndimage.distance_transform_edt(padded).astype(np.float32) * COARSE_MM
    # Round off the steps of the coarse outline.
    depth_mm = np.maximum(ndimage.gaussian_filter(np.where(padded, depth_mm, -0.5 * COARSE_MM), 1.2), 0)
    depth_mm = depth_mm[40:-40, 60:] if view == "MLO" else depth_mm[:, 60:]
    round_mm = traits.thickness_mm * rng.uniform(0.35, 0.6)
    rim = np.clip(depth_mm / round_mm, 0, 1)
    thickness = traits.thickness_mm * np.sqrt(np.maximum(1 - (1 - rim) ** 2, 0))
    tilt = rng.normal(0, 0.025)
    thickness = thickness * (1 + tilt * np.linspace(-1, 1, coarse[1], dtype=np.float32)[None, :])
    envelope = _gland_envelope(rng, traits, inside_coarse, nipple)

    fine_thickness = resize(thickness.astype(np.float32), shape)
    depth_px = resize(depth_mm, shape) / np.float32(pitch_mm)
    inside = depth_px > 0.5 * COARSE_MM / pitch_mm
    share = resize(envelope, shape)
    # Parenchyma: a power law as measured on mammograms (exponent about 3), ridged at the scale of lobules.
    texture = power_noise(rng, shape, rng.uniform(2.6, 3.2), 30 / pitch_mm)
    lobules = 1 - np.abs(band_noise(rng, shape, rng.uniform(3, 6) / pitch_mm))
    fibres = 1 - np.abs(band_noise(rng, shape, rng.uniform(1.0, 2.0) / pitch_mm))
    share = share * np.exp(
        rng.uniform(0.12, 0.28) * texture + (0.30 * lobules + 0.14 * fibres) * traits.strands
    )
    floor = 0.02 + 0.05 * rng.random() + 0.012 * texture
    # Fat fills what gland leaves: the fraction saturates smoothly.
    gland = (1 - np.exp(-np.maximum(share + floor, 0))) * fine_thickness
    threads = strands(rng, traits.strands, shape, pitch_mm, nipple)
    threads += ligaments(rng, traits.strands, depth_mm, COARSE_MM, pitch_mm)[: shape[0], : shape[1]]
    threads += ducts(rng, shape, pitch_mm, nipple)
    if "vessels" in hard_negatives:
        threads += plain_vessels(streams["vessels"], traits.vessels, shape, pitch_mm, nipple)
        kinds.append("vessels")
    if "masses" in hard_negatives:
        lumps = masses(streams["masses"], shape, pitch_mm)
        threads += lumps
        if lumps.any():
            kinds.append("masses")
    roof = np.clip(fine_thickness / 15.0, 0, 1)
    gland = gland + threads * roof
    if view == "MLO" and streams["pectoral"].random() < 0.92:
        sharp = "pectoral" in hard_negatives
        cover, muscle = _pectoral(streams["pectoral"], shape, pitch_mm, sharp=sharp)
        if sharp:
            kinds.append("pectoral")
        gland = gland * (1 - 0.5 * cover) + muscle * fine_thickness
    # A fold adds tissue beyond the compressed thickness: it is more breast on the way, not less fat.
    folded = np.zeros(shape, dtype=np.float32)
    if "folds" in hard_negatives:
        folded = np.where(inside, folds(streams["folds"], shape, pitch_mm, depth_px), 0).astype(np.float32)
        if folded.any():
            kinds.append("folds")
    # Skin seen edge-on: a ray along a round rim of 25 mm radius runs through 1.5 mm of skin for up to
    # 2 sqrt(2 x 25 x 1.5) = 17 mm, mostly less; thicker towards the axilla. It counts as gland.
    skin = rng.uniform(1.0, 9.0) * np.exp(0.5 * band_noise(rng, shape, 60 / pitch_mm))
    gland = gland + np.where(inside, skin * np.exp(-depth_px * pitch_mm / rng.uniform(0.6, 2.0)), 0)
    gland = np.where(inside, np.clip(gland, 0, fine_thickness), 0).astype(np.float32)
    adipose = np.where(inside, fine_thickness - gland, 0).astype(np.float32)
    gland += folded
    air = ((0, 0), (0, full_columns - shape[1]))
    return Anatomy(
        np.pad(adipose, air),
        np.pad(gland, air),
        np.pad(inside, air),
        np.pad(np.where(inside, depth_px, 0), air),
        nipple,
        tuple(kinds),
    )
