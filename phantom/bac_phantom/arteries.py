"""Calcified arteries: medial calcification in the wall of a tube, of known mass."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from bac_phantom.curves import STEP_MM, FloatArray, Path, chord, random_path, tube_pixels

BoolArray = npt.NDArray[np.bool_]

# Calcium thinner than this along the ray (mg/mm2, over the lumen's width) is not seen by a reader, so a
# stretch below it is not truth: 0.012 mg/mm2 is 1.2 mg/cm2, a contrast of about 1.7 % at 28 kV.
VISIBLE_MG_MM2 = 0.012
# Calcium in a calcified wall, mg/mm3: solid hydroxyapatite holds 3.16 x 0.3989 = 1.26; plaques about half.
DENSEST_MG_MM3 = 0.6
# The mask convention bridges gaps along the vessel under 2 mm.
BRIDGED_GAP_MM = 2.0


@dataclass(frozen=True)
class Artery:
    """One calcified artery of a breast, the same in both of its views."""

    seed: int
    mass_mg: float
    length_mm: float
    outer_radius_mm: float
    taper: float  # radius at the far end over radius at the near end
    coverage: float  # share of the wall that is calcified
    grain_mm: float  # size of the plaques along the artery
    banding: float  # 0 patches, 1 rings around the lumen
    gaps: float  # share of the length left free
    tortuosity: float
    beading: float  # SD of the outer radius along the artery, relative
    height_fraction: float  # 0 at the support, 1 at the paddle


@dataclass(frozen=True)
class DrawnArtery:
    """An artery on a detector grid: pixels, calcium along the ray, truth, and its soft tissue."""

    rows: npt.NDArray[np.intp]
    columns: npt.NDArray[np.intp]
    calcium_mg_mm2: FloatArray
    truth: BoolArray
    soft_tissue_mm: FloatArray
    width_mm: float
    visible_length_mm: float


def plan_arteries(rng: np.random.Generator, mass_mg: float) -> list[Artery]:
    """Split a breast's calcium over arteries whose areal density and widths are plausible."""
    density = float(np.exp(rng.uniform(np.log(0.05), np.log(0.22))))
    wanted_mm2 = mass_mg / density
    parts: list[tuple[float, dict[str, float]]] = []
    area = 0.0
    while area < wanted_mm2 and len(parts) < 8:
        diameter = float(np.clip(rng.lognormal(np.log(1.4), 0.4), 0.6, 3.0))
        gaps = float(rng.choice([0.0, rng.uniform(0.05, 0.5)]))
        length = float(rng.uniform(18, 115))
        left_mm2 = (wanted_mm2 - area) / (1 - gaps)
        if length * diameter > left_mm2:
            # The last piece is shorter, and a short one narrow too: calcified stumps are not seen.
            diameter = float(np.clip(np.sqrt(left_mm2 / 8), 0.6, diameter))
            length = max(left_mm2 / diameter, 5.0)
        shape = {
            "length_mm": length,
            "outer_radius_mm": diameter / 2,
            "taper": float(rng.uniform(0.45, 1.0)),
            "coverage": float(rng.uniform(0.3, 0.95)),
            "grain_mm": float(np.exp(rng.uniform(np.log(0.25), np.log(1.6)))),
            "banding": float(rng.choice([0.0, rng.uniform(0.3, 1.0)], p=[0.75, 0.25])),
            "gaps": gaps,
            "tortuosity": float(rng.beta(1.6, 2.2)),
            "beading": float(rng.uniform(0.0, 0.15)),
            "height_fraction": float(rng.uniform(0.15, 0.85)),
        }
        part = diameter * length * (1 - gaps)
        parts.append((part, shape))
        area += part
    strength = np.array([part * rng.lognormal(0, 0.35) for part, _ in parts])
    masses = mass_mg * strength / strength.sum()
    return [
        Artery(seed=int(rng.integers(2**31)), mass_mg=float(mass), **shape)
        for mass, (_, shape) in zip(masses, parts, strict=True)
    ]


def place_artery(
    rng: np.random.Generator,
    artery: Artery,
    magnification: float,
    depth_px: FloatArray,
    pitch_mm: float,
    nipple_mm: tuple[float, float],
) -> Path:
    """Find a course of the wanted length inside the breast, detector plane, mm, (row, column)."""
    height, width = depth_px.shape[0] * pitch_mm, depth_px.shape[1] * pitch_mm
    wanted = artery.length_mm * magnification * rng.uniform(0.85, 1.0)  # foreshortened by the projection
    best = np.zeros((0, 2))
    for _ in range(12):
        start = (rng.uniform(0.08, 0.92) * height, rng.beta(1.0, 2.0) * 0.8 * width)
        path = random_path(
            rng,
            start,
            rng.normal(0, 0.8),
            wanted * 1.15,
            artery.tortuosity,
            target=(nipple_mm[0] + rng.normal(0, 35), nipple_mm[1] - rng.uniform(0, 30)),
        )
        cell = np.floor(path / pitch_mm).astype(int)
        inside = (cell >= 2).all(axis=1) & (cell < np.array(depth_px.shape) - 2).all(axis=1)
        safe = np.zeros(len(path), dtype=bool)
        safe[inside] = depth_px[cell[inside, 0], cell[inside, 1]] * pitch_mm > 4.0
        labels, count = ndimage.label(safe)
        if count:
            longest = int(np.argmax(np.bincount(labels)[1:])) + 1
            run = path[labels == longest][: int(wanted / STEP_MM)]
            if len(run) > len(best):
                best = run
        if len(best) >= 0.9 * wanted / STEP_MM:
            break
    return best


def _along(rng: np.random.Generator, samples: int, scale_mm: float) -> npt.NDArray[np.float64]:
    """Smooth noise along a path; unit SD of the process, whatever the path's length."""
    sigma = scale_mm / STEP_MM
    white = rng.standard_normal(samples + 8 * int(sigma))
    smooth = ndimage.gaussian_filter1d(white, sigma)[4 * int(sigma) :][:samples]
    return np.asarray(smooth * np.sqrt(2 * np.sqrt(np.pi) * sigma))


def _wall_pattern(rng: np.random.Generator, artery: Artery, samples: int, angles: int = 32) -> FloatArray:
    """Calcium in the wall over (along, angle), arbitrary unit, 0 where free."""
    sigma_along = artery.grain_mm / STEP_MM / 2
    sigma_angle = (0.25 + 1.5 * artery.banding) * angles / 8
    noise = ndimage.gaussian_filter(
        rng.standard_normal((samples, angles)), (sigma_along, sigma_angle), mode=("reflect", "wrap")
    )
    noise /= max(noise.std(), 1e-9)
    level = np.quantile(noise, 1 - artery.coverage)
    patch = np.clip(noise - level, 0, None) ** 0.7
    fine = ndimage.gaussian_filter(
        rng.standard_normal((samples, angles)), (1.5, 1.5), mode=("reflect", "wrap")
    )
    patch *= np.exp(0.5 * fine / max(fine.std(), 1e-9))
    # Heavier and lighter stretches, and stretches that are free.
    envelope = np.exp(0.5 * _along(rng, samples, 9.0))
    if artery.gaps > 0:
        free = _along(rng, samples, 3.0)
        envelope = envelope * np.clip((free - np.quantile(free, artery.gaps)) * 4, 0, 1)
    return np.asarray(patch * envelope[:, None], dtype=np.float32)


def _visible_stretch(line_density: npt.NDArray[np.float64], width_mm: npt.NDArray[np.float64]) -> BoolArray:
    """Find the samples along the path that hold visible calcium, short gaps bridged."""
    smooth = ndimage.gaussian_filter1d(line_density, 0.4 / STEP_MM)
    seen = smooth / width_mm > VISIBLE_MG_MM2
    gap = int(BRIDGED_GAP_MM / STEP_MM)
    padded = np.pad(seen, gap)
    return np.asarray(ndimage.binary_closing(padded, np.ones(gap))[gap:-gap])


def draw_artery(
    artery: Artery, path: Path, magnification: float, pitch_mm: float, shape: tuple[int, ...]
) -> DrawnArtery | None:
    """Project an artery's calcium, exactly ``artery.mass_mg`` of it, onto the detector.

    ``magnification`` is that of the artery's own height; calcium is in mg per mm2 of the object's plane, so
    that sum x pixel area / magnification**2 is the mass. None when the path is too short to hold anything.
    """
    if len(path) < 20:
        return None
    rng = np.random.default_rng(artery.seed)
    samples = len(path)
    radius = artery.outer_radius_mm * np.linspace(1.0, artery.taper, samples) * magnification
    radius = radius * (1 + artery.beading * np.clip(_along(rng, samples, 0.8), -2, 2))
    near = tube_pixels(path, radius, pitch_mm, shape)
    if near.rows.size < 30:
        return None
    pattern = _wall_pattern(rng, artery, samples)
    r_out = radius[near.along].astype(np.float32)
    wall = np.float32(rng.uniform(0.2, 0.5))
    r_in = r_out * (1 - wall)
    # The ray through each pixel averages the wall over the pixel's width: sample it at three offsets.
    angles = pattern.shape[1]
    rays = []
    for shift in (-0.33, 0.0, 0.33):
        offset = near.offset_mm + np.float32(shift * pitch_mm)
        through = np.sqrt(np.maximum(r_out**2 - offset**2, 0)) - np.sqrt(np.maximum(r_in**2 - offset**2, 0))
        theta = np.arcsin(np.clip(offset / r_out, -1, 1))
        front = (theta / (2 * np.pi) * angles).astype(int) % angles
        back = ((np.pi - theta) / (2 * np.pi) * angles).astype(int) % angles
        rays.append((through / (3 * np.float32(magnification)), front, back))
    # No plaque is denser than its mineral: what would be, spreads over the rest of the artery's plaques.
    for _ in range(8):
        calcium = np.zeros(near.rows.size, dtype=np.float32)
        for through_mm, front, back in rays:
            calcium += through_mm * (pattern[near.along, front] + pattern[near.along, back])
        total = float(calcium.sum()) * (pitch_mm / magnification) ** 2
        if total <= 0:
            return None
        scale = np.float32(artery.mass_mg / total)
        calcium *= scale
        if float(pattern.max()) * scale <= 1.05 * DENSEST_MG_MM3:
            break
        pattern = np.minimum(pattern * scale, DENSEST_MG_MM3)
    line = np.bincount(near.along, weights=calcium, minlength=samples) * pitch_mm**2 / STEP_MM
    line = ndimage.uniform_filter1d(line, 3)
    visible = _visible_stretch(line, 2 * radius)
    # The lumen is round and full: blood (1.06 g/cm3) and wall attenuate about like gland.
    blood = np.float32(rng.uniform(0.9, 1.1)) * chord(near.offset_mm, r_out) / magnification
    truth = visible[near.along]
    return DrawnArtery(
        near.rows,
        near.columns,
        calcium,
        truth,
        blood.astype(np.float32),
        float(2 * radius[visible].mean() / magnification) if visible.any() else 0.0,
        float(visible.sum() * STEP_MM / magnification),
    )
