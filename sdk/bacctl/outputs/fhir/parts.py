"""The pieces that FHIR resources are made of: codes, quantities, references, identifiers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bac_terms.identifiers import is_uid
from bac_terms.measured import Laterality

Json = dict[str, Any]

_SYSTEMS = {
    "DCM": "http://dicom.nema.org/resources/ontology/DCM",
    "SCT": "http://snomed.info/sct",
    "ABSENT": "http://terminology.hl7.org/CodeSystem/data-absent-reason",
    "CATEGORY": "http://terminology.hl7.org/CodeSystem/observation-category",
    "SECTION": "http://terminology.hl7.org/CodeSystem/v2-0074",
}
_UCUM = "http://unitsofmeasure.org"

REPORT = ("DCM", "126000", "Imaging Measurement Report")
GROUP = ("DCM", "125007", "Measurement Group")
FINDING = ("DCM", "121071", "Finding")
BREAST: Mapping[Laterality | None, tuple[str, str, str]] = {
    "L": ("SCT", "80248007", "Left breast structure"),
    "R": ("SCT", "73056007", "Right breast structure"),
    None: ("SCT", "76752008", "Breast structure"),
}


def concept(code: tuple[str, str, str]) -> Json:
    """Return a CodeableConcept: scheme, value, meaning."""
    scheme, value, meaning = code
    coding = {"system": _SYSTEMS[scheme], "code": value, "display": meaning}
    return {"coding": [coding], "text": meaning}


def words(text: str) -> Json:
    """Return a CodeableConcept of words alone, for what no code system has a term."""
    return {"text": text}


def quantity(value: float, unit: str) -> Json:
    """Return a Quantity with its UCUM unit."""
    return {"value": round(value, 6), "unit": unit, "system": _UCUM, "code": unit}


def interval(name: str, ends: tuple[float, float], unit: str) -> Json:
    """Return a component that holds a range."""
    return {
        "code": words(name),
        "valueRange": {"low": quantity(ends[0], unit), "high": quantity(ends[1], unit)},
    }


def absent(reason: str, meaning: str) -> Json:
    """Return why there is no value: never a zero."""
    return concept(("ABSENT", reason, meaning))


def category(scheme: str, code: str, meaning: str) -> Json:
    """Return a category."""
    return concept((scheme, code, meaning))


def uid_identifier(uid: str) -> Json:
    """Return a DICOM UID as an Identifier, by the rules of FHIR for them."""
    # Files from the field have other things in place of a UID, which are no OID either.
    return {"system": "urn:dicom:uid", "value": f"urn:oid:{uid}"} if is_uid(uid) else {"value": uid}


def reference(url: str) -> Json:
    """Return a Reference to a resource of the same bundle."""
    return {"reference": url}
