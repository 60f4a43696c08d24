"""Results: what the server reports comes back unchanged, in the shape of the schema."""

import json
from dataclasses import FrozenInstanceError
from importlib import resources
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from bacctl import RefusedError, ServerTimeoutError
from bacctl.exam.build import build_exams
from bacctl.outputs.document import analysis_document
from bacctl.results import Beam, ImageResult, Notice, Vessel

REPORT = {
    "sop_instance_uid": "1.2.3.4",
    "study_instance_uid": "1.2.3",
    "laterality": "L",
    "view": "MLO",
    "rows": 3000,
    "columns": 2400,
    "status": "ok",
    "code": None,
    "reason": None,
    "warnings": [{"code": "BAC-W-LOSSY", "text": "the image was compressed with loss"}],
    "bac_detected": True,
    "bac_probability": 0.97,
    "probability_prevalence": 0.1,
    "min_probability": 0.5,
    "calcium_mass_mg": 3.5,
    "calcium_mass_interval_mg": [2.0, 6.0],
    "mass_basis": "calibrated",
    "mass_reference": "calcium",
    "area_mm2": 30.0,
    "length_mm": 25.0,
    "area_estimate": None,
    "breast_area_mm2": 15000.0,
    "area_percent_of_breast": 0.2,
    "length_mm_per_cm2_of_breast": 0.16667,
    "vessels": [
        {
            "length_mm": 25.0,
            "area_mm2": 30.0,
            "mean_width_mm": 1.2,
            "calcium_mass_mg": 3.5,
            "bbox_px": [10, 20, 300, 60],
            "probability": 0.95,
            "side": "upper",
            "depth": "middle",
            "nipple_distance_mm": 42.0,
        }
    ],
    "pixel_spacing_mm": [0.085, 0.0851],
    "spacing_source": "ImagerPixelSpacing",
    "magnification": 1.07,
    "magnification_source": "distances",
    "beam": {
        "anode": "W",
        "filter_material": "Rh",
        "filter_thickness_mm": 0.05,
        "kvp": 29.0,
        "thickness_mm": 55.0,
        "grid": True,
        "detector": "a-Se",
    },
    "timings_ms": {"preprocess": 10.0, "segment": 20.0, "quantify": 30.0},
    "device": {
        "manufacturer": "A",
        "model": "B",
        "software_versions": "1; 2",
        "detector_id_hash": "0123456789abcdef",
    },
    "nipple_px": [1500, 2000],
    "outline_source": "network",
}
SCHEMA = json.loads(resources.files("bacctl").joinpath("schema", "analysis-1.json").read_text())
SERVER = {"model": "ab" * 32, "triton": "2.51.0"}


def result():
    return ImageResult.from_report(REPORT, path=Path("a.dcm"), mask=np.zeros((3000, 2400), bool))


def validate(document):
    jsonschema.validate(document, SCHEMA, cls=jsonschema.Draft202012Validator)


def test_report_survives_the_round_trip():
    assert result().to_dict() == {**REPORT, "path": "a.dcm", "files": {}}


def test_report_becomes_typed_records():
    image = result()
    assert image.warnings == (Notice("BAC-W-LOSSY", "the image was compressed with loss"),)
    assert image.vessels == (Vessel(25.0, 30.0, 1.2, 3.5, (10, 20, 300, 60), 0.95, "upper", "middle", 42.0),)
    assert (image.probability_prevalence, image.min_probability) == (0.1, 0.5)
    assert image.beam == Beam("W", "Rh", 0.05, 29.0, 55.0, True, "a-Se")
    assert image.pixel_spacing_mm == (0.085, 0.0851)


def test_results_of_older_releases_are_read_as_they_were():
    """They have no operating point, and reported every find."""
    later = ("probability_prevalence", "min_probability")
    older = {name: value for name, value in result().to_dict().items() if name not in later}
    older["vessels"] = [{k: v for k, v in REPORT["vessels"][0].items() if k != "probability"}]
    document = analysis_document([result()], [], skipped=0, server=SERVER)
    document["images"] = [older]
    del document["software"]["probability_map"]
    validate(document)
    read = ImageResult.from_dict(older)
    assert (read.min_probability, read.probability_prevalence, read.vessels[0].probability) == (
        0.0,
        None,
        None,
    )
    refused = {**older, "status": "refused", "code": "BAC-VIEW-SPOT", "reason": "a spot view"}
    refused |= {"bac_detected": None, "calcium_mass_mg": None}
    assert ImageResult.from_dict(refused).min_probability is None


def test_keys_of_a_newer_server_are_left_out():
    newer = {**REPORT, "invented": 1, "beam": {**REPORT["beam"], "invented": 2}}
    assert ImageResult.from_report(newer, path=Path("a.dcm")) == result()


@pytest.mark.parametrize("report", [None, [], "ok", 1])
def test_what_is_no_report_is_told_as_any_wrong_value(report):
    for read in (ImageResult.from_report, ImageResult.from_dict):
        with pytest.raises(ValueError, match="does not belong there"):
            read(report)


def test_results_are_frozen():
    with pytest.raises(FrozenInstanceError):
        result().calcium_mass_mg = 0.0


def test_schema_is_valid():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_document_follows_the_schema():
    refusal = RefusedError("BAC-VIEW-SPOT", "a spot view", sop_instance_uid="1.2", study_instance_uid="1.2.3")
    failure = ServerTimeoutError("BAC-SERVER-TIMEOUT", "too slow")
    images = [result(), ImageResult.from_error(refusal, path=Path("b.dcm")), ImageResult.from_error(failure)]
    document = analysis_document(images, build_exams(images), skipped=2, server=SERVER)
    validate(json.loads(json.dumps(document)))
    assert [image["status"] for image in document["images"]] == ["ok", "refused", "failed"]
    assert document["exams"][0]["breasts"]["L"]["mass_views"] == ["MLO"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("bac_detected", None),
        ("bac_probability", 1.5),
        ("min_probability", 1.5),
        ("calcium_mass_mg", -1.0),
        ("code", "BAC-VIEW-SPOT"),
        ("laterality", "B"),
        ("pixel_spacing_mm", [0.1]),
        ("mass_basis", "guessed"),
    ],
)
def test_schema_catches(name, value):
    images = [result()]
    document = analysis_document(images, [], skipped=0, server=SERVER)
    document["images"][0][name] = value
    with pytest.raises(jsonschema.ValidationError):
        validate(document)


def test_what_was_not_assessed_is_null_and_not_zero():
    image = ImageResult.from_error(RefusedError("BAC-FILE-EMPTY", "the file holds no bytes")).to_dict()
    measured = ("bac_detected", "bac_probability", "calcium_mass_mg", "area_mm2", "length_mm", "rows")
    assert all(image[name] is None for name in measured)
