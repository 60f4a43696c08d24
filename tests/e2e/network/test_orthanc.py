"""The way of an exam: archive, node, server, and back into the archive beside the images."""

from __future__ import annotations

import io
from collections.abc import Callable

import pydicom
import requests

from .conftest import VIEWS, NodeProcess, Orthanc, until

STUDY = "2.25.4711"
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"


def add_exam(orthanc: Orthanc, mammogram: Callable[..., bytes], study: str) -> dict[str, bytes]:
    exam = {
        f"{study}.{number}": mammogram(
            StudyInstanceUID=study,
            SeriesInstanceUID=f"{study}.9",
            SOPInstanceUID=f"{study}.{number}",
            ImageLaterality=view[0],
            ViewPosition=view[1:],
            PatientID="PHANTOM",
            PatientName="Phantom",
            PatientSex="F",
            PatientBirthDate="19600101",
            StudyDate="20260101",
        )
        for number, view in enumerate(VIEWS, 1)
    }
    for data in exam.values():
        orthanc.add(data)
    return exam


def test_results_come_back_beside_the_images(
    orthanc: Orthanc, node: Callable[..., NodeProcess], mammogram: Callable[..., bytes]
) -> None:
    listening = node("--allow", "ORTHANC@127.0.0.1", "--to", orthanc.peer, port=orthanc.node_port)
    exam = add_exam(orthanc, mammogram, STUDY)
    orthanc.send(STUDY)
    (document,) = until(listening.documents)
    assert {image["sop_instance_uid"] for image in document["images"]} == set(exam)
    assert [image["status"] for image in document["images"]] == ["ok"] * 4

    # One Secondary Capture a view at the least, in the same study.
    until(lambda: list(orthanc.instances(STUDY).values()).count(SECONDARY_CAPTURE) == 4)
    until(lambda: "keeps" in listening.log.read_text())
    log = listening.log.read_text()
    assert "has lost 0" in log
    assert "Phantom" not in log
    made = {uid: kind for uid, kind in orthanc.instances(STUDY).items() if uid not in exam}
    for uid in made:
        found = requests.post(
            f"{orthanc.url}/tools/find",
            json={"Level": "Instance", "Query": {"SOPInstanceUID": uid}},
            timeout=60,
        ).json()
        data = requests.get(f"{orthanc.url}/instances/{found[0]}/file", timeout=60).content
        result = pydicom.dcmread(io.BytesIO(data))
        assert (result.PatientID, result.StudyInstanceUID) == ("PHANTOM", STUDY)
    assert listening.end() == 0
    # Nothing is owed any more, and the archive's own copy of results was not sent to be measured again.
    assert len(listening.documents()) == 1
