"""What an operating point is known to cost: figures of the model card, for the weights that they are of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

WEIGHTS = "901b7253081848e571f2737d6c8817c721ae7d3e136a3a85a15b98cc7f47adfc"
"""The weights that these figures are of; those of others are not known."""


@dataclass(frozen=True)
class Cost:
    """What a point keeps of the views with BAC of a source.

    Attributes
    ----------
    source : str
        Kind of images.
    min_probability : float
        The point.
    found, positives : int
        Views with BAC on which anything is reported, and all of them.
    line_recall : float
        Part of the centre lines of their arteries that is covered.
    """

    source: str
    min_probability: float
    found: int
    positives: int
    line_recall: float


# docs/model-card.md has the whole table, and a test holds these against it.
COSTS = (
    Cost("film-inserted", 0.0, 21, 23, 0.849),
    Cost("film-inserted", 0.5, 21, 23, 0.819),
    Cost("film-inserted", 0.7, 19, 23, 0.786),
    Cost("phantom", 0.0, 57, 58, 0.983),
    Cost("phantom", 0.5, 57, 58, 0.983),
    Cost("phantom", 0.7, 56, 58, 0.980),
    Cost("randfield", 0.0, 32, 38, 0.799),
    Cost("randfield", 0.5, 32, 38, 0.784),
    Cost("randfield", 0.7, 32, 38, 0.771),
    Cost("real film", 0.0, 2, 2, 0.808),
    Cost("real film", 0.5, 2, 2, 0.667),
    Cost("real film", 0.7, 2, 2, 0.667),
)


def costs(weights: str | None, point: float) -> Sequence[Cost]:
    """Return what is known around a point.

    Parameters
    ----------
    weights : str or None
        SHA-256 of the weights that measured.
    point : float
        The point.

    Returns
    -------
    sequence of Cost
        At 0, and at the measured points on both sides of it; empty for other weights.
    """
    if weights != WEIGHTS:
        return ()
    measured = sorted({cost.min_probability for cost in COSTS})
    below = max(each for each in measured if each <= point)
    above = min((each for each in measured if each >= point), default=measured[-1])
    return [cost for cost in COSTS if cost.min_probability in (0.0, below, above)]
