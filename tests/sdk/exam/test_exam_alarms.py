"""Consistency of views and breasts, against limits worked out by hand from the published regression.

M_CC = 0.82 M_MLO + 0.27 mg, standard error 3.44 mg; M_L = 0.86 M_R - 0.06 mg, standard error 4.30 mg.
"""

from dataclasses import replace

import pytest

from bacctl.exam.build import build_exam
from bacctl.results import ImageResult


def image(side, view, mass, half_mg=2.0, basis="calibrated"):
    return ImageResult(
        "ok",
        laterality=side,
        view=view,
        rows=1,
        columns=1,
        bac_detected=mass > 0,
        bac_probability=0.5,
        calcium_mass_mg=mass,
        calcium_mass_interval_mg=(max(0.0, mass - half_mg), mass + half_mg),
        mass_basis=basis,
        area_mm2=mass,
    )


def codes(*images):
    return [alarm.code for alarm in build_exam(images, "1").alarms]


# From 20 mg on the MLO view 16.67 mg follow. A half-width of 2 mg is a standard deviation of 1.020 mg, and
# 2.576 sqrt(3.44^2 + 1.020^2 + (0.82 x 1.020)^2) = 9.49 mg: from 7.18 to 26.16 mg.
@pytest.mark.parametrize(("cc", "unusual"), [(7.1, True), (7.3, False), (26.0, False), (26.3, True)])
def test_views_of_a_breast(cc, unusual):
    expected = ["BAC-W-CC-MLO-DIFFER"] if unusual else []
    assert codes(image("L", "CC", cc), image("L", "MLO", 20.0)) == expected
    assert codes(image("R", "MLO", 20.0), image("R", "CC", cc)) == expected


# From 20 mg on the right 17.14 mg follow, and 2.576 sqrt(4.30^2 + 1.020^2 + (0.86 x 1.020)^2) = 11.61 mg:
# from 5.53 to 28.75 mg.
@pytest.mark.parametrize(("left", "unusual"), [(5.4, True), (5.7, False), (28.6, False), (28.9, True)])
def test_two_breasts(left, unusual):
    found = codes(image("L", "CC", left), image("R", "CC", 20.0))
    assert found == (["BAC-W-LEFT-RIGHT-DIFFER"] if unusual else [])


def test_wide_intervals_widen_the_limits():
    assert codes(image("L", "CC", 30.0), image("L", "MLO", 20.0)) == ["BAC-W-CC-MLO-DIFFER"]
    assert codes(image("L", "CC", 30.0, half_mg=8.0), image("L", "MLO", 20.0)) == []


def test_wider_half_of_an_interval_tells_its_spread():
    # Cut off at 0: its lower half of 1 mg would call 12 mg beside it unusual.
    small = replace(image("L", "MLO", 1.0), calcium_mass_interval_mg=(0.0, 9.0))
    assert codes(image("L", "CC", 12.0), small) == []
    assert codes(image("L", "CC", 12.0), image("L", "MLO", 1.0)) == ["BAC-W-CC-MLO-DIFFER"]


@pytest.mark.parametrize("masses", [(0.0, 0.0, 0.0, 0.0), (8.0, 10.0, 6.0, 7.0), (41.0, 50.0, 36.0, 43.0)])
def test_usual_women_raise_no_alarm(masses):
    views = [(side, view) for side in "LR" for view in ("CC", "MLO")]
    shown = [image(*name, mass, half_mg=0.25 * mass) for name, mass in zip(views, masses, strict=True)]
    assert codes(*shown) == []


def test_text_gives_both_masses_and_what_is_usual():
    (alarm,) = build_exam([image("L", "CC", 40.0), image("L", "MLO", 20.0)], "1").alarms
    assert alarm.text.startswith(
        "LCC reads 40.0 mg beside 20.0 mg LMLO, outside the 99 % limits of 7.2 and 26.2 mg that follow from "
        "39 published women; look at"
    )


def test_one_sided_calcification_is_called_possible():
    (alarm,) = build_exam([image("L", "CC", 40.0), image("R", "CC", 0.0)], "1").alarms
    assert alarm.code == "BAC-W-LEFT-RIGHT-DIFFER"
    assert "limits of 0.0 and" in alarm.text
    assert "one side only" in alarm.text


def test_only_calibrated_masses_with_intervals_are_judged():
    far = (image("L", "CC", 90.0), image("L", "MLO", 20.0))
    assert codes(replace(far[0], mass_basis="estimated"), far[1]) == []
    assert codes(far[0], replace(far[1], calcium_mass_interval_mg=None)) == []
    assert codes(far[0], replace(far[1], calcium_mass_mg=None, mass_basis="none")) == []


def test_breasts_of_different_views_are_not_held_against_each_other():
    assert codes(image("L", "CC", 90.0), image("R", "MLO", 20.0)) == []


@pytest.mark.parametrize("basis", ["calibrated", "none"])
def test_bac_on_one_view_only_is_told(basis):
    (alarm,) = build_exam(
        [image("R", "CC", 0.0, basis=basis), image("R", "MLO", 3.0, basis=basis)], "1"
    ).alarms
    assert alarm.code == "BAC-W-ONE-VIEW"
    assert alarm.text.startswith("BAC was found on RMLO and none on RCC; ")


def test_one_view_alone_is_no_contradiction():
    assert codes(image("R", "MLO", 3.0), image("L", "CC", 0.0), image("L", "MLO", 0.0)) == []
