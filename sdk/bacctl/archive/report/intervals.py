"""Intervals of shares, and what few women can show."""

from __future__ import annotations

import math
from collections.abc import Sequence

CONFIDENCE = 0.95


def wilson(hits: int, count: int) -> tuple[float, float]:
    """Return Wilson's 95 % interval of a share (Wilson 1927; Newcombe 1998, method 3).

    Parameters
    ----------
    hits, count : int
        How many of how many; at least one.

    Returns
    -------
    tuple of float
        (low, high), from 0 to 1.
    """
    from scipy.stats import binomtest

    found = binomtest(hits, count).proportion_ci(CONFIDENCE, method="wilson")
    return float(found.low), float(found.high)


def women_needed(share: float) -> int:
    """Tell how many women it takes to show that no more than a share is flagged, if none of them is.

    The larger of two: the rule of three (none of n: at most 3/n, Hanley and Lippman-Hand 1983), and the
    number from which on the upper end of Wilson's interval of 0 of n is no more than the share.

    Parameters
    ----------
    share : float
        Above 0 and below 1.

    Returns
    -------
    int
    """
    three = math.ceil(3.0 / share)
    return next(count for count in range(three, 4 * three) if wilson(0, count)[1] <= share)


def holm(values: Sequence[float]) -> list[float]:
    """Adjust p-values for their number (Holm 1979), in the order in which they are given."""
    ordered = sorted(range(len(values)), key=values.__getitem__)
    adjusted = [0.0] * len(values)
    largest = 0.0
    for rank, place in enumerate(ordered):
        largest = max(largest, min(1.0, values[place] * (len(values) - rank)))
        adjusted[place] = largest
    return adjusted
