"""The breast's outline in a view: how far it reaches from the chest wall in each row."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from scipy.interpolate import PchipInterpolator

from bac_randfield.body.fields import enlarge, gaussian_field
from bac_randfield.physics import Array64, FloatArray


@dataclass(frozen=True)
class Build:
    """One breast, in mm at the detector: how deep and wide it is, and how thick under the paddle."""

    depth_mm: float
    half_width_mm: float
    thickness_mm: float


@dataclass(frozen=True)
class Outline:
    """A breast on a grid, chest wall at the first column."""

    reach_mm: Array64  # (rows,): how far the breast reaches in each row; 0 where there is none
    nipple_mm: tuple[float, float]  # (down, right)
    edge_mm: FloatArray  # float32 (rows, columns): distance to the skin line, 0 outside
    # float32 (rows, columns): depth inside the pectoral muscle, from its edge; 0 outside it
    pectoral_mm: FloatArray

    @property
    def inside(self) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
        """Where the breast is: bool, (rows, columns)."""
        return np.asarray(self.edge_mm > 0)


def draw_outline(
    rng: np.random.Generator, build: Build, view: str, shape: tuple[int, int], pitch_mm: float
) -> Outline:
    """Draw a CC or MLO outline on a grid of `shape`."""
    down = (np.arange(shape[0]) + 0.5) * pitch_mm
    height, width = shape[0] * pitch_mm, shape[1] * pitch_mm
    depth = min(build.depth_mm, 0.93 * width)
    if view == "CC":
        nipple_row, reach = _cranio_caudal(rng, build, down, height, depth)
    else:
        nipple_row, reach = _oblique(rng, down, height, depth)
    # Fourier waves of a few per cent: no breast is a formula.
    phase = 2 * np.pi * (down - nipple_row) / (2.4 * build.half_width_mm)
    for order in (2, 3, 5):
        reach = reach * (1 + rng.normal(0, 0.008) * np.sin(order * phase + rng.uniform(0, 2 * np.pi)))
    nipple_mm = float(rng.uniform(2.0, 6.0))
    bump = np.exp(-0.5 * ((down - nipple_row) / rng.uniform(2.5, 4.5)) ** 4)
    reach = np.clip(reach + nipple_mm * float(rng.choice([0.0, 0.4, 1.0])) * bump, 0, 0.97 * width)
    columns = (np.arange(shape[1]) + 0.5) * pitch_mm
    inside = columns[None, :] < reach[:, None]
    # The chest wall, and the film's upper and lower edge, are no skin.
    edge = _distance(reach, inside, pitch_mm)
    at = int(np.clip(nipple_row / pitch_mm, 0, shape[0] - 1))
    pectoral = _pectoral(rng, view, shape, pitch_mm, depth)
    return Outline(reach, (float(nipple_row), float(reach[at])), edge, pectoral * (edge > 0))


def _distance(
    reach: Array64, inside: np.ndarray[tuple[int, ...], np.dtype[np.bool_]], pitch_mm: float
) -> FloatArray:
    """Distance to the skin line, mm, measured on every other pixel and corrected near the line itself."""
    small = np.pad(inside[::2, ::2], ((1, 1), (1, 1)), mode="edge")
    small[:, -1] = False
    far = ndimage.distance_transform_edt(small)[1:-1, 1:-1].astype(np.float32) * np.float32(2 * pitch_mm)
    far = ndimage.gaussian_filter(far, 1.0, mode="nearest")
    edge = enlarge(far, (2 * far.shape[0], 2 * far.shape[1]), 2)[: inside.shape[0], : inside.shape[1]]
    # Near the line the outline itself is finer than a grid; across a slope it is nearer than along a row.
    slope = np.gradient(reach, pitch_mm)
    right = ((np.arange(inside.shape[1]) + 0.5) * pitch_mm)[None, :]
    beside = ((reach[:, None] - right) / np.sqrt(1 + slope[:, None] ** 2)).astype(np.float32)
    edge = np.where(edge < 8 * pitch_mm, np.maximum(beside, 0.05 * np.float32(pitch_mm)), edge)
    return np.asarray(edge * inside, dtype=np.float32)


def _cranio_caudal(
    rng: np.random.Generator, build: Build, down: Array64, height: float, depth: float
) -> tuple[float, Array64]:
    """Join two superellipses that meet at the nipple's row."""
    row = height * rng.uniform(0.44, 0.56)
    reach = np.zeros_like(down)
    for side in (-1, 1):
        room = row - 3 if side < 0 else height - row - 3
        half = min(build.half_width_mm * rng.uniform(0.92, 1.08), rng.uniform(0.9, 1.25) * room)
        of = np.clip(side * (down - row) / half, 0, 1)
        curve = depth * (1 - of ** rng.uniform(1.9, 2.7)) ** (1 / rng.uniform(1.5, 2.3))
        reach = np.where(side * (down - row) >= 0, curve, reach)
    return row, np.asarray(reach)


def _oblique(rng: np.random.Generator, down: Array64, height: float, depth: float) -> tuple[float, Array64]:
    """Run a monotone cubic through armpit, nipple and fold below the breast."""
    row = height * rng.uniform(0.52, 0.68)
    top = depth * rng.uniform(0.35, 0.65)
    shoulder = depth * rng.uniform(0.62, 0.8)
    low = min(row + depth * rng.uniform(0.75, 1.1), height * 0.97)
    belly = depth * float(rng.choice([0.0, 0.06, 0.18, 0.3]))
    knots = [-20.0, 0.45 * row, row - 0.12 * height, row, row + 0.45 * (low - row), low, height + 40]
    values = [top, shoulder, 0.94 * depth, depth, 0.84 * depth, belly + 0.22 * depth, belly]
    curve = PchipInterpolator(knots, values)(down)
    # A fold: the lower part narrows for a few mm and widens again.
    if belly > 0 and rng.random() < 0.5:
        at = low + rng.uniform(0, 6)
        curve = curve - 0.4 * belly * np.exp(-0.5 * ((down - at) / 3.0) ** 2)
    smooth = ndimage.gaussian_filter1d(curve, 5.0 / (down[1] - down[0]), mode="nearest")
    return row, np.asarray(np.maximum(smooth, 0))


def _pectoral(
    rng: np.random.Generator, view: str, shape: tuple[int, int], pitch_mm: float, depth: float
) -> FloatArray:
    """Depth inside the pectoral muscle; in CC a slip of it, sometimes."""
    down = ((np.arange(shape[0]) + 0.5) * pitch_mm)[:, None]
    right = ((np.arange(shape[1]) + 0.5) * pitch_mm)[None, :]
    height = shape[0] * pitch_mm
    wave = gaussian_field(rng, (shape[0], 16), pitch_mm, 4.0, 60.0, 12.0)[:, :1]
    if view == "CC":
        if rng.random() > 0.3:
            return np.zeros(shape, dtype=np.float32)
        at, half = height * rng.uniform(0.4, 0.65), rng.uniform(15, 40)
        edge = rng.uniform(3, 12) * (1 - ((down - at) / half) ** 2) + 0.5 * wave
    else:
        at_top, foot = depth * rng.uniform(0.3, 0.6), height * rng.uniform(0.5, 0.9)
        straight = at_top * (1 - down / foot)
        edge = straight + rng.uniform(-0.1, 0.12) * at_top * np.sin(np.pi * np.clip(down / foot, 0, 1)) + wave
    return np.asarray(np.maximum(edge - right, 0), dtype=np.float32)
