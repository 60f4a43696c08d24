"""Mass from area: the fit, its spread, and how it does on what it was not fitted on."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bac_evaluation.area.rows import Case

__all__ = ["COVERAGE", "MODELS", "Held", "Model", "Spread", "conformal", "held", "spread"]

FloatArray = npt.NDArray[np.float64]
Model = Callable[[Case], Sequence[float]]

COVERAGE = 0.95
_TINY = 1e-9
MODELS: dict[str, Model] = {
    "area": lambda case: (),
    "a power of area": lambda case: (math.log(case.area_mm2),),
    "area, width": lambda case: (math.log(case.area_mm2 / case.length_mm),),
    "area, contrast": lambda case: (case.contrast or 0.0,),
    "area, width, contrast": lambda case: (
        math.log(case.area_mm2 / case.length_mm),
        case.contrast or 0.0,
    ),
}
"""What the logarithm of mass over area is fitted on, each with a constant. Length is area over width."""


@dataclass(frozen=True)
class Spread:
    """A fit and how far it is off.

    Attributes
    ----------
    coefficients : ndarray of float64
        Of the natural logarithm of mass over area, in mg/mm2; constant first.
    low, high : float
        Ends of the interval of true over fitted mass, in natural logarithms.
    """

    coefficients: FloatArray
    low: float
    high: float

    def residuals(self, cases: Sequence[Case], model: Model) -> FloatArray:
        """Return the logarithm of true over fitted mass."""
        return _residuals(self.coefficients, cases, model)


@dataclass(frozen=True)
class Held:
    """How intervals do on cases that had no part in them.

    Attributes
    ----------
    cases, held : int
        How many, and how many of them lie in the interval.
    low, high : float
        Ends of the interval as factors of the central mass; the widest where there were several.
    spread : float
        Standard deviation of the logarithm of true over central mass.
    median : float
        Median of true over central mass.
    """

    cases: int
    held: int
    low: float
    high: float
    spread: float
    median: float


def conformal(values: FloatArray, tail: float) -> tuple[float, float]:
    """Return the ends outside of which a new value falls with at most this probability on either side.

    Of n values, sorted, those with the numbers floor((n + 1) tail) and ceil((n + 1) (1 - tail)), the
    outermost where there are too few.

    Parameters
    ----------
    values : ndarray of float64
        At least one.
    tail : float
        Probability.
    """
    ordered = np.sort(values)
    count = len(ordered)
    below = max(math.floor((count + 1) * tail + 1e-9), 1)
    above = min(math.ceil((count + 1) * (1.0 - tail) - 1e-9), count)
    return float(ordered[below - 1]), float(ordered[above - 1])


def spread(cases: Sequence[Case], model: Model) -> Spread:
    """Fit, and find how far that is off on groups that were left out of it.

    Each style, and where there are several each generator, is left out in turn and judged by the fit of the
    others. The ends of the interval are the widest of what each generator's cases ask for, by either way of
    leaving out. The fit is moved so that its median is right.

    Parameters
    ----------
    cases : sequence of Case
        Of one level, with an area above 0.
    model : callable
        One of `MODELS`.
    """
    ends = []
    generators = sorted({case.generator for case in cases})
    for key in (_style, _generator):
        if len({key(case) for case in cases}) < 2:
            continue
        off = _left_out(cases, model, key)
        for generator in generators:
            mine = np.array([case.generator == generator for case in cases])
            ends.append(conformal(off[mine], (1.0 - COVERAGE) / 2.0))
    whole = _fit(cases, model)
    centre = float(np.median(_residuals(whole, cases, model)))
    whole[0] += centre
    return Spread(whole, min(low for low, _ in ends) - centre, max(high for _, high in ends) - centre)


def held(cases: Sequence[Case], model: Model, key: Callable[[Case], str]) -> dict[str, Held]:
    """Leave out each group in turn, fit and calibrate on the others alone, and judge it.

    Parameters
    ----------
    cases : sequence of Case
        Of one level, with an area above 0.
    model : callable
        One of `MODELS`.
    key : callable
        Names the group of a case.

    Returns
    -------
    dict of str to Held
        By group.
    """
    found = {}
    for name in sorted({key(case) for case in cases}):
        mine = [case for case in cases if key(case) == name]
        others = spread([case for case in cases if key(case) != name], model)
        off = others.residuals(mine, model)
        found[name] = Held(
            len(mine),
            int(((off > others.low - _TINY) & (off < others.high + _TINY)).sum()),
            math.exp(others.low),
            math.exp(others.high),
            float(off.std()),
            math.exp(float(np.median(off))),
        )
    return found


def _style(case: Case) -> str:
    return f"{case.generator} {case.style}"


def _generator(case: Case) -> str:
    return case.generator


def _left_out(cases: Sequence[Case], model: Model, key: Callable[[Case], str]) -> FloatArray:
    groups = [key(case) for case in cases]
    off = np.zeros(len(cases))
    for name in set(groups):
        others = _fit([case for case, group in zip(cases, groups, strict=True) if group != name], model)
        mine = np.array([group == name for group in groups])
        off[mine] = _residuals(others, [case for case, m in zip(cases, mine, strict=True) if m], model)
    return off


def _fit(cases: Sequence[Case], model: Model) -> FloatArray:
    design = np.array([[1.0, *model(case)] for case in cases])
    return np.asarray(np.linalg.lstsq(design, _per_area(cases), rcond=None)[0])


def _residuals(coefficients: FloatArray, cases: Sequence[Case], model: Model) -> FloatArray:
    design = np.array([[1.0, *model(case)] for case in cases])
    return _per_area(cases) - design @ coefficients


def _per_area(cases: Sequence[Case]) -> FloatArray:
    return np.log([case.true_mg / case.area_mm2 for case in cases])
