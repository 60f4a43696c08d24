from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from bac_training.network.metrics import Detection, Overlap, agreement, auc, smallest_found, weighted_kappa


def test_dice_by_hand() -> None:
    found = np.array([[True, True, False], [False, False, False]])
    true = np.array([[True, False, False], [True, False, False]])
    overlap = Overlap.of(found, true)
    assert overlap == Overlap(2, 2, 1)
    assert overlap.dice == 0.5
    assert Overlap(0, 0, 0).dice == 1
    assert Overlap(0, 3, 0).dice == 0


def test_detection_by_hand() -> None:
    pairs = [(True, True)] * 6 + [(False, True)] * 2 + [(True, False)] + [(False, False)] * 3
    found, true = np.array(pairs).T
    detection = Detection.of(found, true)
    assert detection == Detection(true_positive=6, false_positive=1, true_negative=3, false_negative=2)
    assert detection.sensitivity == pytest.approx(6 / 8)
    assert detection.specificity == pytest.approx(3 / 4)
    assert detection.f1 == pytest.approx(12 / 15)
    nothing = Detection.of(np.array([False]), np.array([False]))
    assert (math.isnan(nothing.sensitivity), nothing.specificity, math.isnan(nothing.f1)) == (True, 1.0, True)


def test_auc_against_scipys_rank_test() -> None:
    """The area under the curve is U over the number of pairs (Hanley and McNeil 1982)."""
    rng = np.random.default_rng(3)
    true = rng.random(200) < 0.4
    score = np.round(true + rng.normal(size=200), 1)  # with ties
    u = stats.mannwhitneyu(score[true], score[~true]).statistic
    assert auc(score, true) == pytest.approx(u / (true.sum() * (~true).sum()))
    assert auc(np.array([0.1, 0.4, 0.35, 0.8]), np.array([False, False, True, True])) == 0.75
    assert math.isnan(auc(np.array([1.0, 2.0]), np.array([True, True])))


def test_bland_and_altmans_limits_by_hand() -> None:
    # Differences 1, 3, 2: mean 2, standard deviation 1.
    found = agreement(np.array([11.0, 23.0, 32.0]), np.array([10.0, 20.0, 30.0]))
    assert found.count == 3
    assert found.mean_difference_mg == pytest.approx(2)
    assert (found.lower_limit_mg, found.upper_limit_mg) == pytest.approx((2 - 1.96, 2 + 1.96))
    assert found.slope == pytest.approx(1.05)
    assert found.intercept_mg == pytest.approx(1.0)
    assert found.correlation == pytest.approx(210 / (200 * 222) ** 0.5)
    # Residuals -0.5, 1, -0.5 about 1.05 x + 1: squares sum to 1.5 over one degree of freedom.
    assert found.see_mg == pytest.approx(1.5**0.5)


def test_the_line_against_scipy() -> None:
    rng = np.random.default_rng(4)
    true = rng.uniform(0, 80, 60)
    measured = 0.9 * true + rng.normal(size=60)
    line = stats.linregress(true, measured)
    found = agreement(measured, true)
    assert (found.slope, found.intercept_mg) == pytest.approx((line.slope, line.intercept))
    assert found.correlation == pytest.approx(line.rvalue)
    # The slope's standard error is SEE over the root of the sum of squares of x.
    assert found.see_mg == pytest.approx(line.stderr * ((true - true.mean()) ** 2).sum() ** 0.5)


def test_agreement_of_few() -> None:
    nothing = agreement(np.zeros(0), np.zeros(0))
    assert nothing.count == 0
    assert math.isnan(nothing.mean_difference_mg)
    one = agreement(np.array([3.0]), np.array([1.0]))
    assert (one.mean_difference_mg, math.isnan(one.lower_limit_mg), math.isnan(one.slope)) == (2, True, True)
    same = agreement(np.array([3.0, 5.0]), np.array([4.0, 4.0]))
    assert math.isnan(same.slope)
    assert same.mean_difference_mg == 0


def test_weighted_kappa_by_hand() -> None:
    # Cohen (1968): 1 - sum(cost x observed) / sum(cost x expected by the margins).
    table = np.array([[10, 2, 0], [1, 8, 3], [0, 1, 15]])
    total, rows, columns = 40, (12, 12, 16), (11, 11, 18)
    for power in (1, 2):
        cost = [[abs(i - j) ** power for j in range(3)] for i in range(3)]
        seen = sum(cost[i][j] * int(table[i, j]) for i in range(3) for j in range(3))
        chance = sum(cost[i][j] * rows[i] * columns[j] / total for i in range(3) for j in range(3))
        assert weighted_kappa(table, power) == pytest.approx(1 - seen / chance)
    assert weighted_kappa(np.diag([3, 0, 4]), 2) == 1
    # Agreement no better than the margins give.
    assert weighted_kappa(np.full((2, 2), 5), 1) == pytest.approx(0)
    assert math.isnan(weighted_kappa(np.diag([7, 0]), 2))


def test_the_smallest_mass_found() -> None:
    size = np.arange(1.0, 21.0)
    assert smallest_found(size, size > 4, 0.9) == 5
    # One miss among those of 10 and more: 9 of the 10 from 10 to 19 are found.
    missed_one = (size > 9) & (size != 19)
    assert smallest_found(size, missed_one, 0.9) == 10
    missed_two = missed_one & (size != 18)
    assert smallest_found(size, missed_two, 0.9) == 20
    assert math.isnan(smallest_found(size, size > 30, 0.9))
    # One of three of a size found is a third, in whatever order they come.
    same = np.array([5.0, 5.0, 5.0])
    for found in ([True, False, False], [False, False, True]):
        assert math.isnan(smallest_found(same, np.array(found), 0.9))
        assert smallest_found(same, np.array(found), 0.33) == 5
    assert math.isnan(smallest_found(np.zeros(0), np.zeros(0, dtype=bool), 0.9))
