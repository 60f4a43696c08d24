"""Courses of calcified arteries through a breast, the same ones in its CC and MLO view."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage

from bac_randfield.body.curves import walk
from bac_randfield.body.outline import Outline
from bac_randfield.calcium.forms import FORMS, Deposit, draw_deposit
from bac_randfield.physics import Array64

_WALK_MM = 0.25
_SHARES = {
    "tram": 0.2,
    "broken": 0.17,
    "one_wall": 0.15,
    "crescent": 0.13,
    "thin_wall": 0.12,
    "granular": 0.13,
    "solid": 0.1,
}


@dataclass(frozen=True)
class Setting:
    """How a view looks at the breast."""

    view: str  # {"CC", "MLO"}: which
    outline: Outline  # the breast, in mm at the detector
    pitch_mm: float  # of the outline's grid
    # source to detector, detector to breast, compressed breast
    source_mm: float
    gap_mm: float
    thickness_mm: float
    margin_mm: float = 6.0  # that arteries keep from the skin

    def magnification(self, height: float) -> float:
        """At a height above the support, as a share of the thickness."""
        return self.source_mm / (self.source_mm - self.gap_mm - height * self.thickness_mm)

    def project(self, body: Array64, height: float) -> Array64:
        """Body points (depth, across, up; mm) to (down, right) in mm at the detector."""
        m = self.magnification(height)
        down, right = body[:, 1], body[:, 0]
        if self.view == "MLO":
            down = 0.77 * body[:, 1] + 0.64 * body[:, 2]
            right = body[:, 0] * 0.97 + 4.0
        return np.stack([self.outline.nipple_mm[0] + m * down, m * right], axis=1)

    def holds(self, points: Array64) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
        """Say which points lie well inside the breast."""
        edge = self.outline.edge_mm
        r, c = (points / self.pitch_mm).astype(np.intp).T
        ok = (r >= 0) & (c >= 2) & (r < edge.shape[0]) & (c < edge.shape[1])
        ok[ok] = edge[r[ok], c[ok]] > self.margin_mm
        return np.asarray(ok)


@dataclass(frozen=True)
class Artery:
    """One calcified artery."""

    body_mm: Array64  # (n, 3): its course: depth from the chest wall, across, up
    heights: tuple[float, ...]  # height above the support in each view, as shares of the thickness
    deposit: Deposit  # its calcium, from `lead_mm` on
    lead_mm: float  # length without calcium before
    branch: bool  # it leaves another artery


def lay_arteries(rng: np.random.Generator, settings: list[Setting], mass_mg: float) -> list[Artery]:
    """Lay arteries that together hold about `mass_mg` of calcium; fewer where a breast has no room."""
    wanted = 1 + int(rng.poisson(min(mass_mg / 7, 7)))
    arteries: list[Artery] = []
    for _ in range(6 * wanted):
        if len(arteries) >= wanted:
            break
        stem = arteries[int(rng.integers(len(arteries)))] if arteries and rng.random() < 0.45 else None
        artery = _lay_one(rng, settings, stem)
        if artery is not None:
            arteries.append(artery)
    if not arteries:
        return []
    held = sum(artery.deposit.mass_mg for artery in arteries)
    # Contrast stays within what is seen in women: beyond that the mass is what the arteries hold.
    factor = float(np.clip(mass_mg / max(held, 1e-6), 0.6, 1.6))
    return [replace(artery, deposit=artery.deposit.scaled(factor)) for artery in arteries]


def _lay_one(rng: np.random.Generator, settings: list[Setting], stem: Artery | None) -> Artery | None:
    form = str(rng.choice(FORMS, p=[_SHARES[f] for f in FORMS]))
    radius = 0.5 * float(np.exp(rng.uniform(np.log(0.5), np.log(3.0))))
    if stem is not None:
        radius = stem.deposit.outer_radius_mm * float(rng.uniform(0.55, 0.9))
        form = "tram" if form == "thin_wall" else form
    body = _course(rng, settings, radius, stem)
    if body is None:
        return None
    length = float(_length(body))
    if stem is not None and length < 6:
        return None
    lead = 0.0 if stem is not None and rng.random() < 0.5 else float(rng.uniform(0, 0.35)) * length
    tail = float(rng.uniform(0, 0.35)) * length
    calcified = min(max(length - lead - tail, 5.0), length - lead)
    curvature = _curvature(body)[int(lead / _WALK_MM) :]
    deposit = draw_deposit(rng, calcified, radius, curvature[: int(calcified / _WALK_MM)], form)
    if deposit.mass_mg < 0.02:
        return None
    heights = tuple(float(rng.uniform(0.2, 0.8)) for _ in settings)
    return Artery(body, heights, deposit, lead, stem is not None)


def _course(
    rng: np.random.Generator, settings: list[Setting], radius_mm: float, stem: Artery | None
) -> Array64 | None:
    """Find a course that lies inside the breast in every view."""
    depth = min(s.outline.nipple_mm[1] for s in settings)
    least = 6.0 if stem is not None else 15.0
    for _ in range(25):
        length = float(rng.uniform(25, 120))
        if stem is not None:
            k = int(rng.integers(len(stem.body_mm) // 6, max(5 * len(stem.body_mm) // 6, 2)))
            start = stem.body_mm[k]
            ahead = stem.body_mm[min(k + 4, len(stem.body_mm) - 1)] - stem.body_mm[max(k - 4, 0)]
            heading = float(np.arctan2(ahead[1], ahead[0]) + rng.choice([-1, 1]) * rng.uniform(0.35, 1.2))
            length *= 0.5
        else:
            start = np.array([rng.uniform(0.05, 0.5) * depth, rng.uniform(-0.6, 0.6) * depth, 0.0])
            start[2] = rng.uniform(-0.45, 0.45) * depth
            # Towards the nipple, more or less.
            heading = float(np.arctan2(-start[1], depth - start[0]) + rng.normal(0, 0.7))
        flat = walk(
            rng,
            length,
            heading,
            float(np.exp(rng.uniform(np.log(7), np.log(45))) * (0.7 + 0.3 * radius_mm)),
            float(rng.uniform(3, 14)),
            _WALK_MM,
        )
        climb = ndimage.gaussian_filter1d(rng.standard_normal(len(flat)), 30) * 2.5 + rng.normal(0, 0.25)
        up = np.cumsum(np.clip(climb, -1, 1)) * _WALK_MM
        # `walk` gives (down, right): across and depth.
        body = np.stack([start[0] + flat[:, 1], start[1] + flat[:, 0], start[2] + up], axis=1)
        inside = np.ones(len(body), dtype=bool)
        for setting in settings:
            inside &= setting.holds(setting.project(body, 0.5))
        run = _longest_run(inside)
        body = body[run]
        if len(body) > 8 and _length(body) >= least and (stem is None or run.start == 0):
            return np.asarray(body)
    return None


def _longest_run(flags: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> slice:
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(np.int8), [0]])))
    if not len(edges):
        return slice(0, 0)
    begins, ends = edges[::2], edges[1::2]
    k = int(np.argmax(ends - begins))
    return slice(int(begins[k]), int(ends[k]))


def _length(body: Array64) -> float:
    return float(np.linalg.norm(np.diff(body, axis=0), axis=1).sum())


def _curvature(body: Array64) -> Array64:
    """Curvature in the plane of depth and across, with the sign that `curves.make_line` gives."""
    flat = ndimage.gaussian_filter1d(body[:, [1, 0]], 3, axis=0, mode="nearest")
    tangent = np.gradient(flat, axis=0)
    tangent /= np.maximum(np.hypot(*tangent.T), 1e-9)[:, None]
    normal = np.stack([tangent[:, 1], -tangent[:, 0]], axis=1)
    step = float(_length(body)) / max(len(body) - 1, 1)
    return np.asarray((np.gradient(tangent, axis=0) * normal).sum(axis=1) / step)
