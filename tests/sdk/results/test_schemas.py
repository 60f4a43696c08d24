"""The schemas that are checked in are those that the records make, and say what records are."""

import json
from importlib import resources

import jsonschema
import pytest

from bacctl import ExamResult, ImageResult
from bacctl.exam.build import build_exams
from bacctl.exam.comparison import compare_exams
from bacctl.outputs.document import analysis_document, comparison_document
from bacctl.results import BreastResult, ExamComparison
from bacctl.results.schemas import analysis_schema, comparison_schema, text_of
from bacctl.testing import make_report

FULL = {
    "calcium_mass_mg": 12.0,
    "calcium_mass_interval_mg": [8.0, 20.0],
    "bac_detected": True,
    "area_mm2": 30.0,
    "length_mm": 20.0,
    "warnings": [{"code": "BAC-W-LOSSY", "text": "a; b"}],
    "vessels": [
        {
            "length_mm": 20.0,
            "area_mm2": 30.0,
            "mean_width_mm": None,
            "calcium_mass_mg": 12.0,
            "bbox_px": [0, 1, 2, 3],
        }
    ],
    "beam": {"anode": "W", "kvp": 28.0, "grid": False, "filter_material": None},
}


def images(study="1.2.3", **more):
    return [
        ImageResult.from_report(
            make_report(**FULL, study_instance_uid=study, laterality=side, view=view, **more)
        )
        for side in "LR"
        for view in ("CC", "MLO")
    ]


@pytest.mark.parametrize(
    ("name", "made"), [("analysis-1.json", analysis_schema), ("comparison-1.json", comparison_schema)]
)
def test_checked_in_is_what_is_made(name, made):
    text = resources.files("bacctl").joinpath("schema", name).read_text(encoding="utf-8")
    assert text == text_of(made()), "run: python -m bacctl.results.schemas"
    jsonschema.Draft202012Validator.check_schema(json.loads(text))


def test_documents_follow_them():
    measured = images()
    document = analysis_document(measured, build_exams(measured), skipped=0, server=None)
    jsonschema.validate(json.loads(json.dumps(document)), analysis_schema())
    prior, current = (build_exams(images(study))[0] for study in ("1", "2"))
    document = comparison_document(compare_exams(prior, current))
    jsonschema.validate(json.loads(json.dumps(document)), comparison_schema())


def test_documents_of_before_still_follow_them():
    measured = images()
    document = json.loads(
        json.dumps(analysis_document(measured, build_exams(measured), skipped=0, server=None))
    )
    for exam in document["exams"]:
        del exam["folder"], exam["groups"]
    jsonschema.validate(document, analysis_schema())


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("area_mm2", -1.0),
        ("bac_probability", 1.5),
        ("laterality", "left"),
        ("rows", 0),
        ("reason", "two\nlines"),
        ("pixel_spacing_mm", [0.1]),
        ("pixel_spacing_mm", [0.1, 0.0]),
        ("magnification", 0),
        ("extra", 1),
        ("vessels", [{"length_mm": 1.0}]),
        ("code", "BAC-VIEW-SPOT"),  # of an image that is ok
    ],
)
def test_what_they_do_not_let_pass(field, value):
    image = {**images()[0].to_dict(), field: value}
    document = {**analysis_document([], [], skipped=0, server=None), "images": [image]}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, analysis_schema())


def test_round_trip_of_an_image():
    image = images()[0]
    assert ImageResult.from_dict(json.loads(json.dumps(image.to_dict()))) == image
    for broken in ({"area_mm2": float("nan")}, {"status": "perhaps"}, {"vessels": None}, {"code": "x"}):
        with pytest.raises(ValueError, match=r"\S"):
            ImageResult.from_dict({**image.to_dict(), **broken})
    with pytest.raises(ValueError, match="rows"):
        ImageResult.from_dict({name: value for name, value in image.to_dict().items() if name != "rows"})


def test_round_trip_of_an_exam():
    (exam,) = build_exams(images())
    software = {"bacctl": "1", "model": "ab" * 32}
    read = ExamResult.from_dict(json.loads(json.dumps(exam.to_dict())), software=software)
    assert read.to_dict() == exam.to_dict()
    assert (read.software, read.images) == (software, ())
    with pytest.raises(ValueError, match="breasts"):
        ExamResult.from_dict({name: v for name, v in exam.to_dict().items() if name != "breasts"})


def test_round_trip_of_a_comparison():
    prior, current = (build_exams(images(study))[0] for study in ("1", "2"))
    change = compare_exams(prior, current)
    read = ExamComparison.from_dict(json.loads(json.dumps(change.to_dict())))
    assert read.to_dict() == change.to_dict()
    assert read.calcium_mass_mg == change.calcium_mass_mg
    assert read.breasts == change.breasts
    # A document says nothing of the breasts of its exams.
    assert read.prior.breasts == {"L": BreastResult("L"), "R": BreastResult("R")}
    # With its head too.
    assert ExamComparison.from_dict(comparison_document(change)) == read
    for broken in ({"breasts": {}}, {"area_mm2": {}}, {"prior": None}):
        with pytest.raises(ValueError, match=r"\S"):
            ExamComparison.from_dict({**change.to_dict(), **broken})
