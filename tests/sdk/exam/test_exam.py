"""The exam rules, against figures worked out by hand from the contract."""

import json
import math
import pickle
from dataclasses import replace

import pytest
from tests.sdk.exam.exam_images import FOUR, image, only

from bacctl._origin import Origin
from bacctl.exam.scales import area_class, category_probabilities, csbi_grade, mass_category
from bacctl.results import Vessel


def test_four_views():
    exam = only(FOUR)
    assert exam.breasts["L"].calcium_mass_mg == 10.0
    assert exam.breasts["R"].calcium_mass_mg == 25.0
    assert exam.calcium_mass_mg == 35.0
    assert exam.calcium_mass_interval_mg == (17.5, 70.0)
    assert exam.mass_category == "20-40"
    assert exam.area_mm2 == 20.0
    assert exam.area_class == "10-25"
    assert exam.complete
    assert exam.missing_views == ()
    assert exam.alarms == ()
    assert exam.csbi_grade is None
    assert exam.images == FOUR


def test_order_does_not_matter():
    forward, backward = only(FOUR).to_dict(), only(FOUR[::-1]).to_dict()
    assert forward == backward


@pytest.mark.parametrize(
    ("mass", "category"),
    [
        (0.0, "0-20"),
        (20.0, "0-20"),
        (20.000001, "20-40"),
        (40.0, "20-40"),
        (60.0, "40-60"),
        (80.0, "60-80"),
        (80.1, ">80"),
        (342.0, ">80"),
        (None, None),
    ],
)
def test_upper_edge_belongs_to_the_lower_category(mass, category):
    assert mass_category(mass, True) == category


@pytest.mark.parametrize(
    ("area", "expected"), [(0.1, "0-10"), (10.0, "0-10"), (10.1, "10-25"), (25.0, "10-25"), (25.1, ">25")]
)
def test_area_class_edges(area, expected):
    assert area_class(area, True) == expected


def test_zero_means_that_no_bac_was_found():
    exam = only([image(side, view, 0.0, area=0.0) for side in "LR" for view in ("CC", "MLO")])
    assert (exam.mass_category, exam.area_class, exam.csbi_grade) == ("0", "0", 0)
    assert exam.category_probabilities is None


def test_films_without_bac_are_category_zero_without_a_mass():
    exam = only([image(side, "MLO", None, area=0.0) for side in "LR"])
    assert exam.mass_category == "0"
    assert exam.calcium_mass_mg is None


def test_single_view_counts_alone_and_the_other_is_named():
    exam = only(FOUR[:3])
    assert exam.breasts["R"].calcium_mass_mg == 20.0
    assert exam.calcium_mass_mg == 30.0
    assert exam.missing_views == ("RMLO",)
    assert exam.complete


def test_breast_without_accepted_view_leaves_the_woman_without_mass():
    exam = only(FOUR[:2])
    assert exam.calcium_mass_mg is None
    assert exam.calcium_mass_interval_mg is None
    assert exam.mass_category is None
    assert exam.area_mm2 is None
    assert exam.area_class is None
    assert exam.csbi_grade is None
    assert not exam.complete
    assert exam.missing_views == ("RCC", "RMLO")
    assert exam.breasts["L"].calcium_mass_mg == 10.0


def test_absence_of_bac_in_one_breast_proves_nothing_about_the_woman():
    exam = only([image("L", "CC", 0.0, area=0.0)])
    assert exam.mass_category is None
    assert exam.csbi_grade is None


@pytest.mark.parametrize("view", ["ML", "XCCL", "CCRL", None])
def test_other_views_never_enter_a_sum(view):
    assert only([*FOUR, image("L", view, 500.0, area=500.0)]).calcium_mass_mg == 35.0


def test_image_of_unknown_side_never_enters_a_sum():
    assert only([*FOUR, image(None, "CC", 500.0)]).calcium_mass_mg == 35.0


def test_refused_and_failed_images_never_enter_a_sum():
    refused = replace(
        FOUR[0], status="refused", code="BAC-VIEW-SPOT", reason="a spot view", bac_detected=None
    )
    failed = replace(FOUR[2], status="failed", code="BAC-DECODE-FAILED", reason="no", bac_detected=None)
    exam = only([refused, FOUR[1], failed, FOUR[3]])
    assert exam.calcium_mass_mg == 12.0 + 30.0
    assert exam.missing_views == ("LCC", "RCC")


def test_view_without_mass_leaves_it_to_the_other():
    exam = only([image("L", "CC", None), *FOUR[1:]])
    left = exam.breasts["L"]
    assert left.calcium_mass_mg == 12.0
    assert left.views == ("CC", "MLO")
    assert left.mass_views == ("MLO",)
    assert exam.missing_views == ()


def test_breast_without_any_mass_leaves_the_woman_without():
    exam = only([image("L", "CC", None), image("L", "MLO", None), *FOUR[2:]])
    assert exam.calcium_mass_mg is None
    assert exam.mass_category is None
    assert exam.area_class == "0-10"
    assert exam.complete


def test_basis_of_a_breast_is_the_weaker_one():
    exam = only([FOUR[0], image("L", "MLO", 12.0, basis="estimated"), *FOUR[2:]])
    assert exam.breasts["L"].mass_basis == "estimated"
    assert exam.breasts["R"].mass_basis == "calibrated"


def test_partial_view_is_not_accepted():
    partial = image("L", "CC", 3.0, warnings=["BAC-W-PARTIAL-VIEW"])
    assert only([partial, *FOUR[1:]]).missing_views == ("LCC",)


def test_processing_image_counts_before_the_presentation_image_of_the_same_exposure():
    exam = only([*FOUR, image("L", "CC", 80.0, uid="9", basis="estimated")])
    assert exam.calcium_mass_mg == 35.0
    assert exam.alarms == ()


def test_implant_displaced_view_counts_before_the_other():
    in_the_way = image("L", "CC", 80.0, uid="9", warnings=["BAC-W-IMPLANT"])
    assert only([in_the_way, *FOUR]).calcium_mass_mg == 35.0


def repeated(*origins):
    """Two left CC images of 8 and 16 mg, and the rest of the four views."""
    first, second = (image("L", "CC", mass, uid=uid) for mass, uid in ((8.0, "1"), (16.0, "2")))
    pair = [replace(shown, origin=origin) for shown, origin in zip((first, second), origins, strict=True)]
    return only([*pair, *FOUR[1:]]), only([*FOUR[1:], *pair[::-1]])


@pytest.mark.parametrize(
    ("origins", "mass", "uid"),
    [
        ((Origin(taken="20200101120000"), Origin(taken="20200101115959.5")), 8.0, "1"),
        ((Origin(taken="20200101120000"), Origin(taken="20200101120001")), 16.0, "2"),
        # Where times are equal or one is missing, numbers tell, but only within one series.
        ((Origin("20200101120000", "9", 4.0), Origin("20200101120000", "9", 3.0)), 8.0, "1"),
        ((Origin("20200101120000", "9", 3.0), Origin(None, "9", 4.0)), 16.0, "2"),
    ],
)
def test_latest_of_repeated_views_counts_and_the_repetition_is_told(origins, mass, uid):
    for exam in repeated(*origins):
        assert exam.breasts["L"].by_view["CC"].calcium_mass_mg == mass
        assert exam.breasts["L"].by_view["CC"].sop_instance_uids == (uid,)
        (alarm,) = exam.alarms
        assert alarm.code == "BAC-W-VIEW-REPEATED"
        assert "2 LCC images" in alarm.text
        assert "the latest counts" in alarm.text


@pytest.mark.parametrize(
    "origins",
    [
        (None, None),
        (Origin(taken="20200101120000"), None),
        (Origin(number=1.0), Origin(number=2.0)),
        (Origin(series="8", number=1.0), Origin(series="9", number=2.0)),
        (Origin(series="9", number=1.0), Origin(series="9", number=1.0)),
    ],
)
def test_repeated_views_count_by_their_mean_where_none_is_known_to_be_the_latest(origins):
    for exam in repeated(*origins):
        assert exam.breasts["L"].by_view["CC"].calcium_mass_mg == 12.0
        assert exam.breasts["L"].by_view["CC"].sop_instance_uids == ("1", "2")
        assert exam.breasts["L"].calcium_mass_mg == 12.0
        assert [alarm.code for alarm in exam.alarms] == ["BAC-W-VIEW-REPEATED"]
        assert "their mean counts" in exam.alarms[0].text


def test_of_three_repeats_two_of_one_time_count_by_their_mean():
    times = ("20200101120000", "20200101120500", "20200101120500")
    three = [
        replace(image("L", "CC", mass, uid=uid), origin=Origin(taken))
        for mass, uid, taken in zip((80.0, 10.0, 14.0), "123", times, strict=True)
    ]
    exam = only([*three, *FOUR[1:]])
    assert exam.breasts["L"].by_view["CC"].calcium_mass_mg == 12.0
    assert exam.breasts["L"].by_view["CC"].sop_instance_uids == ("2", "3")
    assert "3 LCC images of equal standing; which of 2 is the latest is not told" in exam.alarms[0].text


@pytest.mark.parametrize(
    ("first", "second", "told"),
    [
        (Origin("20200101120000"), Origin("20200101120500"), True),
        # One exposure, for processing and for presentation, and an earlier exposure that did not satisfy.
        (Origin("202001011200003"), Origin("202001011200004"), False),
        (Origin("20200101120500"), Origin("20200101120000"), False),
        # Processing moves the time of the content.
        (Origin("20200101120000", of_content=True), Origin("20200101120500", of_content=True), False),
        (Origin("20200101120000"), None, False),
    ],
)
def test_repeat_that_is_for_presentation_only_is_told(first, second, told):
    raw = replace(FOUR[0], sop_instance_uid="1", origin=first)
    shown = replace(image("L", "CC", 80.0, uid="2", basis="estimated"), origin=second)
    exam = only([shown, raw, *FOUR[1:]])
    assert exam.calcium_mass_mg == 35.0
    assert [alarm.code for alarm in exam.alarms] == ["BAC-W-VIEW-REPEATED"] * told
    assert not told or exam.alarms[0].text.startswith("an LCC image taken later does not count")


def test_implant_that_was_displaced_first_is_no_repetition():
    displaced = replace(FOUR[0], sop_instance_uid="1", origin=Origin("20200101120000"))
    in_the_way = image("L", "CC", 80.0, uid="2", basis="estimated", warnings=["BAC-W-IMPLANT"])
    assert only([displaced, replace(in_the_way, origin=Origin("20200101120500")), *FOUR[1:]]).alarms == ()


def test_time_and_patient_reach_no_output():
    exam, _ = repeated(Origin("20200102", "9", 1.0, b"woman"), Origin("20200101", "9", 2.0, b"woman"))
    written = json.dumps([exam.to_dict(), *(image.to_dict() for image in exam.images)])
    assert "2020" not in written + repr(exam) + repr(exam.images) + str(exam.images[0].origin)
    assert pickle.loads(pickle.dumps(exam)).images[0].origin.taken is None


def test_category_probabilities_follow_the_normal_law():
    # A symmetric interval: standard deviation (31.4 - 20) / 1.96, edges at the mass and far away.
    odds = category_probabilities(20.0, (8.6, 31.4))
    assert sum(odds.values()) == pytest.approx(1.0)
    assert odds["0-20"] == pytest.approx(0.5, abs=1e-3)
    # 40 mg is 3.44 standard deviations up: 0.0003 of the normal law lie beyond.
    assert odds["40-60"] + odds["60-80"] + odds[">80"] == pytest.approx(0.0003, abs=5e-5)


def test_category_probabilities_are_cut_off_at_zero():
    # Half of the normal law about 0 lies below 0; what is left is the half normal law, of which 95.45 % lie
    # within two standard deviations.
    sigma = 10.0
    odds = category_probabilities(0.0, (0.0, 1.959964 * sigma))
    assert odds["0-20"] == pytest.approx(0.9545, abs=1e-4)


def test_exact_mass_has_one_category():
    odds = category_probabilities(30.0, (30.0, 30.0))
    assert odds["20-40"] == 1.0
    assert math.fsum(odds.values()) == 1.0


def test_mass_of_nothing_but_zero_has_one_category():
    assert category_probabilities(0.0, (0.0, 0.0))["0-20"] == 1.0


def test_no_interval_no_probabilities():
    assert category_probabilities(30.0, None) is None
    assert category_probabilities(None, None) is None


def test_lower_spread_is_the_upper_one_where_the_interval_was_cut_off_at_zero():
    # Median 30 mg and standard deviation 20 mg, cut off at 0: of the normal law 0.0668 lies below 0 and
    # 0.3085 below 20 mg, so that (0.3085 - 0.0668) / (1 - 0.0668) is left for the lowest category.
    odds = category_probabilities(30.0, (0.0, 30.0 + 1.959964 * 20.0))
    assert odds["0-20"] == pytest.approx(0.2590, abs=2e-4)


def with_stretches(side, view, count):
    vessels = tuple(Vessel(8.0, 8.0, 1.0, None, (row, 0, row + 50, 50)) for row in range(count))
    return replace(image(side, view, None, area=8.0 * count), vessels=vessels)


def test_stretches_that_both_views_bear_out_make_the_grade():
    views = [("L", "CC", 1), ("L", "MLO", 5), ("R", "CC", 2), ("R", "MLO", 1)]
    exam = only([with_stretches(*view) for view in views])
    assert [exam.breasts[side].vessel_count for side in "LR"] == [1, 1]
    assert exam.breasts["L"].by_view["MLO"].vessel_count == 5
    assert exam.csbi_grade == 2
    assert only([with_stretches("L", "CC", 3), with_stretches("R", "MLO", 0)]).csbi_grade == 3


def test_view_without_bac_does_not_take_the_stretches_of_the_other():
    views = [("L", "CC", 6), ("L", "MLO", 0), ("R", "CC", 0), ("R", "MLO", 0)]
    exam = only([with_stretches(*view) for view in views])
    assert [exam.breasts[side].vessel_count for side in "LR"] == [6, 0]
    assert exam.csbi_grade == 3


@pytest.mark.parametrize(
    ("count", "detected", "grade"),
    [
        (0, False, 0),
        (None, False, 0),
        (1, True, 2),
        (2, True, 2),
        (3, True, 3),
        (None, True, None),
        (3, None, None),
    ],
)
def test_csbi_grade(count, detected, grade):
    assert csbi_grade(count, detected) == grade


def test_no_grade_where_stretches_are_not_listed():
    assert only([image("L", "CC", 5.0), with_stretches("R", "CC", 2)]).csbi_grade is None
