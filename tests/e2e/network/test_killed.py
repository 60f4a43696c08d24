"""A node that is killed in the middle of many exams loses nothing and doubles nothing."""

from __future__ import annotations

import sqlite3
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from pydicom.uid import SecondaryCaptureImageStorage

from bacctl.pacs.peers import Peer
from bacctl.pacs.sending import read_item, send

from .conftest import VIEWS, NodeProcess, Orthanc, until

KILLS = 3  # while they come in
QUIET_S = 3.0  # a node looks for what is due every half second


def write_exams(folder: Path, mammogram: Callable[..., bytes], exams: int) -> dict[Path, tuple[str, str]]:
    """Write exams of four views; their files with study and image."""
    files = {}
    for number in range(exams):
        for place, view in enumerate(VIEWS):
            study, image = f"2.25.{900 + number}", f"2.25.{900 + number}.{place}"
            path = folder / f"{image}.dcm"
            path.write_bytes(
                mammogram(
                    StudyInstanceUID=study,
                    SOPInstanceUID=image,
                    SeriesInstanceUID=f"{study}.9",
                    ImageLaterality=view[0],
                    ViewPosition=view[1:],
                    PatientID=f"PHANTOM-{number}",
                )
            )
            files[path] = (study, image)
    return files


@pytest.mark.parametrize("exams", [4, pytest.param(10, marks=pytest.mark.full)])
def test_kill_9(
    exams: int,
    orthanc: Orthanc,
    node: Callable[..., NodeProcess],
    small_mammogram: Callable[..., bytes],
    tmp_path: Path,
) -> None:
    files = write_exams(tmp_path, small_mammogram, exams)
    at_once = len(files) // KILLS  # not whole exams
    listening = node("--allow", "SENDER", "--to", orthanc.peer, "--objects", "sc", port=orthanc.node_port)
    peer = Peer("BACCTL", "127.0.0.1", listening.port)
    left = [read_item(path) for path in files]
    kills = 0
    while left:
        # As a sender does: whatever was not acknowledged is sent again.
        results = {sent.path: sent.outcome for sent in send(left[:at_once], peer, "SENDER")}
        assert set(results.values()) <= {"stored", "failed"}
        left = [item for item in left if results.get(item.path) != "stored"]
        if kills < KILLS and len(left) < len(files) - (at_once - 1) * (kills + 1):
            listening.kill()
            listening.start()
            kills += 1
    assert kills == KILLS
    until(listening.documents)
    listening.kill()  # and once more while exams are measured
    listening.start()

    studies = {study for study, _ in files.values()}

    def held() -> tuple[list[Path], dict[str, set[str]]]:
        return sorted(listening.out.iterdir()), {study: set(orthanc.instances(study)) for study in studies}

    def all_there() -> bool:
        documents, results = held()
        return len(documents) >= exams and all(len(found) >= 4 for found in results.values())

    until(all_there)
    # What is doubled comes late: nothing may come in a quiet time, in order or after one more start.
    time.sleep(QUIET_S)
    before = held()
    assert listening.end() == 0
    listening.start()
    time.sleep(QUIET_S)
    assert listening.end() == 0
    assert held() == before
    # Each exam once, each with its own four images, all of them measured.
    documents = listening.documents()
    assert Counter(doc["exams"][0]["study_instance_uid"] for doc in documents) == dict.fromkeys(studies, 1)
    for document in documents:
        study = document["exams"][0]["study_instance_uid"]
        expected = {image for one, image in files.values() if one == study}
        assert sorted(image["sop_instance_uid"] for image in document["images"]) == sorted(expected)
        assert {image["status"] for image in document["images"]} == {"ok"}
        # Exactly one result of each of its images in the archive: none was made or sent twice, or got lost.
        results = [orthanc.dataset(uid) for uid in before[1][study]]
        assert {result.SOPClassUID for result in results} == {SecondaryCaptureImageStorage}
        shown = [result.SourceImageSequence[0].ReferencedSOPInstanceUID for result in results]
        assert sorted(shown) == sorted(expected)
    # Nothing is owed any more; what the archive has it may not have committed itself to yet.
    with closing(sqlite3.connect(listening.folder / "queue" / "queue.sqlite")) as rows:
        states = {state for (state,) in rows.execute("SELECT state FROM delivery")}
        assert states <= {"done", "stored"}
        assert rows.execute("SELECT count(*), sum(dirty), max(revision) FROM exam").fetchall() == [
            (exams, 0, 1)
        ]
