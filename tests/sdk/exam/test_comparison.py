"""Change between two exams, against limits worked out by hand from the published reproducibility."""

import json
import math
from dataclasses import replace
from importlib import resources

import jsonschema
import pytest
from pydicom.dataset import Dataset

from bac_imaging.read.attributes.header import Header
from bacctl import RefusedError, compare_exams
from bacctl._origin import Origin, read_origin
from bacctl.exam.build import build_exam
from bacctl.outputs.document import comparison_document
from bacctl.results import ExamResult, ImageResult

SCHEMA = json.loads(resources.files("bacctl").joinpath("schema", "comparison-1.json").read_text())
VIEWS = ("LCC", "LMLO", "RCC", "RMLO")


def image(name, mass, area, *, study, basis="calibrated", half_mg=1.959964, **values):
    values = {
        "weights_sha256": "ab" * 32,
        "origin": Origin(taken=f"200{study}0101120000", patient=b"Ada"),
        **values,
    }
    return ImageResult(
        "ok",
        laterality=name[0],
        view=name[1:],
        study_instance_uid=study,
        sop_instance_uid=f"{study}.{VIEWS.index(name)}",
        rows=1,
        columns=1,
        bac_detected=bool(area),
        bac_probability=0.5,
        calcium_mass_mg=mass,
        calcium_mass_interval_mg=None if mass is None else (max(0.0, mass - half_mg), mass + half_mg),
        mass_basis="none" if mass is None else basis,
        area_mm2=area,
        **values,
    )


def exam(study, masses, areas=(8.0, 8.0, 8.0, 8.0), names=VIEWS, **values):
    shown = [image(*given, study=study, **values) for given in zip(names, masses, areas, strict=True)]
    return build_exam(shown, study)


PRIOR = exam("1", (10.0, 10.0, 10.0, 10.0))


def verdicts(comparison):
    both = comparison, comparison.breasts["L"], comparison.breasts["R"]
    return [each.calcium_mass_mg.verdict for each in both]


def test_limits_of_mass():
    # A view has 3.44 / sqrt(1 + 0.82^2) = 2.660 mg, so the difference of two breasts of two views each has as
    # much. With 1 mg from each interval: 1.96 sqrt(2.660^2 + 1 + 1) = 5.905 mg. For the woman the views'
    # spread is 2.660 sqrt(2) = 3.762 mg and each interval's 2 mg: 1.96 sqrt(3.762^2 + 4 + 4) = 9.225 mg.
    change = compare_exams(PRIOR, exam("2", (15.0, 15.0, 16.0, 16.0)))
    assert change.breasts["L"].calcium_mass_mg.limit == pytest.approx(5.905, abs=2e-3)
    assert change.calcium_mass_mg.limit == pytest.approx(9.225, abs=2e-3)
    assert (change.calcium_mass_mg.prior, change.calcium_mass_mg.current) == (20.0, 31.0)
    assert change.calcium_mass_mg.difference == 11.0
    assert verdicts(change) == ["progressed", "within_limit", "progressed"]
    back = compare_exams(exam("2", (15.0, 15.0, 16.0, 16.0)), PRIOR)
    assert verdicts(back) == ["regressed", "within_limit", "regressed"]


@pytest.mark.parametrize("header", [{"PatientSex": "M"}, {"PatientBirthDate": "19600102"}])
def test_sex_and_birth_date_tell_patients_apart(header):
    def of(study, **header):
        dataset = Dataset()
        for name, value in ({"PatientSex": "F", "PatientBirthDate": "19500102"} | header).items():
            setattr(dataset, name, value)
        return exam(study, (10.0,) * 4, origin=read_origin(Header(dataset)))

    assert compare_exams(of("1"), of("2")).calcium_mass_mg.verdict == "within_limit"
    with pytest.raises(RefusedError, match="BAC-COMPARE-PATIENT"):
        compare_exams(of("1"), of("2", **header))


def test_exam_of_two_visits_is_none():
    days = [Origin(day=day) for day in (737000, 737000, 737365, 737365)]
    images = [image(name, 10.0, 8.0, study="2", origin=day) for name, day in zip(VIEWS, days, strict=True)]
    for pair in ((PRIOR, build_exam(images, "2")), (build_exam(images, "2"), PRIOR)):
        with pytest.raises(RefusedError, match="BAC-COMPARE-EXAM"):
            compare_exams(*pair)


def test_patients_without_a_name_are_not_checked():
    def anonymous(study):
        dataset = Dataset()
        dataset.PatientID, dataset.AcquisitionDateTime = "ANON", f"200{study}0101120000"
        return exam(study, (10.0,) * 4, origin=read_origin(Header(dataset)))

    codes = [notice.code for notice in compare_exams(anonymous("1"), anonymous("2")).notices]
    assert codes == ["BAC-W-COMPARE-UNCHECKED"]


def test_single_view_has_a_wider_limit():
    # 1.96 sqrt(2 x 2.660^2 + 1 + 1) = 7.875 mg.
    one = compare_exams(
        exam("1", (10.0, 10.0), (8.0, 8.0), ("LCC", "RCC")),
        exam("2", (10.0, 10.0), (8.0, 8.0), ("LCC", "RCC")),
    )
    assert one.breasts["L"].calcium_mass_mg.limit == pytest.approx(7.875, abs=2e-3)


def test_view_of_another_basis_leaves_the_mass_to_the_other():
    mixed = [
        image(name, mass, 8.0, study="2", basis=basis)
        for name, mass, basis in zip(
            VIEWS,
            (14.0, 90.0, 10.0, 10.0),
            ("calibrated", "estimated", "calibrated", "calibrated"),
            strict=True,
        )
    ]
    change = compare_exams(PRIOR, build_exam(mixed, "2"))
    left = change.breasts["L"].calcium_mass_mg
    assert (left.prior, left.current, left.verdict) == (10.0, 14.0, "within_limit")
    # A single view left, as in the test above.
    assert left.limit == pytest.approx(7.875, abs=2e-3)
    assert change.calcium_mass_mg.difference == 4.0
    assert [notice.code for notice in change.notices] == ["BAC-W-COMPARE-BASIS"]


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"calcium_mass_mg": math.nan}, "no_mass"),
        ({"calcium_mass_interval_mg": (0.0, math.inf)}, "no_interval"),
        ({"area_mm2": math.nan}, "no_area"),
    ],
)
def test_what_is_no_number_gives_no_verdict(values, reason):
    broken = build_exam([replace(shown, **values) for shown in exam("2", (30.0,) * 4).images], "2")
    change = compare_exams(PRIOR, broken)
    found = change.area_mm2 if reason == "no_area" else change.calcium_mass_mg
    assert (found.verdict, found.reason, found.difference) == ("not_comparable", reason, None)


def test_limit_of_area():
    # Pairs (10, 14), (8, 8), (20, 16), (8, 8): (16/12 + 0 + 16/18 + 0) / 8 = 0.2778 mm2. Left: 12 to 18 mm2
    # on two views has a random part of sqrt(0.2778 x 30 / 2) = 2.041, times t = 2.776; outlines of 1/15 of
    # 12 and 18 mm2 give 1.442, times 1.96. Together 6.33 mm2. The woman: the right adds sqrt(0.2778 x 16 / 2)
    # to the random part, and outlines are those of 20 and 26 mm2.
    none = (None,) * 4
    change = compare_exams(exam("1", none, (10.0, 14.0, 8.0, 8.0)), exam("2", none, (20.0, 16.0, 8.0, 8.0)))
    assert change.breasts["L"].area_mm2.limit == pytest.approx(6.332, abs=2e-3)
    assert change.area_mm2.limit == pytest.approx(8.224, abs=2e-3)
    assert change.area_mm2.difference == 6.0
    assert change.area_mm2.verdict == "within_limit"
    grown = compare_exams(exam("1", none, (10.0, 14.0, 8.0, 8.0)), exam("2", none, (29.0, 31.0, 8.0, 8.0)))
    assert grown.breasts["L"].area_mm2.verdict == "progressed"


def test_nothing_found_twice_is_no_change():
    empty = (0.0,) * 4
    same = compare_exams(exam("1", empty, empty, half_mg=0.0), exam("2", empty, empty, half_mg=0.0))
    assert verdicts(same) == ["within_limit"] * 3
    assert same.area_mm2.verdict == "within_limit"
    assert same.notices == ()


def test_little_bac_where_none_was_found_is_told_apart_from_growth():
    empty = (0.0,) * 4
    change = compare_exams(exam("1", empty, empty, half_mg=0.0), exam("2", (2.0,) * 4, (4.0,) * 4))
    assert change.calcium_mass_mg.verdict == "within_limit"
    assert [notice.code for notice in change.notices] == ["BAC-W-COMPARE-DETECTION"]


@pytest.mark.parametrize(
    ("current", "reason", "code"),
    [
        (exam("2", (10.0,) * 4, basis="estimated"), "other_basis", ["BAC-W-COMPARE-BASIS"]),
        (exam("2", (None,) * 4), "no_mass", ["BAC-W-COMPARE-BASIS"]),
        (exam("2", (10.0, 10.0), (8.0, 8.0), VIEWS[:2]), "no_common_view", []),
        (
            build_exam(
                [
                    replace(shown, calcium_mass_interval_mg=None, study_instance_uid="2")
                    for shown in PRIOR.images
                ],
                "2",
            ),
            "no_interval",
            [],
        ),
    ],
)
def test_mass_that_cannot_be_compared_says_why(current, reason, code):
    change = compare_exams(PRIOR, current)
    assert change.calcium_mass_mg.verdict == "not_comparable"
    assert change.calcium_mass_mg.reason == reason
    assert change.calcium_mass_mg.difference is None
    if reason in ("no_mass", "no_common_view"):
        # What the exams have is not of the same views, and so not put side by side.
        assert (change.calcium_mass_mg.prior, change.calcium_mass_mg.current) == (None, None)
    assert [notice.code for notice in change.notices] == code


def test_area_without_two_pairs_of_views_has_no_limit():
    names = ("LCC", "LMLO", "RMLO")
    change = compare_exams(
        exam("1", (None,) * 3, (8.0,) * 3, names), exam("2", (None,) * 2, (9.0,) * 2, ("LCC", "RMLO"))
    )
    assert change.area_mm2.reason == "too_few_views"


def test_breast_without_bac_in_both_exams_needs_no_limit():
    names = ("LCC", "RCC")
    change = compare_exams(
        exam("1", (None,) * 2, (0.0, 8.0), names), exam("2", (None,) * 2, (0.0, 9.0), names)
    )
    assert change.breasts["L"].area_mm2.to_dict() == {
        "prior": 0.0, "current": 0.0, "difference": 0.0, "limit": 0.0,
        "verdict": "within_limit", "reason": None,
    }  # fmt: skip
    assert change.breasts["R"].area_mm2.reason == change.area_mm2.reason == "too_few_views"


def test_only_views_of_both_exams_are_compared():
    change = compare_exams(
        exam("1", (4.0, 9.0), (8.0, 8.0), ("LMLO", "RMLO")), exam("2", (1.0, 5.0, 1.0, 8.0))
    )
    assert change.breasts["L"].views == ("MLO",)
    assert (change.breasts["L"].calcium_mass_mg.prior, change.breasts["L"].calcium_mass_mg.current) == (
        4.0,
        5.0,
    )
    assert change.calcium_mass_mg.difference == 0.0
    assert [notice.code for notice in change.notices] == ["BAC-W-COMPARE-VIEWS"]


def test_view_without_mass_in_one_exam_is_left_out_and_told():
    change = compare_exams(PRIOR, exam("2", (None, 14.0, 10.0, 10.0)))
    assert change.breasts["L"].calcium_mass_mg.difference == 4.0
    assert change.breasts["L"].views == ("CC", "MLO")
    assert [notice.code for notice in change.notices] == ["BAC-W-COMPARE-VIEWS"]


def test_other_weights_or_release_are_told():
    weights = (
        exam(study, (10.0,) * 4, weights_sha256=digest * 32) for study, digest in (("1", "ab"), ("2", "cd"))
    )
    assert [notice.code for notice in compare_exams(*weights).notices] == ["BAC-W-COMPARE-SOFTWARE"]
    older = replace(PRIOR, software={"bacctl": "0.0.1", "model": None})
    assert [n.code for n in compare_exams(older, exam("2", (10.0,) * 4)).notices] == [
        "BAC-W-COMPARE-SOFTWARE"
    ]


@pytest.mark.parametrize("digests", [("ab", "ab", "ab", "cd"), (None,) * 4])
def test_mixed_or_unknown_weights_are_told(digests):
    names = zip(VIEWS, digests, strict=True)
    shown = [
        image(name, 10.0, 8.0, study="2", weights_sha256=digest and digest * 32) for name, digest in names
    ]
    change = compare_exams(PRIOR, build_exam(shown, "2"))
    assert [notice.code for notice in change.notices] == ["BAC-W-COMPARE-SOFTWARE"]
    back = compare_exams(build_exam(shown, "2"), replace(PRIOR, images=()))
    assert "BAC-W-COMPARE-SOFTWARE" in [notice.code for notice in back.notices]


def test_same_study_is_refused():
    with pytest.raises(RefusedError, match="BAC-COMPARE-SAME"):
        compare_exams(PRIOR, PRIOR)


def headed(**header):
    """Origin of an image with this header."""
    dataset = Dataset()
    for name, value in header.items():
        setattr(dataset, name, value)
    return read_origin(Header(dataset))


def test_other_patient_is_refused_and_not_named():
    women = [
        exam(study, (10.0,) * 4, origin=headed(PatientID=who))
        for study, who in (("1", "DOE^ADA"), ("2", "DOE^EVE"))
    ]
    with pytest.raises(RefusedError, match="BAC-COMPARE-PATIENT") as refusal:
        compare_exams(*women)
    assert "DOE" not in str(refusal.value)
    again = exam("2", (10.0,) * 4, origin=headed(PatientID="doe^ada "))
    assert compare_exams(women[0], again).breasts["L"].calcium_mass_mg.difference == 0.0


@pytest.mark.parametrize("mixed", ["1", "2"])
def test_exam_of_two_patients_is_refused(mixed):
    exams = [exam("1", (10.0,) * 4), exam("2", (10.0,) * 4)]
    both = exams[int(mixed) - 1]
    stranger = replace(both.images[0], origin=Origin(patient=b"Eve"))
    exams[int(mixed) - 1] = build_exam([stranger, *both.images[1:]], mixed)
    with pytest.raises(RefusedError, match="BAC-COMPARE-PATIENT"):
        compare_exams(*exams)


@pytest.mark.parametrize("origin", [None, Origin("20020101120000"), Origin(patient=b"Ada")])
def test_what_headers_do_not_tell_is_not_taken_for_checked(origin):
    change = compare_exams(PRIOR, exam("2", (10.0,) * 4, origin=origin))
    assert [notice.code for notice in change.notices] == ["BAC-W-COMPARE-UNCHECKED"]


@pytest.mark.parametrize("place", [0, 1])
def test_exam_with_a_failed_image_is_refused(place):
    exams = [exam("1", (10.0,) * 4), exam("2", (10.0,) * 4)]
    failed = ImageResult("failed", "BAC-SERVER-TIMEOUT", "too late")
    exams[place] = replace(exams[place], images=(*exams[place].images, failed))
    with pytest.raises(RefusedError, match=f"the {('prior', 'current')[place]} exam: an image"):
        compare_exams(*exams)


@pytest.mark.parametrize(
    "stray",
    [ImageResult("refused", "BAC-VIEW-SPOT", "a spot view", study_instance_uid="2"), ImageResult("ok")],
    ids=["refused", "of no study"],
)
def test_images_that_are_left_out_are_told(stray):
    current = exam("2", (10.0,) * 4)
    change = compare_exams(PRIOR, replace(current, images=(*current.images, stray)))
    assert [notice.code for notice in change.notices] == ["BAC-W-COMPARE-LEFT-OUT"]
    assert change.calcium_mass_mg.verdict == "within_limit"


def test_exams_in_the_wrong_order_are_told():
    years = [
        exam(study, (10.0,) * 4, origin=Origin(f"20{study}0101120000", patient=b"Ada"))
        for study in ("20", "18")
    ]
    assert [notice.code for notice in compare_exams(*years).notices] == ["BAC-W-COMPARE-ORDER"]
    assert compare_exams(*years[::-1]).notices == ()


@pytest.mark.parametrize(
    "current",
    [
        exam("2", (30.0,) * 4, weights_sha256="ab" * 32),
        exam("2", (None,) * 4),
        exam("2", (5.0,), (8.0,), ("LCC",)),
        exam("2", (90.0, 9.0, 0.0, 1.0)),
    ],
)
def test_document_follows_the_schema(current):
    document = comparison_document(compare_exams(PRIOR, current))
    jsonschema.validate(json.loads(json.dumps(document)), SCHEMA, cls=jsonschema.Draft202012Validator)
    assert document["intended_use"] == "research use only"


def test_saved_exam_compares_like_the_measured_one():
    current = exam("2", (15.0, 16.0, 30.0, 11.0), (20.0, 16.0, 8.0, 8.0))
    saved = [
        ExamResult.from_dict(json.loads(json.dumps(each.to_dict())), each.software)
        for each in (PRIOR, current)
    ]
    measured, read = compare_exams(PRIOR, current).to_dict(), compare_exams(*saved).to_dict()
    # A saved exam names nobody and no day; all else is the same.
    assert [notice["code"] for notice in read.pop("notices")] == ["BAC-W-COMPARE-UNCHECKED"]
    assert measured.pop("notices") == []
    assert read == measured
    assert saved[1].to_dict() == current.to_dict()
