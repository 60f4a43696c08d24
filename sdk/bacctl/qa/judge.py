"""What is judged of a quality assurance run, and how far it may be off; ``docs/qa.md`` says why."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bacctl.qa.run import Row

SMALL_MG = 20.0
"""Masses up to this are judged by differences in mg, larger ones by ratios: their errors grow with them."""
RATIO_FROM_MG = 8.0
"""Masses from this on show a change of the scale; in smaller ones the background is the larger error."""


@dataclass(frozen=True)
class Tolerance:
    """How far a figure may be off."""

    name: str  # key of the figure in `figures`
    text: str  # what it is, with its unit
    # smallest and largest value that pass
    low: float
    high: float


TOLERANCES = (
    Tolerance("measured", "phantoms that got a calibrated mass, share", 1.0, 1.0),
    Tolerance("detected", "phantoms with calcium that were found, share", 1.0, 1.0),
    Tolerance("false", "phantoms without calcium in which BAC was found, share", 0.0, 0.0),
    Tolerance("bias_mg", f"mean difference up to {SMALL_MG:g} mg, mg", -0.5, 0.5),
    Tolerance("sd_mg", f"standard deviation of the difference up to {SMALL_MG:g} mg, mg", 0.0, 0.9),
    Tolerance("ratio", f"mean ratio from {RATIO_FROM_MG:g} mg on", 0.95, 1.05),
    Tolerance("worst_beam", f"mean ratio from {RATIO_FROM_MG:g} mg on, beam furthest from 1", 0.90, 1.10),
    Tolerance("slope", "slope of measured on true mass", 0.95, 1.05),
    Tolerance("r", "correlation of measured and true mass", 0.99, 1.0),
    Tolerance("within", "95 % intervals that hold the truth, share", 0.90, 1.0),
)


@dataclass(frozen=True)
class Verdict:
    """A figure held against its tolerance."""

    tolerance: Tolerance  # what is asked for
    # what was found; None where there was nothing to compute it from, which does not pass
    value: float | None

    @property
    def passed(self) -> bool:
        """Whether the value lies within the tolerance, its ends included."""
        return self.value is not None and self.tolerance.low <= self.value <= self.tolerance.high

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object."""
        wanted = self.tolerance
        return {
            "name": wanted.name,
            "text": wanted.text,
            "value": self.value,
            "low": wanted.low,
            "high": wanted.high,
            "passed": self.passed,
        }


def figures(rows: Sequence[Row]) -> dict[str, float | None]:
    """Compute what is judged.

    Parameters
    ----------
    rows : sequence of Row
        All phantoms.

    Returns
    -------
    dict
        One value for each name in `TOLERANCES`; None where there are too few masses. A phantom without a mass
        counts as not measured, and nowhere else.
    """
    positive = [row for row in rows if row.spec.calcium_mass_mg > 0]
    pairs = [(r, r.spec.calcium_mass_mg, r.measured_mg) for r in positive]
    known = [(row, true, found) for row, true, found in pairs if found is not None]
    small = [found - true for _, true, found in known if true <= SMALL_MG]
    large = [(row, found / true) for row, true, found in known if true >= RATIO_FROM_MG]
    slope, r = _line([true for _, true, _ in known], [found for _, _, found in known])
    blank = [row for row in rows if row.spec.calcium_mass_mg == 0]
    return {
        "measured": _mean([row.measured_mg is not None for row in rows]),
        "detected": _mean([bool(row.result.bac_detected) for row in positive]),
        "false": _mean([bool(row.result.bac_detected or row.measured_mg) for row in blank]),
        "bias_mg": _mean(small),
        "sd_mg": statistics.stdev(small) if len(small) > 1 else None,
        "ratio": _mean([ratio for _, ratio in large]),
        "worst_beam": _worst_beam(large),
        "slope": slope,
        "r": r,
        "within": _mean([bool(row.within) for row, _, _ in known]),
    }


def judge(rows: Sequence[Row]) -> tuple[Verdict, ...]:
    """Hold the figures of a run against the tolerances, in the order of `TOLERANCES`."""
    found = figures(rows)
    return tuple(Verdict(tolerance, found[tolerance.name]) for tolerance in TOLERANCES)


def _mean(values: Sequence[float]) -> float | None:
    return statistics.fmean(values) if values else None


def _worst_beam(ratios: Sequence[tuple[Row, float]]) -> float | None:
    """Give the mean ratio of the anode and filter whose mean ratio is furthest from 1."""
    beams: dict[tuple[str, str], list[float]] = {}
    for row, ratio in ratios:
        beams.setdefault((row.spec.beam.anode, row.spec.beam.filter_material), []).append(ratio)
    means = [statistics.fmean(values) for values in beams.values()]
    return max(means, key=lambda mean: abs(mean - 1.0), default=None)


def _line(x: Sequence[float], y: Sequence[float]) -> tuple[float | None, float | None]:
    """Fit a straight line by least squares: its slope, and the correlation."""
    if len(set(x)) < 2:
        return None, None
    mean_x, mean_y = statistics.fmean(x), statistics.fmean(y)
    sxx = math.fsum((a - mean_x) ** 2 for a in x)
    syy = math.fsum((b - mean_y) ** 2 for b in y)
    sxy = math.fsum((a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True))
    return sxy / sxx, sxy / math.sqrt(sxx * syy) if syy > 0 else None
