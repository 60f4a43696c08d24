"""Which images are one image, and which are of one exam: by their identifiers and headers."""

from dataclasses import replace
from pathlib import Path

import pytest
from tests.sdk.exam.exam_images import FOUR, image, only

from bacctl._origin import Origin
from bacctl.exam.build import build_exam, build_exams
from bacctl.results import ExamResult


def test_same_instance_twice_is_one_image():
    exam = only([image("L", "CC", 8.0, uid="1"), image("L", "CC", 8.0, uid="1"), *FOUR[1:]])
    assert exam.calcium_mass_mg == 35.0
    assert exam.alarms == ()


def test_same_instance_measured_twice_by_two_processors_is_one_image():
    again = replace(image("L", "CC", 8.0000001, uid="1"), origin=Origin(pixels=("raw", b"p")))
    exam = only([image("L", "CC", 8.0, uid="1"), again, *FOUR[1:]])
    assert exam.calcium_mass_mg == pytest.approx(35.0)
    assert exam.alarms == ()


def shared_uid(*pair):
    """Two left CC images of one UID, and the rest of the four views, in both orders."""
    first, second = [replace(each, sop_instance_uid="1.5") for each in pair]
    return only([first, second, *FOUR[1:]]), only([*FOUR[1:], second, first])


def pixels_of(shown, pixels, encoding="raw"):
    return replace(shown, origin=Origin(pixels=(encoding, pixels)))


def test_stronger_basis_counts_where_raw_and_processed_image_share_a_uid():
    for other in (image("L", "CC", None), image("L", "CC", 80.0, basis="estimated")):
        for exam in shared_uid(FOUR[0], other):
            assert exam.calcium_mass_mg == 35.0
            assert [alarm.code for alarm in exam.alarms] == ["BAC-W-UID-REPEATED"]
            warned = [
                any(notice.code == "BAC-W-UID-REPEATED" for notice in each.warnings) for each in exam.images
            ]
            assert warned == [each.sop_instance_uid == "1.5" for each in exam.images]


def test_images_of_other_pixels_under_one_uid_are_two_images():
    for exam in shared_uid(
        pixels_of(image("L", "CC", 8.0), b"p"), pixels_of(image("L", "CC", 16.0, area=2.0), b"q")
    ):
        assert exam.breasts["L"].by_view["CC"].calcium_mass_mg == 12.0
        assert exam.breasts["L"].by_view["CC"].sop_instance_uids == ("1.5",)
        assert [alarm.code for alarm in exam.alarms] == ["BAC-W-UID-REPEATED", "BAC-W-VIEW-REPEATED"]


def test_images_without_bac_under_one_uid_are_told_apart_by_their_pixels():
    empty = image("L", "CC", 0.0, area=0.0)
    for exam in shared_uid(pixels_of(empty, b"p"), pixels_of(empty, b"q")):
        assert "BAC-W-UID-REPEATED" in [alarm.code for alarm in exam.alarms]
    for exam in shared_uid(pixels_of(empty, b"p"), pixels_of(empty, b"p")):
        assert "BAC-W-UID-REPEATED" not in [alarm.code for alarm in exam.alarms]
    # A copy that was compressed on its way has other bytes and the same pixels.
    for exam in shared_uid(pixels_of(empty, b"p"), pixels_of(empty, b"z", "jpeg")):
        assert "BAC-W-UID-REPEATED" not in [alarm.code for alarm in exam.alarms]


def test_copy_whose_header_changes_the_mass_is_an_image_of_its_own():
    for exam in shared_uid(pixels_of(image("L", "CC", 8.0), b"p"), pixels_of(image("L", "CC", 16.0), b"p")):
        assert exam.breasts["L"].by_view["CC"].calcium_mass_mg == 12.0
        assert "BAC-W-UID-REPEATED" in [alarm.code for alarm in exam.alarms]


def test_copies_without_any_uid_are_one_image():
    pair = [pixels_of(image("L", "CC", 8.0), b"p")] * 2
    assert only([*pair, *FOUR[1:]]).alarms == ()


def test_uid_that_two_studies_share_is_told_in_both():
    left = image("L", "CC", 8.0, uid="1.5", study="1.2")
    right = image("R", "CC", 9.0, uid="1.5", study="1.3")
    for exam in build_exams([left, right]):
        assert [alarm.code for alarm in exam.alarms] == ["BAC-W-UID-REPEATED"]


def from_headers(*origins, study="1.2.3"):
    return only(
        [
            replace(shown, origin=origin, study_instance_uid=study, sop_instance_uid=f"1.{place}")
            for place, (shown, origin) in enumerate(zip(FOUR, origins, strict=True))
        ]
    )


def test_two_women_have_no_sum():
    first, second = Origin(patient=b"one"), Origin(patient=b"two")
    exam = from_headers(first, first, second, second)
    assert exam.calcium_mass_mg is exam.area_mm2 is exam.mass_category is exam.area_class is None
    assert exam.csbi_grade is exam.calcium_mass_interval_mg is exam.category_probabilities is None
    assert all(breast.calcium_mass_mg is None and not breast.by_view for breast in exam.breasts.values())
    assert not exam.complete
    assert exam.groups == (("1.0", "1.1"), ("1.2", "1.3"))
    (alarm,) = exam.alarms
    assert alarm.code == "BAC-W-EXAM-MIXED"
    assert "differ in patient identifiers" in alarm.text
    assert "group 1: LCC, LMLO; group 2: RCC, RMLO" in alarm.text


def test_two_visits_have_no_sum_and_one_over_midnight_has():
    early, late, next_day = Origin(day=737000), Origin(day=737365), Origin(day=737001)
    assert from_headers(early, early, late, late).calcium_mass_mg is None
    assert from_headers(early, early, next_day, next_day).calcium_mass_mg == 35.0


def test_image_that_was_not_measured_contradicts_nothing():
    stranger = replace(
        FOUR[0],
        status="refused",
        code="BAC-VIEW-SPOT",
        reason="spot",
        bac_detected=None,
        origin=Origin(patient=b"two"),
    )
    named = [replace(each, origin=Origin(patient=b"one")) for each in FOUR]
    assert only([*named, stranger]).calcium_mass_mg == 35.0


def test_study_of_which_no_image_was_measured_is_an_exam_without_anything():
    refused = replace(FOUR[0], status="refused", code="BAC-VIEW-SPOT", reason="spot", bac_detected=None)
    exam = only([refused])
    assert (exam.calcium_mass_mg, exam.alarms, len(exam.missing_views)) == (None, (), 4)


HEX = "8269f5971eaca3e5d3772d1796e6bd7a"


def test_study_that_is_no_uid_makes_an_exam():
    exam = only([replace(each, study_instance_uid=HEX) for each in FOUR])
    assert (exam.study_instance_uid, exam.calcium_mass_mg) == (HEX, 35.0)


def test_studies_whose_text_is_not_shown_are_told_apart_all_the_same():
    both = [
        replace(each, study_instance_uid=None, origin=Origin(study=study))
        for study in (b"one", b"two")
        for each in FOUR
    ]
    assert [(exam.study_instance_uid, exam.calcium_mass_mg) for exam in build_exams(both)] == [
        (None, 35.0)
    ] * 2


@pytest.mark.parametrize("study", [HEX, "7", None])
def test_repeats_that_nothing_ties_to_one_woman_have_no_sum(study):
    repeated_view = [image("L", "CC", mass, uid=uid) for mass, uid in ((8.0, "1.1"), (16.0, "1.2"))]
    images = [replace(each, study_instance_uid=study) for each in (*repeated_view, *FOUR[1:])]
    exam = build_exam(images, study)
    assert exam.calcium_mass_mg is None
    assert [alarm.code for alarm in exam.alarms] == ["BAC-W-EXAM-UNTIED"]
    assert "LCC" in exam.alarms[0].text
    named = [replace(each, origin=Origin(patient=b"one")) for each in images]
    assert build_exam(named, study).breasts["L"].by_view["CC"].calcium_mass_mg == 12.0


def in_folders(*folders):
    return [
        replace(each, path=Path(folder) / f"{each.laterality}{each.view}.dcm", study_instance_uid=None)
        for folder in folders
        for each in FOUR
    ]


def test_images_of_one_folder_are_one_exam_where_that_is_asked_for():
    images = in_folders("a", "b/c")
    assert build_exams(images) == []
    exams = build_exams(images, per_folder=True)
    assert [(exam.folder, exam.study_instance_uid, exam.calcium_mass_mg) for exam in exams] == [
        ("a", None, 35.0),
        ("b/c", None, 35.0),
    ]
    # One folder can be written in two ways, and has one study where its images name one.
    named = [replace(each, study_instance_uid="1.2.3") for each in in_folders("a")]
    named[0] = replace(named[0], path=Path("./b/../a/LCC.dcm").absolute())
    (exam,) = build_exams(named, per_folder=True)
    assert (exam.study_instance_uid, exam.calcium_mass_mg) == ("1.2.3", 35.0)
    assert build_exams(FOUR, per_folder=True) == []


def test_folder_that_holds_several_studies_is_told():
    images = [replace(each, study_instance_uid=f"1.2.{place}") for place, each in enumerate(in_folders("a"))]
    (exam,) = build_exams(images, per_folder=True)
    assert (exam.study_instance_uid, exam.calcium_mass_mg) == (None, 35.0)
    assert [alarm.code for alarm in exam.alarms] == ["BAC-W-EXAM-STUDIES"]


def test_repeats_of_two_studies_in_one_folder_have_no_sum():
    twice = [
        replace(each, study_instance_uid=study, origin=Origin(patient=b"one"))
        for study in ("1.2", "1.3")
        for each in in_folders("a")
    ]
    twice[0] = replace(twice[0], calcium_mass_mg=9.0)
    (exam,) = build_exams(twice, per_folder=True)
    assert exam.calcium_mass_mg is None
    assert [alarm.code for alarm in exam.alarms] == ["BAC-W-EXAM-UNTIED", "BAC-W-EXAM-STUDIES"]


def test_exam_without_sum_is_read_back_as_it_was_written():
    first, second = Origin(patient=b"one"), Origin(patient=b"two")
    written = replace(from_headers(first, first, second, second), folder="a/b").to_dict()
    assert ExamResult.from_dict(written).to_dict() == written
    older = {name: value for name, value in written.items() if name not in ("folder", "groups")}
    assert ExamResult.from_dict(older).groups == ()


def test_studies_come_in_order_of_appearance_and_images_without_study_in_none():
    results = [
        image("L", "CC", 1.0, study="2"),
        image("L", "CC", 1.0, study="1"),
        image("L", "CC", 1.0, study=None),
        image("R", "CC", 1.0, study="2"),
    ]
    assert [(exam.study_instance_uid, len(exam.images)) for exam in build_exams(results)] == [
        ("2", 2),
        ("1", 1),
    ]
    assert build_exams([]) == []
