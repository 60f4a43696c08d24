"""Control limits: whether one month, unit or release of software is like the others.

Each point is held against the baseline, or against all other points where none was named, so that what has
drifted does not widen its own limits. Limits are those of three standard deviations in their meaning: 0.135 %
beyond each, if nothing but chance is at work.

Shares
    The p-chart (Shewhart), with the limits of the beta-binomial law in place of the normal one: what n
    exams show when N others showed x, with Jeffreys' prior. Few exams in a point or in the baseline make wide
    limits.
Means
    The X-bar chart, with Student's t and the standard deviation of the baseline.

Months are also stretched by Laney's sigma z (Laney 2002), since with thousands of exams a month the usual
limits call ordinary months unusual. It is the mean moving range over 1.128; ranges beyond 3.27 times their
mean are left out (Nelson 1982), so that one odd month does not hide itself. It never narrows limits.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import fmean
from typing import Literal, TypeVar

import numpy as np

TAIL = 0.001349898
"""Beyond each limit, of a normal law beyond three standard deviations."""
RUN = 8
"""So many months in a row on one side of their centres are unusual, too (Western Electric, fourth rule)."""
MIN_REST = 30
"""Exams that the baseline takes."""
MIN_MEAN = 30
"""Exams that a mean takes before it is judged by a law that holds for many."""
_MIN_MONTHS = 8  # from which on their own spread says something
_MEAN_RANGE = 1.128  # mean distance of two values of a standard normal law
_LARGEST_RANGE = 3.267  # means of ranges: what lies beyond is no ordinary step
_SIGMAS = 3.0
_MOST_COUNTS = 50_000
_ROUNDING = 1e-9
_REACH = 12.0  # standard deviations beyond which a count does not fall

State = Literal["inside", "above", "below", "not judged"]
_G = TypeVar("_G", "Share", "Mean")


@dataclass(frozen=True)
class Share:
    """How many exams of a group show something.

    Attributes
    ----------
    name : str
        Such as "2024-03".
    count, hits : int
        Exams, and those that show it.
    """

    name: str
    count: int
    hits: int


@dataclass(frozen=True)
class Mean:
    """The values of the exams of a group.

    Attributes
    ----------
    name : str
        Such as "2024-03".
    count : int
        Exams that have a value.
    mean, variance : float
        Of them; a variance is that of the sample (n - 1), 0 of one value.
    """

    name: str
    count: int
    mean: float
    variance: float


@dataclass(frozen=True)
class Point:
    """One point of a chart.

    Attributes
    ----------
    name : str
        Its group.
    count : int
        Exams in it.
    value : float
        Share or mean.
    centre, low, high : float or None
        Of what it is held against, and the limits; None where there is too little to say.
    state : {"inside", "above", "below", "not judged"}
        Where the value is.
    """

    name: str
    count: int
    value: float
    centre: float | None = None
    low: float | None = None
    high: float | None = None
    state: State = "not judged"


@dataclass(frozen=True)
class Run:
    """Months in a row on one side of their centres.

    Attributes
    ----------
    first, last : str
        The months.
    months : int
        How many.
    above : bool
        On which side.
    """

    first: str
    last: str
    months: int
    above: bool


def share_points(groups: Sequence[Share], baseline: Collection[str] | None = None) -> list[Point]:
    """Hold shares against those of the baseline.

    Parameters
    ----------
    groups : sequence of Share
        Each of at least one exam.
    baseline : collection of str, optional
        Names of the groups that are the rule. Default: all but the one that is judged.

    Returns
    -------
    list of Point
        In the order of the groups.
    """
    points = []
    for group in groups:
        rest = _rest(groups, group, baseline)
        count, hits = sum(one.count for one in rest), sum(one.hits for one in rest)
        point = Point(group.name, group.count, group.hits / group.count)
        if count >= MIN_REST:
            low, high = _counts_expected(group.count, hits + 0.5, count - hits + 0.5)
            point = _judged(point, hits / count, low / group.count, high / group.count)
        points.append(point)
    return points


def mean_points(groups: Sequence[Mean], baseline: Collection[str] | None = None) -> list[Point]:
    """Hold means against those of the baseline.

    Parameters
    ----------
    groups : sequence of Mean
        Each of at least one exam.
    baseline : collection of str, optional
        As for `share_points`.

    Returns
    -------
    list of Point
        Those of fewer than `MIN_MEAN` exams are not judged.
    """
    from scipy.stats import t

    points = []
    for group in groups:
        point = Point(group.name, group.count, group.mean)
        count, mean, variance = _pooled(_rest(groups, group, baseline))
        if group.count >= MIN_MEAN and count >= MIN_REST:
            width = math.sqrt(variance * (1.0 / group.count + 1.0 / count))
            # Where all values are one their means still differ, by rounding.
            reach = float(t.ppf(1.0 - TAIL, count - 1)) * width + _ROUNDING * max(1.0, abs(mean))
            point = _judged(point, mean, mean - reach, mean + reach)
        points.append(point)
    return points


def stretched(points: Sequence[Point], bounds: tuple[float, float] = (-math.inf, math.inf)) -> list[Point]:
    """Widen the limits of months by what months differ anyway.

    Parameters
    ----------
    points : sequence of Point
        In the order of time.
    bounds : tuple of float, optional
        What a value cannot go beyond.

    Returns
    -------
    list of Point
        As they are where fewer than eight are judged.
    """
    distances = [distance for point in points if (distance := _sigmas(point)) is not None]
    if len(distances) < _MIN_MONTHS:
        return list(points)
    ranges = [abs(later - earlier) for earlier, later in pairwise(distances)]
    largest = _LARGEST_RANGE * fmean(ranges)
    factor = fmean(step for step in ranges if step <= largest) / _MEAN_RANGE
    return [_widened(point, factor, bounds) if factor > 1.0 else point for point in points]


def runs(points: Sequence[Point]) -> list[Run]:
    """Find months in a row on one side of their centres.

    Parameters
    ----------
    points : sequence of Point
        In the order of time. One that is not judged, or on its centre, ends a run.

    Returns
    -------
    list of Run
        Those of at least `RUN` months, as long as they are.
    """
    found = []
    row: list[Point] = []
    side = 0
    for point in [*points, Point("", 0, 0.0)]:
        here = 0
        if point.centre is not None and not math.isclose(point.value, point.centre, rel_tol=_ROUNDING):
            here = 1 if point.value > point.centre else -1
        if here != side:
            if side and len(row) >= RUN:
                found.append(Run(row[0].name, row[-1].name, len(row), side > 0))
            row, side = [], here
        row.append(point)
    return found


def _rest(groups: Sequence[_G], group: _G, baseline: Collection[str] | None) -> list[_G]:
    return [other for other in groups if other is not group and (baseline is None or other.name in baseline)]


def _judged(point: Point, centre: float, low: float, high: float) -> Point:
    state: State = "above" if point.value > high else "below" if point.value < low else "inside"
    return replace(point, centre=centre, low=low, high=high, state=state)


def _counts_expected(count: int, a: float, b: float) -> tuple[int, int]:
    """Return the least and the largest count of a beta-binomial law that are no surprise."""
    from scipy.stats import beta, betabinom

    mean = count * a / (a + b)
    spread = math.sqrt(mean * (b / (a + b)) * (a + b + count) / (a + b + 1.0))
    first, last = max(0, math.floor(mean - _REACH * spread)), min(count, math.ceil(mean + _REACH * spread))
    tails = (TAIL, 1.0 - TAIL)
    if last - first > _MOST_COUNTS:
        # Many more than the baseline has: what is uncertain is the baseline's share, and no more.
        low, high = (count * end for end in beta.ppf(tails, a, b))
        return math.floor(low), math.ceil(high)
    # Its own search sums up every count from 0 on, which takes seconds where there are millions.
    counts = np.arange(first, last + 1)
    below = np.cumsum(betabinom.pmf(counts, count, a, b))
    low, high = np.searchsorted(below / below[-1], tails)
    return int(counts[low]), int(counts[high])


def _pooled(groups: Sequence[Mean]) -> tuple[int, float, float]:
    """Return count, mean and variance of the values of all groups together."""
    count = sum(group.count for group in groups)
    if count < 2:
        return count, 0.0, 0.0
    mean = sum(group.count * group.mean for group in groups) / count
    squares = sum(
        (group.count - 1) * group.variance + group.count * (group.mean - mean) ** 2 for group in groups
    )
    return count, mean, squares / (count - 1)


def _sigmas(point: Point) -> float | None:
    """Return how many standard deviations a value is from its centre; None where that is not known."""
    if point.centre is None or point.low is None or point.high is None:
        return None
    away = point.value - point.centre
    width = point.high - point.centre if away > 0.0 else point.centre - point.low
    return _SIGMAS * away / width if width > 0.0 else 0.0


def _widened(point: Point, factor: float, bounds: tuple[float, float]) -> Point:
    if point.centre is None or point.low is None or point.high is None:
        return point
    low = max(bounds[0], point.centre - factor * (point.centre - point.low))
    high = min(bounds[1], point.centre + factor * (point.high - point.centre))
    return _judged(point, point.centre, low, high)
