"""What looks like arterial calcium and is none: other calcifications, clips and skin markers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from bac_randfield.body.fields import gaussian_field
from bac_randfield.body.outline import Outline
from bac_randfield.physics import Attenuator, FloatArray

# Kinds, and in which share of views each is.
_OFTEN = {
    "popcorn": 0.12,
    "rim": 0.15,
    "rods": 0.15,
    "cluster": 0.25,
    "skin": 0.25,
    "round": 0.35,
    "clip": 0.07,
    "bb": 0.1,
}
KINDS = tuple(_OFTEN)
_Patch = Callable[[np.random.Generator, float], FloatArray]


def draw_others(
    rng: np.random.Generator,
    through: FloatArray,
    tissue: FloatArray,
    attenuator: Attenuator,
    outline: Outline,
    grid_mm: float,
    pitch_mm: float,
) -> list[str]:
    """Draw what this view has into `through`, the share of the signal let through; return the kinds."""
    kinds = []
    for kind in KINDS:
        # A stream of its own: what one kind draws moves no other.
        own = np.random.default_rng(int(rng.integers(2**63)))
        if own.random() > _OFTEN[kind]:
            continue
        if kind in ("clip", "bb"):
            _metal(own, kind, through, outline, grid_mm, pitch_mm)
        elif kind == "cluster":
            centre = _place(own, outline, grid_mm, 6)
            for _ in range(int(own.integers(5, 40))):
                at = centre + own.normal(0, 2.5, 2)
                _add(through, tissue, attenuator, _grain(own, pitch_mm, 0.06, 0.3), at, pitch_mm)
        elif kind == "rods":
            _rods(own, through, tissue, attenuator, outline, grid_mm, pitch_mm)
        else:
            patch = _PATCHES[kind]
            most = {"popcorn": 3, "rim": 4, "skin": 12, "round": 8}[kind]
            margin = {"skin": 0.5, "popcorn": 9.0, "rim": 7.0}.get(kind, 3.0)
            for _ in range(int(own.integers(1, most))):
                at = _place(own, outline, grid_mm, margin)
                _add(through, tissue, attenuator, patch(own, pitch_mm), at, pitch_mm)
        kinds.append(kind)
    return kinds


def _place(
    rng: np.random.Generator, outline: Outline, grid_mm: float, margin_mm: float
) -> npt.NDArray[np.float64]:
    places = np.argwhere(outline.edge_mm > margin_mm)
    if not len(places):
        places = np.argwhere(outline.edge_mm > 0)
    return np.asarray((places[rng.integers(len(places))] + rng.random(2)) * grid_mm)


def _add(
    through: FloatArray,
    tissue: FloatArray,
    attenuator: Attenuator,
    patch: FloatArray,
    at_mm: npt.NDArray[np.float64],
    pitch_mm: float,
) -> None:
    """Put a patch of calcium, mg/mm2, with its middle at a place; what lies outside is lost."""
    r0, c0 = (int(v / pitch_mm) - n // 2 for v, n in zip(at_mm, patch.shape, strict=True))
    rows = slice(max(r0, 0), min(r0 + patch.shape[0], through.shape[0]))
    columns = slice(max(c0, 0), min(c0 + patch.shape[1], through.shape[1]))
    if rows.stop <= rows.start or columns.stop <= columns.start:
        return
    part = patch[rows.start - r0 : rows.stop - r0, columns.start - c0 : columns.stop - c0]
    through[rows, columns] *= attenuator.transmission(tissue[rows, columns], part)


def _axes(half_mm: float, pitch_mm: float) -> tuple[FloatArray, FloatArray]:
    half = int(np.ceil(half_mm / pitch_mm)) + 1
    y, x = np.mgrid[-half : half + 1, -half : half + 1].astype(np.float32) * np.float32(pitch_mm)
    return y, x


def _soft(inside_mm: FloatArray, pitch_mm: float) -> FloatArray:
    """1 inside, 0 outside, over a pixel."""
    return np.asarray(np.clip(inside_mm / pitch_mm + 0.5, 0, 1), dtype=np.float32)


def _popcorn(rng: np.random.Generator, pitch_mm: float) -> FloatArray:
    radius = float(rng.uniform(1.2, 6.0))
    y, x = _axes(1.3 * radius, pitch_mm)
    lumps = gaussian_field(rng, (y.shape[0], y.shape[1]), pitch_mm, 3.0, radius, 0.3)
    shape = radius * (1 + 0.22 * lumps) - np.hypot(y, x)
    thick = np.sqrt(np.maximum(1 - (np.hypot(y, x) / (1.4 * radius)) ** 2, 0))
    pieces = np.clip(0.55 + 0.5 * lumps, 0.05, 1.4)
    return np.asarray(rng.uniform(0.3, 1.5) * thick * pieces * _soft(shape, pitch_mm), dtype=np.float32)


def _rim(rng: np.random.Generator, pitch_mm: float) -> FloatArray:
    radius, wall = float(rng.uniform(0.7, 5.0)), float(rng.uniform(0.12, 0.5))
    y, x = _axes(1.2 * radius, pitch_mm)
    squeeze = float(rng.uniform(0.75, 1.0))
    angle = np.arctan2(y, x)
    away = np.hypot(y / squeeze, x) * (1 + 0.05 * np.sin(3 * angle + rng.uniform(0, 6)))
    shell = np.sqrt(np.maximum(radius**2 - away**2, 0)) - np.sqrt(
        np.maximum((radius - wall) ** 2 - away**2, 0)
    )
    gaps = np.clip(
        1.0 + rng.uniform(0, 0.9) * np.sin(angle * rng.integers(1, 4) + rng.uniform(0, 6)), 0.05, 2
    )
    return np.asarray(rng.uniform(0.1, 0.5) * 2 * shell * gaps, dtype=np.float32)


def _skin_ring(rng: np.random.Generator, pitch_mm: float) -> FloatArray:
    radius = float(rng.uniform(0.3, 0.9))
    y, x = _axes(1.3 * radius, pitch_mm)
    away = np.hypot(y, x)
    hollow = 1 - rng.uniform(0.2, 0.8) * np.exp(-((away / (0.5 * radius)) ** 2))
    return np.asarray(rng.uniform(0.08, 0.5) * hollow * _soft(radius - away, pitch_mm), dtype=np.float32)


def _grain(
    rng: np.random.Generator, pitch_mm: float, least_mm: float = 0.2, most_mm: float = 0.9
) -> FloatArray:
    radius = float(np.exp(rng.uniform(np.log(least_mm), np.log(most_mm))))
    y, x = _axes(1.6 * radius, pitch_mm)
    turn, squeeze = rng.uniform(0, np.pi), rng.uniform(0.5, 1.0)
    u, v = np.cos(turn) * x + np.sin(turn) * y, (np.cos(turn) * y - np.sin(turn) * x) / squeeze
    ball = np.sqrt(np.maximum(radius**2 - u**2 - v**2, 0)) * _soft(radius - np.hypot(u, v), pitch_mm)
    return np.asarray(2 * np.exp(rng.uniform(np.log(0.06), np.log(0.7))) * ball, dtype=np.float32)


def _rods(
    rng: np.random.Generator,
    through: FloatArray,
    tissue: FloatArray,
    attenuator: Attenuator,
    outline: Outline,
    grid_mm: float,
    pitch_mm: float,
) -> None:
    """Secretory rods: stout, smooth, straight, along the ducts towards the nipple."""
    centre = _place(rng, outline, grid_mm, 10)
    for _ in range(int(rng.integers(3, 22))):
        at = centre + rng.normal(0, 11, 2)
        r, c = (int(v / grid_mm) for v in at)
        if not (0 <= r < outline.edge_mm.shape[0] and 0 <= c < outline.edge_mm.shape[1]):
            continue
        if outline.edge_mm[r, c] < 6:
            continue
        turn = np.arctan2(outline.nipple_mm[0] - at[0], outline.nipple_mm[1] - at[1]) + rng.normal(0, 0.15)
        half, radius = float(rng.uniform(0.8, 5.0)), float(rng.uniform(0.15, 0.5))
        y, x = _axes(half + 1, pitch_mm)
        u, v = np.cos(turn) * x + np.sin(turn) * y, np.cos(turn) * y - np.sin(turn) * x
        v = v - rng.uniform(-0.03, 0.03) * u**2
        beyond = np.maximum(np.abs(u) - half, 0)
        chord = 2 * np.sqrt(np.maximum(radius**2 - v**2 - beyond**2, 0))
        hollow = 1 - (rng.uniform(0.4, 0.8) if rng.random() < 0.3 else 0) * np.exp(
            -((v / (0.5 * radius)) ** 2)
        )
        patch = np.asarray(rng.uniform(0.2, 0.8) * chord * hollow, dtype=np.float32)
        _add(through, tissue, attenuator, patch, at, pitch_mm)


def _metal(
    rng: np.random.Generator,
    kind: str,
    through: FloatArray,
    outline: Outline,
    grid_mm: float,
    pitch_mm: float,
) -> None:
    """Biopsy clips inside, and a lead ball taped to the skin at the nipple."""
    if kind == "bb":
        at = np.array(outline.nipple_mm) + rng.normal(0, 1.0, 2)
        at[1] -= 1.0
        y, x = _axes(1.3, pitch_mm)
        opaque = _soft(np.float32(rng.uniform(0.75, 1.1)) - np.hypot(y, x), pitch_mm)
    else:
        at = _place(rng, outline, grid_mm, 10)
        y, x = _axes(2.5, pitch_mm)
        turn = rng.uniform(0, np.pi)
        u, v = np.cos(turn) * x + np.sin(turn) * y, np.cos(turn) * y - np.sin(turn) * x
        shape = str(rng.choice(["bar", "ring", "bow"]))
        if shape == "bar":
            opaque = _soft(np.minimum(1.3 - np.abs(u), 0.3 - np.abs(v)), pitch_mm)
        elif shape == "ring":
            opaque = _soft(0.2 - np.abs(np.hypot(u, v) - 1.1), pitch_mm)
        else:
            opaque = _soft(0.18 - np.abs(np.abs(v) - 0.6 * np.abs(u)), pitch_mm) * _soft(
                1.5 - np.abs(u), pitch_mm
            )
    r0, c0 = (int(v / pitch_mm) - n // 2 for v, n in zip(at, opaque.shape, strict=True))
    r, c = slice(max(r0, 0), r0 + opaque.shape[0]), slice(max(c0, 0), c0 + opaque.shape[1])
    part = through[r, c]
    part *= 1 - np.float32(0.93) * opaque[r.start - r0 :, c.start - c0 :][: part.shape[0], : part.shape[1]]


_PATCHES: dict[str, _Patch] = {"popcorn": _popcorn, "rim": _rim, "skin": _skin_ring, "round": _grain}
