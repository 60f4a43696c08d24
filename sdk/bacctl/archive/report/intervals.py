"""Intervals of shares, and what few women can show."""

from __future__ import annotations

import math
from collections.abc import Sequence

CONFIDENCE = 0.95
NORMAL_95 = 1.959964  # a 95 % interval of a normal law ends this many standard deviations from its centre


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


def women_needed(share: float, expected: float = 0.0) -> int:
    """Tell how many women it takes to show that no more than a share is flagged.

    The larger of two: the rule of three (none of n: at most 3/n, Hanley and Lippman-Hand 1983), and the
    number from which on the upper end of Wilson's interval is no more than the share.

    Parameters
    ----------
    share : float
        Above 0 and below 1.
    expected : float, optional
        What is found among them, below `share`.

    Returns
    -------
    int
    """
    wide = (NORMAL_95 / (share - expected)) ** 2 * share * (1.0 - share)
    # Rounded first: 3 / 0.03 is no more than 100.
    return max(math.ceil(round(3.0 / share, 6)), math.ceil(round(wide, 6)))


def holm(values: Sequence[float]) -> list[float]:
    """Adjust p-values for their number (Holm 1979), in the order in which they are given."""
    ordered = sorted(range(len(values)), key=values.__getitem__)
    adjusted = [0.0] * len(values)
    largest = 0.0
    for rank, place in enumerate(ordered):
        largest = max(largest, min(1.0, values[place] * (len(values) - rank)))
        adjusted[place] = largest
    return adjusted
