"""The bundle of an exam, after HL7's guide "DICOM SR to FHIR Resource Mapping", brought down to R4.

The guide is made for R5. R4 has no ImagingSelection, so that images are named by their UIDs in
``derivedFrom``; the rest of it holds: a measurement group is an Observation of category (125007, DCM,
"Measurement Group") whose value is the finding, its measurements are its members, the algorithm is a Device.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Sequence
from typing import Any

from bac_terms.notices import Notice
from bac_terms.report import ImageReport, Vessel
from bacctl.outputs.codes import AREA, LENGTH, MASS, VASCULAR_CALCIFICATION, VIEWS
from bacctl.outputs.exam_files import Choices, ExamFile
from bacctl.outputs.fhir.parts import (
    BREAST,
    FINDING,
    GROUP,
    REPORT,
    Json,
    absent,
    category,
    concept,
    interval,
    quantity,
    reference,
    uid_identifier,
    words,
)
from bacctl.outputs.uids import Shown, shown_uids
from bacctl.results import INTENDED_USE, ExamResult, ImageResult
from bacctl.results.exam import SIDES, BreastResult

Amount = tuple[tuple[str, str, str], str, str]

_AMOUNTS: Sequence[Amount] = (
    (MASS, "calcium_mass_mg", "mg"),
    (AREA, "area_mm2", "mm2"),
    (LENGTH, "length_mm", "mm"),
)
# Drawn at random, once: the namespace (RFC 9562, 5.5) that URLs of the same exam follow from every time.
_SPACE = uuid.UUID("5b1f1f5e-7c2b-5d0e-9a55-6f0f6c1f2b11")


def fhir_files(exam: ExamResult, kinds: Sequence[str], choices: Choices) -> Iterator[ExamFile]:
    """Make the bundle of one exam.

    Parameters
    ----------
    exam : ExamResult
        The exam; masks are not needed.
    kinds : sequence of str
        ("fhir",).
    choices : Choices
        Whether UIDs are changed.

    Yields
    ------
    ExamFile
        JSON.
    """
    shown = shown_uids(choices)
    text = json.dumps(bundle_of(exam, shown, deidentify=choices.deidentify), indent=1, allow_nan=False)
    yield ExamFile("fhir", ".fhir.json", f"{text}\n".encode(), stem=shown(exam.study_instance_uid))


def bundle_of(exam: ExamResult, shown: Shown, *, deidentify: bool = False) -> Json:
    """Return the bundle of an exam.

    Parameters
    ----------
    exam : ExamResult
        The exam.
    shown : callable
        From a UID to what stands in its place.
    deidentify : bool, optional
        Leave out which detector took the images.

    Returns
    -------
    dict
        A Bundle of type collection. It names no patient: who keeps it adds ``subject``, by the study's UID.
    """
    return _Maker(exam, shown, deidentify).bundle()


class _Maker:
    """One bundle in the making."""

    def __init__(self, exam: ExamResult, shown: Shown, deidentify: bool) -> None:
        self._exam = exam
        self._shown = shown
        self._deidentify = deidentify
        self._study = shown(exam.study_instance_uid)
        uids = (self._study, *(shown(image.sop_instance_uid) for image in exam.images))
        # The same exam has the same URLs every time; one without any UID has others than all else.
        self._seed = next((uid for uid in uids if uid), None) or str(uuid.uuid4())
        self._entries: list[Json] = []
        self._device = ""

    def bundle(self) -> Json:
        self._device = self._add("device", self._algorithm())
        results = [self._woman()]
        results += [self._breast(self._exam.breasts[side]) for side in SIDES]
        results += [self._image(number, image) for number, image in enumerate(self._exam.images, start=1)]
        # A report comes first: it is what a reader of the bundle begins with.
        self._add("report", self._report(results), first=True)
        return {"resourceType": "Bundle", "type": "collection", "entry": self._entries}

    def _add(self, name: str, resource: Json, *, first: bool = False) -> str:
        """Put a resource into the bundle and return its URL."""
        url = uuid.uuid5(_SPACE, f"{self._seed}/{name}").urn
        self._entries.insert(0 if first else len(self._entries), {"fullUrl": url, "resource": resource})
        return url

    def _algorithm(self) -> Json:
        told = [(name, value) for name, value in self._exam.software.items() if value]
        made: Json = {
            "resourceType": "Device",
            "deviceName": [{"name": "bacctl", "type": "model-name"}],
            "type": words(f"image analysis software, {INTENDED_USE}"),
        }
        if told:
            made["version"] = [
                {"type": words(_VERSIONS.get(name, name)), "value": value} for name, value in told
            ]
        return made

    def _report(self, results: Sequence[str]) -> Json:
        exam = self._exam
        conclusion = [f"{INTENDED_USE.capitalize()}, not for diagnosis."]
        if exam.mass_category is not None:
            conclusion.append(f"Calcium mass category {exam.mass_category} mg.")
        conclusion += [f"{notice.code}: {notice.text}." for notice in exam.alarms]
        made: Json = {
            "resourceType": "DiagnosticReport",
            "status": "preliminary",
            "category": [category("SECTION", "RAD", "Radiology")],
            "code": concept(REPORT),
            "result": [reference(url) for url in results],
            "conclusion": " ".join(conclusion),
        }
        if self._study:
            made["imagingStudy"] = [self._imaging_study()]
        return made

    def _imaging_study(self, image: str | None = None) -> Json:
        """Refer to the study by its UID, and to an image of it in words: R4 has no ImagingSelection."""
        made: Json = {"type": "ImagingStudy"}
        if self._study:
            made["identifier"] = uid_identifier(self._study)
        if image is not None:
            made["display"] = f"SOP Instance UID {image}"
        return made

    def _woman(self) -> str:
        exam = self._exam
        components = []
        if exam.mass_category is not None:
            components.append(_told("mass category, mg", exam.mass_category))
        components += [
            {"code": words(f"probability of mass category {name} mg"), "valueQuantity": quantity(share, "1")}
            for name, share in (exam.category_probabilities or {}).items()
        ]
        if exam.csbi_grade is not None:
            grade = "CSBI grade, estimated from counts"
            components.append({"code": words(grade), "valueInteger": exam.csbi_grade})
        if exam.area_class is not None:
            components.append(_told("area class, mm2", exam.area_class))
        members = [self._amount("woman", exam, amount, None) for amount in _AMOUNTS[:2]]
        return self._group("woman", exam.bac_detected, members, components, exam.alarms, side=None)

    def _breast(self, breast: BreastResult) -> str:
        name = f"breast/{breast.laterality}"
        members = [self._amount(name, breast, amount, breast.laterality) for amount in _AMOUNTS[:2]]
        components = [_told("basis of the mass", breast.mass_basis)]
        if breast.vessel_count is not None:
            count = "calcified stretches of artery"
            components.append({"code": words(count), "valueInteger": breast.vessel_count})
        return self._group(name, breast.bac_detected, members, components, (), side=breast.laterality)

    def _image(self, number: int, image: ImageResult) -> str:
        name = f"image/{number}"
        components = self._of_image(image)
        if image.status != "ok":
            components += [_told("status", image.status), _told("reason", f"{image.code}: {image.reason}")]
            return self._group(name, None, [], components, (), side=image.laterality, image=image)
        members = [self._amount(name, image, amount, image.laterality, image) for amount in _AMOUNTS]
        members += [
            self._vessel(f"{name}/{count}", image, vessel)
            for count, vessel in enumerate(image.vessels, start=1)
        ]
        return self._group(
            name, image.bac_detected, members, components, image.warnings, side=image.laterality, image=image
        )

    def _of_image(self, image: ImageResult) -> list[Json]:
        components = [_told("basis of the mass", image.mass_basis)]
        if image.view in VIEWS:
            components.append({"code": words("view"), "valueCodeableConcept": concept(VIEWS[image.view])})
        if image.bac_probability is not None:
            kind = "score" if image.probability_prevalence is None else "probability"
            components.append(
                {
                    "code": words(f"{kind} that the image shows calcification"),
                    "valueQuantity": quantity(image.bac_probability, "1"),
                }
            )
        device = image.device
        if device is not None:
            hashed = None if self._deidentify else device.detector_id_hash
            for title, value in (
                ("manufacturer of the unit", device.manufacturer),
                ("model of the unit", device.model),
                ("software of the unit", device.software_versions),
                ("hash of the detector's ID", hashed),
            ):
                if value is not None:
                    components.append(_told(title, value))
        return components

    def _vessel(self, name: str, image: ImageResult, vessel: Vessel) -> str:
        members = [self._amount(name, vessel, amount, image.laterality, image) for amount in _AMOUNTS]
        components = []
        for title, value in (
            ("side of the nipple", vessel.side),
            ("third of the depth", vessel.depth),
        ):
            if value is not None:
                components.append(_told(title, value))
        if vessel.nipple_distance_mm is not None:
            distance = quantity(vessel.nipple_distance_mm, "mm")
            components.append({"code": words("distance to the nipple"), "valueQuantity": distance})
        if vessel.probability is not None:
            share = quantity(vessel.probability, "1")
            components.append({"code": words("probability of a calcified artery"), "valueQuantity": share})
        return self._group(name, True, members, components, (), side=image.laterality, image=image)

    def _group(
        self,
        name: str,
        detected: bool | None,
        members: Sequence[str],
        components: Sequence[Json],
        notices: Sequence[Notice],
        *,
        side: Any,
        image: ImageResult | None = None,
    ) -> str:
        made = self._observation(FINDING, side, image)
        made["category"] = [*made["category"], category(*GROUP)]
        if detected is None:
            made["dataAbsentReason"] = absent("unknown", "Unknown")
        elif detected:
            made["valueCodeableConcept"] = concept(VASCULAR_CALCIFICATION)
        else:
            made["valueCodeableConcept"] = words("no vascular calcification found")
        if members:
            made["hasMember"] = [reference(url) for url in members]
        if components:
            made["component"] = list(components)
        if notices:
            made["note"] = [{"text": f"{notice.code}: {notice.text}"} for notice in notices]
        return self._add(name, made)

    def _amount(
        self,
        group: str,
        record: ImageReport | Vessel | BreastResult | ExamResult,
        amount: Amount,
        side: Any,
        image: ImageResult | None = None,
    ) -> str:
        code, name, unit = amount
        made = self._observation(code, side, image)
        value = getattr(record, name)
        bounds = getattr(record, "calcium_mass_interval_mg", None) if name == "calcium_mass_mg" else None
        if value is None:
            made["dataAbsentReason"] = absent("not-performed", "Not Performed")
        else:
            made["valueQuantity"] = quantity(value, unit)
        if bounds is not None:
            made["component"] = [interval("95 % interval", bounds, unit)]
        return self._add(f"{group}/{name}", made)

    def _observation(self, code: tuple[str, str, str], side: Any, image: ImageResult | None) -> Json:
        made: Json = {
            "resourceType": "Observation",
            "status": "preliminary",
            "category": [category("CATEGORY", "imaging", "Imaging")],
            "code": concept(code),
            "bodySite": concept(BREAST[side]),
            "device": reference(self._device),
        }
        uid = None if image is None else self._shown(image.sop_instance_uid)
        if self._study or uid:
            made["derivedFrom"] = [self._imaging_study(uid)]
        return made


_VERSIONS = {
    "bacctl": "version of bacctl",
    "model": "SHA-256 of the weights",
    "probability_map": "SHA-256 of the probability map",
}


def _told(name: str, value: str) -> Json:
    return {"code": words(name), "valueString": value}
