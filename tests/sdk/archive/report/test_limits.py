"""Intervals and control limits against published examples, other libraries and what chance does."""

from __future__ import annotations

import math
import statistics

import numpy as np
import pytest
from scipy import stats

from bacctl.archive.report.intervals import holm, wilson, women_needed
from bacctl.archive.report.limits import (
    TAIL,
    Mean,
    Point,
    Run,
    Share,
    mean_points,
    runs,
    share_points,
    stretched,
)

MONTHS = [f"{year}-{month:02d}" for year in (2022, 2023) for month in range(1, 13)]


@pytest.mark.parametrize(
    ("hits", "count", "low", "high"),
    [
        # Newcombe, Statistics in Medicine 1998; 17: 857-872, table I, method 3.
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_as_published(hits: int, count: int, low: float, high: float) -> None:
    assert wilson(hits, count) == pytest.approx((low, high), abs=5e-5)


def test_how_many_women_a_specificity_takes() -> None:
    # z^2 0.97 / 0.03 = 124.2 with z^2 = 3.8415; the rule of three alone asks for 100.
    assert women_needed(0.03) == 125
    assert wilson(0, 124)[1] > 0.03 >= wilson(0, 125)[1]
    # z^2 0.03 0.97 / 0.015^2 = 496.8
    assert women_needed(0.03, 0.015) == 497
    # Of large shares the rule of three asks for more: z^2 0.4 / 0.6 = 2.6.
    assert women_needed(0.6) == 5


def test_holm_by_hand() -> None:
    # 0.005 x 4, 0.01 x 3, 0.03 x 2, and 0.04 x 1, which must not be less than the one before.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]


def test_share_against_very_many_is_the_binomial_limit() -> None:
    groups = [Share("here", 250, 25), Share("rest", 10_000_000, 1_000_000)]
    point = share_points(groups)[0]
    low, high = stats.binom.ppf([TAIL, 1.0 - TAIL], 250, 0.1)
    assert point.low is not None
    assert point.high is not None
    assert (250 * point.low, 250 * point.high) == pytest.approx((low, high))
    assert point.state == "inside"
    above = share_points([Share("here", 250, int(high) + 1), groups[1]])[0]
    below = share_points([Share("here", 250, int(low) - 1), groups[1]])[0]
    assert (above.state, below.state) == ("above", "below")


def test_very_many_against_few_are_limited_by_the_few() -> None:
    point = share_points([Share("large", 1_000_000, 100_000), Share("small", 100, 10)])[0]
    assert point.low is not None
    assert point.high is not None
    # Jeffreys' 99.73 % interval of 10 of 100, by simulation.
    drawn = np.random.default_rng(3).beta(10.5, 90.5, 2_000_000)
    assert (point.low, point.high) == pytest.approx(np.quantile(drawn, [TAIL, 1.0 - TAIL]), rel=0.01)


def test_share_against_few_by_the_law_itself() -> None:
    """Sum up the beta-binomial law with gamma functions: 40 exams, when 6 of 60 others showed it."""
    n, a, b = 40, 6.5, 54.5

    def log_beta(x: float, y: float) -> float:
        return math.lgamma(x) + math.lgamma(y) - math.lgamma(x + y)

    law = [math.comb(n, k) * math.exp(log_beta(k + a, n - k + b) - log_beta(a, b)) for k in range(n + 1)]
    assert sum(law) == pytest.approx(1.0)
    high = next(k for k in range(n + 1) if sum(law[: k + 1]) >= 1.0 - TAIL)
    point = share_points([Share("here", 40, 4), Share("rest", 60, 6)])[0]
    assert point.high == high / n
    assert point.low == 0.0
    # The binomial law, for which 10 % is known, has narrower limits.
    assert high > stats.binom.ppf(1.0 - TAIL, n, 0.1)


def test_a_baseline_that_is_too_small_judges_nothing() -> None:
    points = share_points([Share("a", 500, 50), Share("b", 29, 3)])
    assert [point.state for point in points] == ["not judged", "inside"]
    assert points[0].centre is None


def test_the_baseline_is_what_was_said() -> None:
    groups = [Share("2022-01", 500, 50), Share("2022-02", 500, 50), Share("2023-01", 500, 250)]
    alone = share_points(groups, {"2022-01", "2022-02"})
    assert [point.centre for point in alone] == [0.1, 0.1, 0.1]
    assert [point.state for point in alone] == ["inside", "inside", "above"]
    # Held against all others, the month that drifted makes the others look low.
    assert [point.state for point in share_points(groups)] == ["below", "below", "above"]


def test_means_by_student() -> None:
    random = np.random.default_rng(7)
    values = {
        "a": random.normal(2.0, 0.5, 40),
        "b": random.normal(2.0, 0.5, 60),
        "c": random.normal(9.0, 0.5, 50),
    }
    groups = [
        Mean(name, len(v), float(v.mean()), statistics.variance(v.tolist())) for name, v in values.items()
    ]
    point = mean_points(groups, {"a", "b"})[2]
    rest = [*values["a"].tolist(), *values["b"].tolist()]
    # t of 99 degrees of freedom at 0.99865: 3.0770 by R's qt(pnorm(3), 99)
    reach = 3.0770 * statistics.stdev(rest) * math.sqrt(1 / 50 + 1 / 100)
    assert point.centre == pytest.approx(statistics.fmean(rest))
    assert point.high == pytest.approx(statistics.fmean(rest) + reach, rel=1e-4)
    assert point.state == "above"
    few = mean_points([Mean("few", 29, 50.0, 1.0), *groups])[0]
    assert few.state == "not judged"


def test_rounding_is_no_drift() -> None:
    # All values are one, 0.3; means of them differ in the last digit.
    groups = [Mean(name, 40, 0.1 + 0.2 if n % 2 else 0.3, 0.0) for n, name in enumerate(MONTHS[:4])]
    points = mean_points(groups)
    assert [point.state for point in points] == ["inside"] * 4
    assert mean_points([Mean("other", 40, 0.31, 0.0), *groups], set(MONTHS))[0].state == "above"
    low = [Point(name, 40, 0.3, 0.1 + 0.2, 0.2, 0.4, "inside") for name in MONTHS[:9]]
    assert runs(low) == []


def test_months_that_differ_anyway_have_wider_limits() -> None:
    def month(number: int, value: float) -> Point:
        return Point(
            MONTHS[number], 1000, value, 0.5, 0.47, 0.53, "inside" if 0.47 <= value <= 0.53 else "above"
        )

    # Three standard deviations are 0.03, so that 0.04 is a step of four. The last is one of 38, more than
    # 3.267 times the mean of (8 * 4 + 38) / 9, and left out: 4 / 1.128 = 3.546.
    points = [month(n, 0.48 if n % 2 else 0.52) for n in range(9)] + [month(9, 0.9)]
    wide = stretched(points)
    assert wide[0].high == pytest.approx(0.5 + 3.546 * 0.03, abs=1e-4)
    assert [point.state for point in wide] == ["inside"] * 9 + ["above"]
    # A last step of 14 counts: (8 * 4 + 14) / 9 / 1.128 = 4.531.
    assert stretched([*points[:9], month(9, 0.66)])[0].high == pytest.approx(0.5 + 4.531 * 0.03, abs=1e-4)
    # Few months say nothing of that, and quiet ones narrow nothing.
    assert stretched(points[:7]) == points[:7]
    quiet = [month(n, 0.5) for n in range(9)]
    assert stretched(quiet) == quiet


def test_runs_of_eight() -> None:
    def row(values: str) -> list[Point]:
        places = {"+": 0.6, "-": 0.4, "0": 0.5}
        return [Point(MONTHS[n], 9, places[v], 0.5, 0.0, 1.0, "inside") for n, v in enumerate(values)]

    assert runs(row("+++++++-")) == []
    assert runs(row("-++++++++0+")) == [Run("2022-02", "2022-09", 8, True)]
    assert runs(row("+++++0+++-----------")) == [Run("2022-10", "2023-08", 11, False)]
    unjudged = Point("2022-05", 9, 0.6)
    assert runs([*row("++++"), unjudged, *row("++++")]) == []


@pytest.mark.parametrize("share", [0.02, 0.12])
def test_chance_alone_is_outside_no_more_often_than_stated(share: float) -> None:
    random = np.random.default_rng(11)
    judged = outside = 0
    for _ in range(30):
        sizes = random.integers(20, 600, len(MONTHS))
        groups = [
            Share(name, int(size), int(random.binomial(size, share)))
            for name, size in zip(MONTHS, sizes, strict=True)
        ]
        points = share_points(groups)
        judged += len(points)
        outside += sum(point.state in ("above", "below") for point in points)
    # 720 points, at most 0.27 % each: 1.9 expected, more than 7 once in a thousand times.
    assert judged == 720
    assert outside <= stats.binom.ppf(0.999, judged, 2 * TAIL)


def test_skewed_values_are_outside_no_more_often_than_stated() -> None:
    random = np.random.default_rng(12)
    outside = judged = 0
    for _ in range(20):
        groups = []
        for name in MONTHS:
            # Log-odds of a twelfth of women with BAC and many without, as the probability chart has them.
            count = int(random.integers(60, 300))
            values = np.where(random.random(count) < 0.12, 2.2, -3.9) + 0.3 * random.standard_normal(count)
            groups.append(Mean(name, count, float(values.mean()), float(values.var(ddof=1))))
        points = mean_points(groups)
        judged += len(points)
        outside += sum(point.state in ("above", "below") for point in points)
    assert judged == 480
    assert outside <= stats.binom.ppf(0.999, judged, 2 * TAIL)


def test_a_month_that_drifted_is_found() -> None:
    random = np.random.default_rng(13)
    missed = 0
    for _ in range(20):
        groups = [
            Share(name, 400, int(random.binomial(400, 0.26 if name == "2023-05" else 0.12)))
            for name in MONTHS
        ]
        points = stretched(share_points(groups), (0.0, 1.0))
        missed += next(point.state for point in points if point.name == "2023-05") != "above"
    # The limit is about 0.12 + 3.4 * 0.0162, and 1.3 times as far where months happen to differ: 0.19. The
    # share that is seen is 0.26 +- 0.022.
    assert missed == 0
