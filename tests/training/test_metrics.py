from __future__ import annotations

import numpy as np
import pytest

from bac_training.metrics import Detection, Overlap, agreement


def test_dice_by_hand() -> None:
    found = np.array([[True, True, False], [False, False, False]])
    true = np.array([[True, False, False], [True, False, False]])
    overlap = Overlap.of(found, true)
    assert overlap == Overlap(2, 2, 1)
    assert overlap.dice == 0.5
    assert (overlap + Overlap(4, 0, 0)).dice == pytest.approx(0.25)
    assert Overlap(0, 0, 0).dice == 1
    assert Overlap(0, 3, 0).dice == 0


def test_detection_by_hand() -> None:
    pairs = [(True, True)] * 6 + [(False, True)] * 2 + [(True, False)] + [(False, False)] * 3
    detection = Detection.of(pairs)
    assert detection == Detection(true_positive=6, false_positive=1, true_negative=3, false_negative=2)
    assert detection.sensitivity == pytest.approx(6 / 8)
    assert detection.specificity == pytest.approx(3 / 4)
    assert detection.f1 == pytest.approx(12 / 15)
    nothing = Detection.of([(False, False)])
    assert (nothing.sensitivity, nothing.specificity, nothing.f1) == (None, 1.0, None)


def test_bland_and_altmans_limits_by_hand() -> None:
    # Differences 1, 3, 2: mean 2, standard deviation 1.
    found = agreement([11.0, 23.0, 32.0], [10.0, 20.0, 30.0])
    assert found is not None
    assert found.count == 3
    assert found.mean_difference_mg == pytest.approx(2)
    assert found.limits_mg == pytest.approx((2 - 1.96, 2 + 1.96))
    assert found.slope == pytest.approx(1.05)
    assert found.intercept_mg == pytest.approx(1.0)
    assert found.correlation == pytest.approx(210 / (200 * 222) ** 0.5)


def test_agreement_of_few() -> None:
    assert agreement([], []) is None
    one = agreement([3.0], [1.0])
    assert one is not None
    assert (one.mean_difference_mg, one.limits_mg, one.slope) == (2, None, None)
    same = agreement([3.0, 5.0], [4.0, 4.0])
    assert same is not None
    assert same.slope is None
