"""The estimate from the area in exams: what counts, what it feeds, and what it never touches."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from typing import Any

import jsonschema
import pytest
from tests.sdk.exam.exam_images import FOUR, image, only

import bacctl.exam.area
from bac_imaging.mass.area import AreaDensity, AreaFit
from bacctl import AreaEstimate, ExamResult, ImageResult, to_frame
from bacctl.cli.show import table as tables
from bacctl.exam.scales import category_odds
from bacctl.outputs.document import analysis_csv, analysis_document
from bacctl.results.schemas import analysis_schema

NAMES = ("view", "breast", "woman")
# 0.1, 0.2 and 0.5 mg/mm2, a fourth to four times that.
FIT = AreaFit(
    "area-test",
    "ab" * 32,
    (0.05, 0.1),
    {
        level: AreaDensity(each / 4.0, each, each * 4.0, 2.0, 500.0)
        for level, each in zip(NAMES, (0.1, 0.2, 0.5), strict=True)
    },
)


@pytest.fixture(autouse=True)
def fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bacctl.exam.area, "area_fit", lambda: FIT)


def presented(side: str, view: str, area: float, *, fit: str = "area-test") -> ImageResult:
    estimate = AreaEstimate(0.1 * area, (0.025 * area, 0.4 * area), "area", fit)
    return replace(image(side, view, None, area=area), area_estimate=estimate)


PRESENTED = (
    presented("L", "CC", 10.0),
    presented("L", "MLO", 30.0),
    presented("R", "CC", 0.0),
    presented("R", "MLO", 40.0),
)


def test_breasts_and_the_woman_by_hand() -> None:
    exam = only(PRESENTED)
    left, right = exam.breasts["L"], exam.breasts["R"]
    view = left.by_view["CC"].area_estimate
    assert view is not None
    assert (view.central_mg, *view.interval_mg) == pytest.approx((1.0, 0.25, 4.0))
    # Both breasts have a mean area of 20 mm2, of 0.2 mg/mm2 each; the woman 40 of 0.5.
    for breast in (left, right):
        assert breast.area_estimate is not None
        assert breast.area_estimate.central_mg == pytest.approx(4.0)
        assert breast.area_estimate.interval_mg == pytest.approx((1.0, 16.0))
    assert exam.area_estimate is not None
    assert exam.area_estimate.central_mg == pytest.approx(20.0)
    assert exam.area_estimate.interval_mg == pytest.approx((5.0, 80.0))


def test_it_is_no_mass() -> None:
    exam = only(PRESENTED)
    assert exam.calcium_mass_mg is None
    assert exam.calcium_mass_interval_mg is None
    assert exam.mass_category is None
    assert all(breast.calcium_mass_mg is None for breast in exam.breasts.values())
    assert all(breast.mass_basis == "none" for breast in exam.breasts.values())


def test_probabilities_follow_from_it_where_there_is_no_mass() -> None:
    exam = only(PRESENTED)
    assert exam.category_basis == "area"
    assert exam.category_probabilities is not None
    # 95 % within a factor of 4: 1.4142 standard deviations of the logarithm are a factor of 2, whose half is
    # at 0.98, 1.5533 and 1.96 of them for factors of 2, 3 and 4 above 20 mg.
    expected = {"0-20": 0.5, "20-40": 0.33646, "40-60": 0.10335, "60-80": 0.03519, ">80": 0.025}
    assert exam.category_probabilities == pytest.approx(expected, abs=2e-4)
    measured = only(FOUR)
    assert (measured.category_basis, measured.area_estimate) == ("mass", None)


def test_nothing_found_is_class_0_and_0_mg() -> None:
    exam = only([presented(side, view, 0.0) for side in "LR" for view in ("CC", "MLO")])
    assert exam.mass_category == "0"
    assert (exam.category_basis, exam.category_probabilities) == (None, None)
    assert exam.area_estimate == AreaEstimate(0.0, (0.0, 0.0), "area", "area-test")


@pytest.mark.parametrize(
    "other",
    [
        image("R", "MLO", None, area=40.0),  # of another kind: it has none
        image("R", "MLO", 8.0, area=40.0),  # measured
        presented("R", "MLO", 40.0, fit="area-other"),  # by another server
    ],
)
def test_every_image_that_counts_must_have_one(other: ImageResult) -> None:
    exam = only([*PRESENTED[:3], other])
    assert exam.breasts["L"].area_estimate is not None
    assert exam.breasts["R"].area_estimate is None
    assert exam.area_estimate is None
    assert exam.category_probabilities is None
    assert exam.category_basis is None


def test_a_breast_without_an_image_leaves_the_woman_without_one() -> None:
    exam = only(PRESENTED[:2])
    assert exam.breasts["L"].area_estimate is not None
    assert exam.area_estimate is None


def test_areas_beyond_what_was_fitted_have_none() -> None:
    exam = only([presented(side, "CC", 300.0) for side in "LR"])
    assert exam.breasts["L"].area_estimate is not None
    assert exam.area_estimate is None  # 600 mm2


def test_a_lower_end_of_0_takes_the_upper_reach_on_both_sides() -> None:
    odds, basis = category_odds(None, None, AreaEstimate(20.0, (0.0, 80.0), "area", "area-test"))
    assert basis == "area"
    assert odds is not None
    assert odds["0-20"] == pytest.approx(0.5)
    assert sum(odds.values()) == pytest.approx(1.0)


def document() -> dict[str, Any]:
    made = analysis_document(PRESENTED, [only(PRESENTED)], skipped=0, server=None)
    read: dict[str, Any] = json.loads(json.dumps(made))
    return read


def test_documents_hold_it_and_give_it_back() -> None:
    made = document()
    jsonschema.validate(made, analysis_schema())
    assert made["images"][0]["area_estimate"] == {
        "central_mg": 1.0,
        "interval_mg": [0.25, 4.0],
        "basis": "area",
        "fit": "area-test",
    }
    assert ImageResult.from_dict(made["images"][0]).area_estimate == PRESENTED[0].area_estimate
    back = ExamResult.from_dict(made["exams"][0], software={"bacctl": "1", "model": None})
    assert back.to_dict() == only(PRESENTED).to_dict()


def test_documents_of_before_still_load() -> None:
    made = analysis_document(FOUR, [only(FOUR)], skipped=0, server=None)
    old = json.loads(json.dumps(made))
    for entry in old["images"]:
        for name in (
            "area_estimate",
            "breast_area_mm2",
            "area_percent_of_breast",
            "length_mm_per_cm2_of_breast",
        ):
            del entry[name]
    for exam in old["exams"]:
        del exam["area_estimate"], exam["category_basis"]
        for breast in exam["breasts"].values():
            del breast["area_estimate"]
            for view in breast["by_view"].values():
                del view["area_estimate"]
    jsonschema.validate(old, analysis_schema())
    image_of_before = ImageResult.from_dict(old["images"][0])
    assert (image_of_before.area_estimate, image_of_before.breast_area_mm2) == (None, None)
    exam_of_before = ExamResult.from_dict(old["exams"][0])
    assert exam_of_before.category_basis == "mass"  # there was nothing else
    assert exam_of_before.area_estimate is None


@pytest.mark.parametrize(
    "broken",
    [
        {"basis": "mass"},
        {"interval_mg": [4.0, 1.0]},
        {"interval_mg": [0.25, 0.75]},  # the middle is no part of it
        {"central_mg": -1.0},
        {"fit": ""},
    ],
)
def test_a_damaged_estimate_is_refused(broken: dict[str, Any]) -> None:
    entry = document()["images"][0]
    entry["area_estimate"] |= broken
    with pytest.raises(ValueError, match=r"\S"):
        ImageResult.from_dict(entry)


def test_tables_have_it() -> None:
    sized = replace(
        PRESENTED[1],
        breast_area_mm2=12000.0,
        area_percent_of_breast=0.25,
        length_mm_per_cm2_of_breast=0.2,
    )
    first, last = csv.DictReader(io.StringIO(analysis_csv([sized, FOUR[0]])))
    assert [float(first[f"area_estimate{end}_mg"]) for end in ("", "_low", "_high")] == [3.0, 0.75, 12.0]
    assert (first["breast_area_mm2"], first["area_percent_of_breast"]) == ("12000.0", "0.25")
    assert first["length_mm_per_cm2_of_breast"] == "0.2"
    assert (last["area_estimate_mg"], last["breast_area_mm2"]) == ("", "")
    row = to_frame([sized]).to_dict("records")[0]
    assert (row["area_estimate_low_mg"], row["breast_area_mm2"]) == (0.75, 12000.0)
    woman = to_frame([only(PRESENTED)]).to_dict("records")[0]
    assert woman["area_estimate_mg"] == pytest.approx(20.0)
    assert woman["right_area_estimate_high_mg"] == pytest.approx(16.0)


def test_people_are_told_that_it_is_from_the_area() -> None:
    said = tables._exam("woman: ", only(PRESENTED)).plain
    assert said.startswith("woman: mass not measured, from its area about 20.0 [5.0, 80.0] mg, area 40.0 mm2")
    nothing = only([presented(side, "CC", 0.0) for side in "LR"])
    assert "about" not in tables._exam("woman: ", nothing).plain
    assert "<th>estimate from the area, mg</th><td>1.0 [0.2, 4.0]</td>" in PRESENTED[0]._repr_html_()
