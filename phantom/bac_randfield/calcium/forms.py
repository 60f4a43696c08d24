"""How calcium lies along an artery: forms, stretches and gaps, as functions of the way along it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage

from bac_randfield.physics import Array64

FORMS = ("tram", "broken", "one_wall", "crescent", "thin_wall", "granular", "solid")
STEP_MM = 0.05


@dataclass(frozen=True)
class Deposit:
    """Calcium along an artery, every `STEP_MM` of its way through the body."""

    # of the artery, and of its calcified wall
    outer_radius_mm: float
    wall_mm: float
    # (n,): calcium in either wall, mg/mm3
    left: Array64
    right: Array64
    fill: Array64  # (n,): calcium spread over the whole section, mg/mm3
    # how much of the wall's calcium lies in front and behind, beside that at the sides: 1 is a full ring
    face: float
    grain: float  # how uneven it is on a scale of 0.1 to 0.4 mm; standard deviation of its logarithm
    forms: tuple[str, ...]  # Of `FORMS`, what was used

    @property
    def mass_mg(self) -> float:
        """All calcium, before its grain."""
        return float(self.density(self.across(400)).sum() * STEP_MM * self._du(400))

    def scaled(self, factor: float) -> Deposit:
        """Return the same with `factor` times the calcium."""
        return replace(self, left=self.left * factor, right=self.right * factor, fill=self.fill * factor)

    def across(self, count: int) -> Array64:
        """Return `count` places across the artery, mm, at the middles of equal steps."""
        return (np.arange(count) + 0.5) * self._du(count) - self.outer_radius_mm

    def _du(self, count: int) -> float:
        return 2 * self.outer_radius_mm / count

    def density(self, across: Array64, at: Array64 | None = None) -> Array64:
        """Calcium along the ray, mg/mm2, shape (places along, places across).

        `at` are places along, mm, shape (places along,), or one for each place across as well; there is
        nothing before 0 and beyond the end.
        """
        r, inner = self.outer_radius_mm, max(self.outer_radius_mm - self.wall_mm, 0.0)
        whole = 2 * np.sqrt(np.maximum(r**2 - across**2, 0))
        wall = whole - 2 * np.sqrt(np.maximum(inner**2 - across**2, 0))
        wall = wall * (self.face + (1 - self.face) * (across / r) ** 2)
        left, right, fill = (a[:, None] for a in (self.left, self.right, self.fill))
        if at is not None:
            place = np.floor((at if at.ndim == 2 else at[:, None]) / STEP_MM).astype(np.intp)
            held = (place >= 0) & (place < len(self.left))
            place = np.where(held, place, 0)
            left, right, fill = (a[place] * held for a in (self.left, self.right, self.fill))
        return np.asarray(np.where(across[None, :] < 0, left, right) * wall[None, :] + fill * whole[None, :])


def draw_deposit(
    rng: np.random.Generator, length_mm: float, radius_mm: float, curvature: Array64, form: str
) -> Deposit:
    """Lay calcium along an artery in one main form, others mixed in.

    Parameters
    ----------
    rng, length_mm, radius_mm, form
        Generator; the artery; one of `FORMS`.
    curvature : ndarray, shape (m,)
        Of its course, 1/mm, evenly along the way; crescents lie on the outer side of bends.
    """
    n = max(int(length_mm / STEP_MM), 8)
    bends = np.interp(np.linspace(0, 1, n), np.linspace(0, 1, len(curvature)), curvature)
    thin = form == "thin_wall"
    if thin:
        radius_mm = float(rng.uniform(1.1, 1.45))
        wall = float(rng.uniform(0.15, 0.3))
    else:
        wall = float(np.clip(radius_mm * rng.uniform(0.12, 0.45), 0.1, 0.45))
    # Peak of the wall seen along its tangent, mg/mm2; what a wall of that thickness then holds, mg/mm3. With
    # half of the least an artery looks like a plain vessel in fat, and no reader would call it calcified.
    peak = rng.uniform(0.3, 0.5) if thin else float(np.exp(rng.uniform(np.log(0.09), np.log(0.45))))
    tangent = 2 * np.sqrt(2 * radius_mm * wall - wall**2)
    level = peak / tangent
    left, right, fill = np.zeros(n), np.zeros(n), np.zeros(n)
    used = {form}
    for begin, end in _stretches(rng, form, n):
        kind = form if rng.random() < 0.75 else str(rng.choice(["tram", "one_wall", "granular"]))
        used.add(kind)
        part = slice(begin, end)
        strength = level * float(np.exp(rng.normal(0, 0.15 if thin else 0.35)))
        _lay(rng, kind, part, strength, bends, left, right, fill, radius_mm, tangent)
    # No wall is denser than what is seen: 60 mg/cm2 along its tangent.
    densest = 0.6 / tangent
    left, right, fill = (np.minimum(part, densest) for part in (left, right, fill))
    grain = float(rng.uniform(0.5, 1.0)) if form in ("granular", "broken") else float(rng.uniform(0.05, 0.45))
    face = float(rng.uniform(0.0, 0.35)) if form != "solid" else 1.0
    return Deposit(radius_mm, wall, left, right, fill, face, grain, tuple(sorted(used)))


def _stretches(rng: np.random.Generator, form: str, n: int) -> list[tuple[int, int]]:
    """Cut the way into calcified stretches: places in steps."""
    if form == "broken":
        lengths, gaps = (1.0, 3.0), (2.0, 8.0)
    elif form == "crescent":
        return [(0, n)]
    else:
        lengths, gaps = (4.0, float(rng.uniform(8, 50))), (0.5, float(rng.uniform(2, 15)))
    found = []
    at = float(rng.uniform(0, gaps[1]))
    while at < n * STEP_MM - 0.5:
        end = at + float(rng.uniform(*lengths))
        found.append((int(at / STEP_MM), min(int(end / STEP_MM), n)))
        at = end + float(rng.uniform(*gaps))
    return [pair for pair in found if pair[1] > pair[0]]


def _lay(
    rng: np.random.Generator,
    kind: str,
    part: slice,
    level: float,
    bends: Array64,
    left: Array64,
    right: Array64,
    fill: Array64,
    radius_mm: float,
    tangent_mm: float,
) -> None:
    count = part.stop - part.start
    uneven = [_uneven(rng, count, 0.4) for _ in range(2)]
    if kind == "one_wall":
        (left if rng.random() < 0.5 else right)[part] += level * uneven[0]
    elif kind == "crescent":
        # The outer side of a bend is the one it curves away from; the more bent, the more.
        share = np.clip(np.abs(bends[part]) * 18 - 0.35, 0, 1)
        outer_is_left = bends[part] > 0
        left[part] += level * share * outer_is_left * uneven[0]
        right[part] += level * share * ~outer_is_left * uneven[1]
    elif kind == "solid":
        # Thins out towards its ends, unlike walls.
        ends = np.minimum(np.arange(count), np.arange(count)[::-1]) * STEP_MM / rng.uniform(0.3, 2.0)
        fill[part] += level * tangent_mm / (2 * radius_mm) * uneven[0] * np.clip(ends, 0.1, 1)
    else:
        # Either wall begins and ends where it likes, without thinning out.
        trims = rng.integers(0, max(count // 6, 1), size=4)
        left[part.start + trims[0] : part.stop - trims[1]] += level * uneven[0][trims[0] : count - trims[1]]
        right[part.start + trims[2] : part.stop - trims[3]] += (
            level * rng.uniform(0.5, 1.2) * uneven[1][trims[2] : count - trims[3]]
        )
        if kind == "granular":
            fill[part] += 0.3 * level * tangent_mm / (2 * radius_mm) * _uneven(rng, count, 0.8)


def _uneven(rng: np.random.Generator, count: int, spread: float) -> Array64:
    # Longer than asked for: a short stretch shows a part of the pattern.
    noise = rng.standard_normal(count + 400)
    noise = ndimage.gaussian_filter1d(noise, rng.uniform(0.3, 2.0) / STEP_MM, mode="wrap")
    return np.asarray(np.exp(spread * noise / noise.std() - 0.5 * spread**2))[:count]
