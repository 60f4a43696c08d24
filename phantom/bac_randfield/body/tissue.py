"""Fat and gland along each ray: random fields, a web of ligaments, plain vessels, muscle and skin."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from bac_randfield.body.curves import draw_cord, make_line, walk
from bac_randfield.body.fields import bend, gaussian_field, zero_ridges
from bac_randfield.body.outline import Build, Outline
from bac_randfield.physics import FloatArray

# Skin counts as gland of its density, 1.09 g/cm3, and muscle as a little more than gland.
# Layers of ligaments: size of the lobules between them, half width, strength.
_LAYERS = (
    (14.0, 0.20, 1.0),
    (10.0, 0.18, 1.0),
    (8.0, 0.17, 0.9),
    (6.5, 0.16, 0.85),
    (5.0, 0.15, 0.75),
    (4.0, 0.14, 0.65),
    (3.2, 0.13, 0.55),
    (2.5, 0.12, 0.45),
)
_SKIN_AS_GLAND, _MUSCLE_AS_GLAND = 1.06, 1.07
# An artery is 70 % blood and 30 % wall, the latter like muscle: by NIST's tables (ICRU 44; Hammerstein's
# gland) 1.15 of gland at 15 keV, 1.13 at 20, 1.09 at 30.
_ARTERY_AS_GLAND = 1.12


@dataclass(frozen=True)
class Character:
    """What the breasts of one woman have in common."""

    density: float  # volume share of gland, 0.03 to 0.7
    beta: float  # exponent of the tissue's power spectrum
    # how strong the fine web of ligaments and the single long ones are; 1 is usual
    web: float
    strands: float
    radial: float  # 0: ligaments run any way; 1: towards the nipple
    vessels: int  # number of plain vessels in a view
    skin_mm: float  # thickness of the skin


@dataclass
class Tissue:
    """Path lengths in mm on the tissue grid, (rows, columns): fat and gland, changed in place."""

    fat_mm: FloatArray
    gland_mm: FloatArray

    def replace_fat(self, tissue_mm: FloatArray) -> None:
        """Put so many mm of gland in the place of fat, as far as there is any."""
        taken = np.minimum(tissue_mm, self.fat_mm)
        self.fat_mm -= taken
        self.gland_mm += taken

    def hold_vessels(self, vessel_mm: FloatArray) -> None:
        """Put so many mm of blood and wall in the place of fat, and of gland where there is no more of it."""
        taken = np.minimum(vessel_mm, self.fat_mm)
        self.fat_mm -= taken
        self.gland_mm += taken + np.float32(_ARTERY_AS_GLAND - 1) * vessel_mm


def thickness_map(rng: np.random.Generator, build: Build, outline: Outline) -> tuple[FloatArray, FloatArray]:
    """Path length through the breast, flat under the paddle and 0 at the skin line, and its slope there."""
    rim = np.float32(build.thickness_mm * rng.uniform(0.4, 0.85))
    power = np.float32(rng.uniform(1.7, 2.3))
    depth = np.clip(outline.edge_mm / rim, np.float32(1e-3), 1)
    rest = 1 - (1 - depth) ** power
    thickness = np.float32(build.thickness_mm) * rest ** (1 / power) * (outline.edge_mm > 0)
    slope = np.float32(build.thickness_mm) / rim * rest ** (1 / power - 1) * (1 - depth) ** (power - 1)
    # The paddle tilts.
    rows, columns = (np.linspace(-1, 1, n, dtype=np.float32) for n in outline.edge_mm.shape)
    tilt = 1 + rng.uniform(-0.03, 0.03) * rows[:, None] - rng.uniform(0, 0.06) * columns[None, :]
    return np.asarray(thickness * tilt, dtype=np.float32), slope


def make_tissue(
    rng: np.random.Generator, build: Build, character: Character, outline: Outline, pitch_mm: float
) -> Tissue:
    """Fill an outline with tissue, vessels left out."""
    thickness, slope = thickness_map(rng, build, outline)
    skin = _skin(rng, character, outline, thickness, slope, pitch_mm)
    within = np.maximum(thickness - skin, 0)
    share = _gland_share(rng, character, outline, pitch_mm)
    gland = within * share
    muscle = _muscle(rng, outline, pitch_mm) * within
    gland = np.maximum(gland, muscle)
    tissue = Tissue(within - np.minimum(gland, within), gland + _SKIN_AS_GLAND * skin)
    web = _web(rng, character, outline, share, pitch_mm)
    web *= np.minimum(thickness / np.float32(0.5 * build.thickness_mm), 1)
    web *= np.where(outline.pectoral_mm > 2, np.float32(0.35), np.float32(1))
    tissue.replace_fat(web)
    strands = _strands(rng, character, outline, pitch_mm)
    tissue.replace_fat(strands * np.minimum(thickness / np.float32(0.4 * build.thickness_mm), 1))
    return tissue


def _skin(
    rng: np.random.Generator,
    character: Character,
    outline: Outline,
    thickness: FloatArray,
    slope: FloatArray,
    pitch_mm: float,
) -> FloatArray:
    """Path length through skin: two layers, and the rim seen along its surface, uneven and beaded."""
    shape = outline.edge_mm.shape
    uneven = 1 + 0.08 * gaussian_field(rng, shape, pitch_mm, 2.0, 8.0, 0.8)
    skin = np.float32(character.skin_mm) * np.clip(uneven, 0.45, 2.0)
    # Where the surface turns towards the rays, they run in skin over more of their way.
    oblique = np.sqrt(1 + (0.5 * slope) ** 2).clip(1, 4)
    # Folds and pores: short bright spots along the skin line.
    spots = gaussian_field(rng, shape, pitch_mm, 1.5, 4.0, 0.7)
    near = np.exp(-outline.edge_mm / np.float32(rng.uniform(1.0, 4.0)))
    beads = 1 + near * np.float32(rng.uniform(0.05, 0.4)) * np.maximum(spots + 0.5, 0)
    nipple = _near(outline.nipple_mm, shape, pitch_mm, float(rng.uniform(3.5, 6.0)))
    thicker = 1 + 1.5 * nipple
    return np.asarray(np.minimum(2 * skin * oblique * beads * thicker, 0.97 * thickness), dtype=np.float32)


def _near(
    at_mm: tuple[float, float], shape: tuple[int, ...], pitch_mm: float, radius_mm: float
) -> FloatArray:
    down = ((np.arange(shape[0]) + 0.5) * pitch_mm - at_mm[0])[:, None]
    right = ((np.arange(shape[1]) + 0.5) * pitch_mm - at_mm[1])[None, :]
    return np.asarray(np.exp(-0.5 * (down**2 + right**2) / radius_mm**2), dtype=np.float32)


def _gland_share(
    rng: np.random.Generator, character: Character, outline: Outline, pitch_mm: float
) -> FloatArray:
    """Share of gland along each ray: a random field, cut so that its mean is the density asked for."""
    shape = outline.edge_mm.shape
    field = gaussian_field(
        rng, shape, pitch_mm, character.beta + 0.4, 30.0, 1.0, float(rng.uniform(1.0, 1.8))
    )
    patches = gaussian_field(rng, shape, pitch_mm, 4.0, 60.0, 4.0)
    # Gland lies behind the nipple and in the outer half, hardly under the skin or before the muscle.
    down, right = outline.nipple_mm
    centre = (down + rng.uniform(-12, 6), right * rng.uniform(0.45, 0.7))
    place = _near(centre, shape, pitch_mm, float(rng.uniform(0.28, 0.4) * right))
    under_skin = 1 - np.exp(-outline.edge_mm / np.float32(rng.uniform(5, 9)))
    level = (1.2 * place + 0.35 * patches + 0.45 * field) * under_skin
    inside = outline.inside
    sharp = np.float32(rng.uniform(1.6, 3.2))
    # A ray through the whole breast hardly ever runs in gland alone.
    most = np.float32(np.clip(rng.uniform(0.12, 0.3) + character.density, 0.2, 0.85))
    low, high = -3.0, 4.0
    values = level[inside][::17]
    for _ in range(25):
        cut = 0.5 * (low + high)
        mean = float((most / (1 + np.exp(-sharp * (values - np.float32(cut))))).mean())
        low, high = (cut, high) if mean > character.density else (low, cut)
    share = most / (1 + np.exp(-sharp * (level - np.float32(0.5 * (low + high)))))
    # Fine texture everywhere, also within gland and fat.
    fine = gaussian_field(rng, shape, pitch_mm, character.beta, 10.0, 0.25)
    grain = np.float32(0.012 + 0.05 * character.density) * fine
    return np.asarray(np.clip(0.92 * share + 0.03 + grain * (0.4 + share), 0.005, 0.97), dtype=np.float32)


def _web(
    rng: np.random.Generator, character: Character, outline: Outline, share: FloatArray, pitch_mm: float
) -> FloatArray:
    """Walls between lobules of fat, projected: curved lines of several sizes that cross in knots."""
    shape = outline.edge_mm.shape
    down = (np.arange(shape[0], dtype=np.float32)[:, None] + 0.5) * np.float32(pitch_mm)
    right = (np.arange(shape[1], dtype=np.float32)[None, :] + 0.5) * np.float32(pitch_mm)
    away_down = down - np.float32(outline.nipple_mm[0])
    away = np.hypot(away_down, right - np.float32(outline.nipple_mm[1]) - 15)
    # Towards the nipple: rows are drawn together as the nipple comes near.
    pull = np.float32(character.radial) * away_down * (np.float32(45) / (away + 20) - 1)
    wander = gaussian_field(rng, shape, pitch_mm, 4.5, 40.0, 8.0) * np.float32(
        rng.uniform(0.5, 2.5) / pitch_mm
    )
    total = np.zeros(shape, dtype=np.float32)
    product = np.zeros(shape, dtype=np.float32)
    for size_mm, width_mm, strength in _LAYERS:
        drawn_out = float(rng.uniform(2.0, 4.0) + 1.5 * character.radial)
        turn = float(rng.normal(0, 0.9 - 0.6 * character.radial))
        # Smooth: walls of lobules are arcs, not threads.
        field = gaussian_field(rng, shape, pitch_mm, 6.0, 1.5 * size_mm, 0.7 * size_mm, drawn_out, turn)
        # Present here and there, and of uneven strength along their way.
        where = gaussian_field(rng, shape, pitch_mm, 3.0, 3 * size_mm, 0.5 * size_mm, 2.0, turn)
        shown = np.clip(0.65 + 0.35 * where - np.float32(rng.uniform(-0.1, 0.4)), 0.05, 1.5)
        width = np.float32(width_mm * rng.uniform(0.7, 1.4)) * (0.6 + 0.5 * shown)
        ridge = zero_ridges(field, pitch_mm, width, float(rng.uniform(0.1, 0.6))) * shown
        product += total * ridge
        total += np.float32(strength * rng.uniform(0.5, 1.4)) * ridge
    # One bend for all layers: together they lie in one breast.
    total += 0.8 * np.minimum(product, 2.0)
    total = bend(total, pull / np.float32(pitch_mm) + wander, wander)
    near_gland = 0.55 + 2.0 * share
    return np.asarray(
        np.float32(5.0 * character.web) * near_gland * total,
        dtype=np.float32,
    )


def _strands(rng: np.random.Generator, character: Character, outline: Outline, pitch_mm: float) -> FloatArray:
    """Single ligaments and ducts that branch, cross, taper, and end in knots."""
    image = np.zeros(outline.edge_mm.shape, dtype=np.float32)
    inside = np.argwhere(outline.edge_mm > 3)
    if not len(inside):
        return image
    count = int(rng.poisson(45 * character.strands))
    for _ in range(count):
        start = (inside[rng.integers(len(inside))] + 0.5) * pitch_mm
        to_nipple = np.arctan2(outline.nipple_mm[0] - start[0], outline.nipple_mm[1] - start[1])
        spread = 1.4 - 1.1 * character.radial
        heading = float(to_nipple + rng.normal(0, spread))
        length = float(rng.uniform(8, 45))
        for generation in range(int(rng.integers(1, 4))):
            points = start + walk(rng, length, heading, float(rng.uniform(12, 50)), 9.0)
            line = make_line(points, 0.12)
            along = np.linspace(0, 1, len(line.points))
            taper = np.sin(np.pi * np.clip(along, 0.02, 0.98)) ** rng.uniform(0.8, 2.0)
            radius = (0.10 + rng.uniform(0.0, 0.3) ** 1.5) * (0.4 + 0.6 * taper)
            uneven = np.exp(0.5 * ndimage.gaussian_filter1d(rng.standard_normal(len(along)), 6) * 3)
            # A sheet seen on edge: deeper than it is wide.
            amount = np.exp(rng.uniform(np.log(1.5), np.log(14.0))) * taper * uneven.clip(0.3, 3)
            draw_cord(image, line, radius, amount, pitch_mm)
            if rng.random() < 0.3:
                _knot(rng, image, line.points[rng.integers(len(line.points))], pitch_mm)
            # The next one leaves this one on its way.
            start = line.points[int(rng.integers(len(line.points) // 4, len(line.points)))]
            heading += float(rng.choice([-1, 1]) * rng.uniform(0.3, 1.0))
            length *= 0.7
            if generation == 2:
                break
    return image


def _knot(rng: np.random.Generator, image: FloatArray, at_mm: FloatArray, pitch_mm: float) -> None:
    """Add a bright spot where ligaments meet."""
    r, c = (int(v / pitch_mm) for v in at_mm)
    half = int(2.0 / pitch_mm)
    if not (half <= r < image.shape[0] - half and half <= c < image.shape[1] - half):
        return
    y, x = np.mgrid[-half : half + 1, -half : half + 1] * pitch_mm
    turn, long, short = rng.uniform(0, np.pi), rng.uniform(0.4, 0.9), rng.uniform(0.2, 0.45)
    u, v = np.cos(turn) * x + np.sin(turn) * y, np.cos(turn) * y - np.sin(turn) * x
    spot = rng.uniform(1.5, 7) * np.exp(-0.5 * ((u / long) ** 2 + (v / short) ** 2))
    image[r - half : r + half + 1, c - half : c + half + 1] += spot.astype(np.float32)


def _muscle(rng: np.random.Generator, outline: Outline, pitch_mm: float) -> FloatArray:
    """Share of the ray that runs in muscle: rises from its edge, striped along it."""
    depth = outline.pectoral_mm
    if not depth.any():
        return depth
    rise = 1 - np.exp(-depth / np.float32(rng.uniform(3, 10)))
    stripes = gaussian_field(rng, depth.shape, pitch_mm, 3.0, 20.0, 0.8, 5.0, 1.35)
    share = np.float32(rng.uniform(0.5, 0.85)) * rise * (1 + 0.05 * stripes)
    return np.asarray(np.float32(_MUSCLE_AS_GLAND) * share, dtype=np.float32)
