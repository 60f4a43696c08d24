"""What an operating point is known to cost: figures of the model card, for the weights that they are of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

WEIGHTS = "262d9db318febb89c5484848a258c8292d2b464978e5488969aae5b822f1c2f4"
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
    Cost("film-inserted", 0.0, 21, 23, 0.815),
    Cost("film-inserted", 0.5, 20, 23, 0.773),
    Cost("film-inserted", 0.7, 19, 23, 0.742),
    Cost("phantom", 0.0, 110, 114, 0.971),
    Cost("phantom", 0.5, 109, 114, 0.967),
    Cost("phantom", 0.7, 107, 114, 0.960),
    Cost("randfield", 0.0, 33, 38, 0.769),
    Cost("randfield", 0.5, 31, 38, 0.727),
    Cost("randfield", 0.7, 31, 38, 0.694),
    Cost("real film", 0.0, 2, 2, 0.684),
    Cost("real film", 0.5, 2, 2, 0.425),
    Cost("real film", 0.7, 2, 2, 0.322),
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
