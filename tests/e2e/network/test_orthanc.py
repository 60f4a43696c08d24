"""The way of an exam: archive, node, server, and back into the archive beside the images."""

from __future__ import annotations

import copy
import io
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
import requests

from bac_phantom.qa import make_qa_phantom, qa_specs
from bacctl.pacs.web import WebArchive

from .conftest import VIEWS, NodeProcess, Orthanc, until

STUDY = "2.25.4711"
COMPREHENSIVE_SR = {"1.2.840.10008.5.1.4.1.1.88.33", "1.2.840.10008.5.1.4.1.1.88.34"}
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"


def add_exam(orthanc: Orthanc, study: str) -> set[str]:
    """Store four views of a phantom of 40 mg in the archive; return their SOP instances."""
    breast = pydicom.dcmread(io.BytesIO(make_qa_phantom(qa_specs()[10])))
    uids = set()
    for number, name in enumerate(VIEWS, 1):
        view = copy.deepcopy(breast)
        view.StudyInstanceUID, view.SeriesInstanceUID = study, f"{study}.9"
        view.SOPInstanceUID = view.file_meta.MediaStorageSOPInstanceUID = f"{study}.{number}"
        view.PatientID, view.PatientName = "PHANTOM", "Phantom^Anna"
        view.PatientSex, view.PatientBirthDate = "F", "19600101"
        view.StudyDate = view.AcquisitionDate = "20260101"
        view.ImageLaterality, view.ViewPosition = name[0], name[1:]
        if "ViewCodeSequence" in view:
            del view.ViewCodeSequence  # says CC
        if name[0] == "R":
            view.PixelData = np.ascontiguousarray(view.pixel_array[:, ::-1]).tobytes()
            view.PatientOrientation = ["P", "L"]
        stream = io.BytesIO()
        view.save_as(stream, enforce_file_format=True)
        orthanc.add(stream.getvalue())
        uids.add(str(view.SOPInstanceUID))
    return uids


def test_results_come_back_beside_the_images(
    orthanc: Orthanc,
    node: Callable[..., NodeProcess],
    tmp_path: Path,
) -> None:
    listening = node("--allow", "ORTHANC@127.0.0.1", "--to", orthanc.peer, port=orthanc.node_port)
    exam = add_exam(orthanc, STUDY)
    orthanc.send(STUDY)
    (document,) = until(listening.documents)
    assert {image["sop_instance_uid"] for image in document["images"]} == exam
    assert [image["status"] for image in document["images"]] == ["ok"] * 4

    # A report of the exam, and a Secondary Capture of each view, in the same study.
    until(lambda: Counter(orthanc.instances(STUDY).values())[SECONDARY_CAPTURE] == 4)
    until(lambda: COMPREHENSIVE_SR & set(orthanc.instances(STUDY).values()))
    until(lambda: "for good, and has lost 0" in listening.log.read_text())
    log = listening.log.read_text()
    assert "Phantom" not in log
    assert "PHANTOM" not in log
    archive = WebArchive(orthanc.web)
    made = []
    for series, uid in every_instance(orthanc, STUDY):
        if uid not in exam:
            archive.fetch(STUDY, series, uid, tmp_path / uid)
            made.append(pydicom.dcmread(tmp_path / uid))
    assert {(result.PatientID, result.StudyInstanceUID) for result in made} == {("PHANTOM", STUDY)}

    # What the report says, read by DICOMweb, is what the document says.
    (report,) = (result for result in made if result.SOPClassUID in COMPREHENSIVE_SR)
    told = masses_mg(report)
    (woman,) = document["exams"]
    assert woman["calcium_mass_mg"] > 0
    for mass in (
        woman["calcium_mass_mg"],
        *(breast["calcium_mass_mg"] for breast in woman["breasts"].values()),
        *(image["calcium_mass_mg"] for image in document["images"]),
    ):
        assert any(value == pytest.approx(mass, rel=1e-3) for value in told), (mass, told)

    assert listening.end() == 0
    # The archive's own copy of results was not sent to be measured again.
    assert len(listening.documents()) == 1


def every_instance(orthanc: Orthanc, study: str) -> list[tuple[str, str]]:
    rows = requests.get(
        f"{orthanc.web}/studies/{study}/instances",
        headers={"Accept": "application/dicom+json"},
        timeout=60,
    ).json()
    return [(row["0020000E"]["Value"][0], row["00080018"]["Value"][0]) for row in rows]


def masses_mg(item: pydicom.Dataset) -> list[float]:
    """Collect the values of "Mass of Vascular Calcification" (112199, DCM) of a report, at any depth."""
    found = []
    name = item.get("ConceptNameCodeSequence")
    if item.get("ValueType") == "NUM" and name[0].CodeValue == "112199" and item.MeasuredValueSequence:
        (measured,) = item.MeasuredValueSequence
        assert measured.MeasurementUnitsCodeSequence[0].CodeValue == "mg"
        found.append(float(measured.NumericValue))
    for below in item.get("ContentSequence", []):
        found += masses_mg(below)
    return found
