"""The same figures for parts of the data: by look, density, thickness, mass, width, and hard negative."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from bac_evaluation.dataset import Dataset
from bac_evaluation.figures import Estimate, estimate, of_stratum, of_vessel_stratum
from bac_evaluation.sample import CATEGORIES, Sample
from bacctl.exam.build import mass_category

__all__ = ["Stratum", "stratify"]

BoolArray = npt.NDArray[np.bool_]

_THICKNESS_MM = (40.0, 50.0, 60.0)
_WIDTH_MM = (1.0, 1.5, 2.0)
_VESSEL_MG = (1.0, 2.0, 5.0, 10.0)


@dataclass(frozen=True)
class Stratum:
    """A part of the data with its figures.

    Attributes
    ----------
    name : str
        What its members have in common.
    count, positives : int
        Its views, and those with BAC; for vessels their number, twice.
    figures : dict of str to Estimate
        Of `of_stratum` or `of_vessel_stratum`.
    """

    name: str
    count: int
    positives: int
    figures: dict[str, Estimate]


def stratify(dataset: Dataset, sample: Sample, draws: int, seed: int) -> dict[str, list[Stratum]]:
    """Compute the figures of every part of the data that can be told apart.

    Parameters
    ----------
    dataset : Dataset
        What is known about the images.
    sample : Sample
        What was measured on them.
    draws, seed : int
        Of the bootstrap.

    Returns
    -------
    dict of str to list of Stratum
        By what divides the data: "look", "density", "thickness", "mass" (of the woman), "hard negative"
        (views that hold at least one of a kind), "artery width" and "artery mass". What the data set does
        not tell is left out.
    """
    views = dataset.views
    women = [woman for woman in dataset.women for _ in woman.views]
    classes = [
        None if woman.mass_mg is None else mass_category(woman.mass_mg, woman.mass_mg > 0) for woman in women
    ]
    by_view: dict[str, list[tuple[str, BoolArray]]] = {
        "look": _alike([view.look for view in views]),
        "density": _alike([view.density for view in views]),
        "thickness": _binned(_column([view.thickness_mm for view in views]), _THICKNESS_MM, "mm"),
        "mass": [(f"{name} mg", kept) for name, kept in _alike(classes, CATEGORIES)],
        "hard negative": _holding([view.hard_negatives for view in views]),
    }
    by_vessel = {
        "artery width": _binned(sample.vessels["width_mm"], _WIDTH_MM, "mm"),
        "artery mass": _binned(sample.vessels["mass_mg"], _VESSEL_MG, "mg"),
    }
    strata = {
        what: [_of_views(sample, name, kept, draws, seed) for name, kept in parts]
        for what, parts in by_view.items()
    }
    strata |= {
        what: [_of_vessels(sample, name, kept, draws, seed) for name, kept in parts]
        for what, parts in by_vessel.items()
    }
    return {what: found for what, found in strata.items() if found}


def _of_views(sample: Sample, name: str, kept: BoolArray, draws: int, seed: int) -> Stratum:
    part = sample.of_views(kept)
    positives = int(part.views["is_true"].sum())
    return Stratum(name, int(kept.sum()), positives, estimate(part, of_stratum, draws, seed))


def _of_vessels(sample: Sample, name: str, kept: BoolArray, draws: int, seed: int) -> Stratum:
    count = int(kept.sum())
    return Stratum(name, count, count, estimate(sample.of_vessels(kept), of_vessel_stratum, draws, seed))


def _alike(names: Sequence[str | None], order: Sequence[str] = ()) -> list[tuple[str, BoolArray]]:
    present = {name for name in names if name is not None}
    ordered = [name for name in order if name in present] if order else sorted(present)
    return [(name, np.array([other == name for other in names])) for name in ordered]


def _binned(
    values: npt.NDArray[np.float64], edges: Sequence[float], unit: str
) -> list[tuple[str, BoolArray]]:
    bounds = (-np.inf, *edges, np.inf)
    parts = []
    for low, high in pairwise(bounds):
        if low == -np.inf:
            name = f"to {high:g} {unit}"
        else:
            name = f"over {low:g} {unit}" if high == np.inf else f"{low:g} to {high:g} {unit}"
        parts.append((name, (values > low) & (values <= high)))
    return [(name, kept) for name, kept in parts if kept.any()]


def _holding(kinds: Sequence[frozenset[str] | None]) -> list[tuple[str, BoolArray]]:
    stated = [kind for kind in kinds if kind is not None]
    if not any(stated):
        return []
    parts: list[tuple[str, Callable[[frozenset[str]], bool]]] = [("none", lambda held: not held)]
    parts += [(name, _holds(name)) for name in sorted(frozenset().union(*stated))]
    found = [(name, np.array([kind is not None and test(kind) for kind in kinds])) for name, test in parts]
    return [(name, kept) for name, kept in found if kept.any()]


def _holds(name: str) -> Callable[[frozenset[str]], bool]:
    return lambda held: name in held


def _column(values: Sequence[float | None]) -> npt.NDArray[np.float64]:
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)
