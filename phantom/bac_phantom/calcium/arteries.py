"""Which calcified arteries a breast holds: their number, size, branching and share of the calcium."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Artery:
    """One calcified artery of a breast, the same in both of its views. Lengths in mm of the body."""

    seed: int
    mass_mg: float
    calcified_mm: float
    lead_mm: float  # uncalcified stretch before the calcified one
    tail_mm: float  # and after it
    outer_radius_mm: float
    taper: float  # radius at the far end over radius at the near end
    coverage: float  # share of the wall that is calcified
    grain_mm: float  # size of the plaques along the artery
    banding: float  # 0 patches, 1 rings around the lumen
    one_sided: float  # 0 both walls alike, 1 all calcium on one side of the lumen
    gaps: float  # share of the calcified length left free
    tortuosity: float
    beading: float  # SD of the outer radius along the artery, relative
    parent: int | None = None  # index of the artery that it branches off from
    branch_at: float = 0.0  # place along the parent, 0 to 1


def plan_arteries(
    rng: np.random.Generator, mass_mg: float, width_range_mm: tuple[float, float] = (0.8, 3.0)
) -> list[Artery]:
    """Split a breast's calcium over arteries whose areal densities and widths are plausible.

    Parameters
    ----------
    rng
        Source of chance.
    mass_mg
        Calcium of the breast, mg.
    width_range_mm
        Range of the outer width, drawn log-uniformly.

    Returns
    -------
    list of Artery
        A parent stands before its branches. The masses sum to ``mass_mg``.
    """
    # Mean calcium over the artery's own area, mg/mm2: 5 to 24 mg/cm2. A plain vessel of 2 mm in fat is as
    # bright as 4 mg/cm2: with less than that an artery could not be told from one.
    density = float(np.exp(rng.uniform(np.log(0.05), np.log(0.24))))
    narrow, wide = np.log(width_range_mm)
    wanted_mm2 = mass_mg / density
    drawn: list[tuple[float, Artery]] = []
    area = 0.0
    while area < wanted_mm2 and len(drawn) < 12:
        parent = int(rng.integers(len(drawn))) if drawn and rng.random() < 0.4 else None
        width = float(np.exp(rng.uniform(narrow, wide)))
        if parent is not None:
            stem = 2 * drawn[parent][1].outer_radius_mm
            width = max(width_range_mm[0], stem * float(rng.uniform(0.5, 0.85)))
        gaps = float(rng.choice([0.0, rng.uniform(0.05, 0.5)]))
        length = float(rng.uniform(18, 115)) * (1.0 if parent is None else 0.5)
        left_mm2 = (wanted_mm2 - area) / (1 - gaps)
        if length * width > left_mm2:
            # The last piece is shorter, and a short one narrow too: calcified stumps are not seen.
            width = float(np.clip(np.sqrt(left_mm2 / 8), width_range_mm[0], width))
            length = max(left_mm2 / width, 5.0)
        artery = Artery(
            seed=int(rng.integers(2**31)),
            mass_mg=0.0,
            calcified_mm=length,
            lead_mm=0.0 if parent is not None and rng.random() < 0.6 else float(rng.exponential(12.0)),
            tail_mm=float(rng.exponential(15.0)),
            outer_radius_mm=width / 2,
            taper=float(rng.uniform(0.45, 1.0)),
            coverage=float(rng.uniform(0.3, 0.95)),
            grain_mm=float(np.exp(rng.uniform(np.log(0.25), np.log(1.6)))),
            banding=float(rng.choice([0.0, rng.uniform(0.3, 1.0)], p=[0.75, 0.25])),
            one_sided=float(rng.choice([0.0, rng.uniform(0.3, 1.0)], p=[0.7, 0.3])),
            gaps=gaps,
            tortuosity=float(rng.beta(1.6, 2.2)),
            beading=float(rng.uniform(0.0, 0.15)),
            parent=parent,
            branch_at=float(rng.uniform(0.1, 0.9)),
        )
        part = width * length * (1 - gaps)
        drawn.append((part, artery))
        area += part
    strength = np.array([part * rng.lognormal(0, 0.35) for part, _ in drawn])
    masses = mass_mg * strength / strength.sum()
    return [
        dataclasses.replace(artery, mass_mg=float(mass))
        for mass, (_, artery) in zip(masses, drawn, strict=True)
    ]
