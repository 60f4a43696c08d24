"""A node that is killed in the middle of ten exams loses nothing and doubles nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

from bacctl.pacs.peers import Peer
from bacctl.pacs.sending import read_item, send

from .conftest import VIEWS, NodeProcess, Orthanc, until

EXAMS = 10


def write_exams(folder: Path, mammogram: Callable[..., bytes]) -> dict[Path, tuple[str, str]]:
    """Write ten exams of four views; their files with study and image."""
    files = {}
    for number in range(EXAMS):
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


def test_kill_9(
    orthanc: Orthanc, node: Callable[..., NodeProcess], small_mammogram: Callable[..., bytes], tmp_path: Path
) -> None:
    files = write_exams(tmp_path, small_mammogram)
    listening = node("--allow", "SENDER", "--to", orthanc.peer, "--objects", "sc", port=orthanc.node_port)
    peer = Peer("BACCTL", "127.0.0.1", listening.port)
    left = [read_item(path) for path in files]
    kills = 0
    while left:
        # As a sender does: whatever was not acknowledged is sent again.
        results = {sent.path: sent.outcome for sent in send(left[:13], peer, "SENDER")}
        assert set(results.values()) <= {"stored", "failed"}
        left = [item for item in left if results.get(item.path) != "stored"]
        if kills < 3 and len(left) < len(files) - 12 * (kills + 1):
            listening.kill()
            listening.start()
            kills += 1
    assert kills == 3
    until(listening.documents)
    listening.kill()  # and once more while exams are measured
    listening.start()

    studies = {study for study, _ in files.values()}

    def settled() -> bool:
        documents = listening.documents()
        done = {document["exams"][0]["study_instance_uid"] for document in documents}
        return done == studies and all(len(orthanc.instances(study)) == 4 for study in studies)

    until(settled)
    assert listening.end() == 0
    # Each exam once, each with its own four images.
    documents = listening.documents()
    assert Counter(doc["exams"][0]["study_instance_uid"] for doc in documents) == dict.fromkeys(studies, 1)
    for document in documents:
        study = document["exams"][0]["study_instance_uid"]
        images = [image["sop_instance_uid"] for image in document["images"]]
        assert sorted(images) == sorted(image for one, image in files.values() if one == study)
    # Four results of each in the archive, and no more: no result was made or sent twice.
    assert {study: len(orthanc.instances(study)) for study in studies} == dict.fromkeys(studies, 4)
