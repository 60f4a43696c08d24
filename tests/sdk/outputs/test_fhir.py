"""The FHIR bundle, read by a library that holds every resource against HL7's definitions."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.sdk.outputs.conftest import SECRET, STUDY, Make

from bacctl.outputs.exam_files import Choices
from bacctl.outputs.fhir import bundle_of, fhir_files

DCM = "http://dicom.nema.org/resources/ontology/DCM"


def resources(bundle: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [e["resource"] for e in bundle["entry"] if e["resource"]["resourceType"] == kind]


def coded(observation: dict[str, Any]) -> tuple[str, str]:
    coding = observation["code"]["coding"][0]
    return coding["system"], coding["code"]


def bundle(exam: Any) -> dict[str, Any]:
    return bundle_of(exam, lambda uid: uid)


@pytest.mark.parametrize("views", [("LCC", "LMLO", "RCC", "RMLO"), ("LCC",)])
@pytest.mark.parametrize("refused", [None, "LCC"])
def test_it_follows_the_definitions(make_exam: Make, views: tuple[str, ...], refused: str | None) -> None:
    # R4B, the nearest that the library has: docs/outputs.md says what that means for R4.
    r4b = pytest.importorskip("fhir.resources.R4B.bundle")
    made = bundle(make_exam(views, refused=refused))
    r4b.Bundle.model_validate(json.loads(json.dumps(made)))


def test_the_same_values_with_the_codes_of_dicom(make_exam: Make) -> None:
    exam = make_exam()
    made = bundle(exam)
    [report] = resources(made, "DiagnosticReport")
    assert made["entry"][0]["resource"] is report
    assert report["code"]["coding"][0]["code"] == "126000"
    assert report["imagingStudy"][0]["identifier"] == {
        "system": "urn:dicom:uid",
        "value": f"urn:oid:{STUDY}",
    }
    masses = [o for o in resources(made, "Observation") if coded(o) == (DCM, "112199")]
    # The woman, two breasts, four images, four vessels.
    assert [o["valueQuantity"]["value"] for o in masses] == [20.0, 10.0, 10.0, *[10.0] * 8]
    assert {o["valueQuantity"]["code"] for o in masses} == {"mg"}
    areas = [o for o in resources(made, "Observation") if coded(o) == (DCM, "112196")]
    assert {o["valueQuantity"]["code"] for o in areas} == {"mm2"}
    [found] = {
        o["valueCodeableConcept"]["coding"][0]["code"]
        for o in resources(made, "Observation")
        if "valueCodeableConcept" in o
    }
    assert found == "129759000"
    ends = masses[3]["component"][0]["valueRange"]
    assert (ends["low"]["value"], ends["high"]["value"]) == (8.0, 12.5)


def test_every_reference_leads_somewhere(make_exam: Make) -> None:
    made = bundle(make_exam())
    urls = [entry["fullUrl"] for entry in made["entry"]]
    assert len(set(urls)) == len(urls)
    named = [part["reference"] for part in walk(made) if "reference" in part]
    assert named
    assert set(named) <= set(urls)
    assert bundle(make_exam()) == made  # twice the same


def walk(value: Any) -> list[dict[str, Any]]:
    if isinstance(value, list):
        return [found for part in value for found in walk(part)]
    if isinstance(value, dict):
        return [value, *(found for part in value.values() for found in walk(part))]
    return []


def test_what_was_not_assessed_is_absent_and_never_zero(make_exam: Make) -> None:
    exam = make_exam(calcium_mass_mg=None, calcium_mass_interval_mg=None, mass_basis="none")
    made = bundle(exam)
    masses = [o for o in resources(made, "Observation") if coded(o) == (DCM, "112199")]
    assert "valueQuantity" not in masses[0]
    assert masses[0]["dataAbsentReason"]["coding"][0]["code"] == "not-performed"


def test_it_names_nobody(make_exam: Make) -> None:
    [file] = fhir_files(make_exam(), ["fhir"], Choices())
    text = file.data.decode()
    assert SECRET not in text
    assert "1960" not in text
    assert "subject" not in text
    assert "esearch use only" in text
    assert (file.suffix, file.stem) == (".fhir.json", STUDY)
