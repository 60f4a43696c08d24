"""``bacctl analyze`` from and into a real Orthanc by DICOMweb, and what its container entry point does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bac_terms.errors import FailedError
from bacctl.pacs.web import WebArchive
from bacctl.server.embedded import EmbeddedServer

from .conftest import VIEWS, Orthanc

BACCTL = Path(sys.executable).with_name("bacctl")
STUDY = "2.25.555"


def bacctl(*arguments: object, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [BACCTL, *map(str, arguments)],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=300,
    )


def write(mammogram: Callable[..., bytes], study: str) -> dict[str, bytes]:
    return {
        f"{study}.{number}": mammogram(
            StudyInstanceUID=study,
            SeriesInstanceUID=f"{study}.9",
            SOPInstanceUID=f"{study}.{number}",
            ImageLaterality=view[0],
            ViewPosition=view[1:],
            PatientID="PHANTOM",
        )
        for number, view in enumerate(VIEWS, 1)
    }


def test_a_study_is_fetched_measured_and_its_results_stored(
    orthanc: Orthanc, server: EmbeddedServer, small_mammogram: Callable[..., bytes], tmp_path: Path
) -> None:
    images = write(small_mammogram, STUDY)
    for data in images.values():
        orthanc.add(data)
    done = bacctl(
        "analyze",
        "--from-dicomweb",
        f"{orthanc.web}/studies/{STUDY}",
        "--to-dicomweb",
        orthanc.web,
        *("--save", "sc", "--out", tmp_path / "out", "--json", "--url", server.url),
    )
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert {image["sop_instance_uid"] for image in document["images"]} == set(images)
    made = set(orthanc.instances(STUDY)) - set(images)
    assert len(made) == 4
    # Fetched as it was stored: the same answer as for the files themselves.
    folder = tmp_path / "files"
    folder.mkdir()
    for uid, data in images.items():
        (folder / uid).write_bytes(data)
    files = json.loads(bacctl("analyze", folder, "--json", "--url", server.url).stdout)

    def masses(told: dict[str, Any]) -> dict[str, float]:
        return {image["sop_instance_uid"]: image["calcium_mass_mg"] for image in told["images"]}

    assert masses(document) == pytest.approx(masses(files))


def test_what_the_archive_does_not_have(orthanc: Orthanc, server: EmbeddedServer) -> None:
    done = bacctl("analyze", "--from-dicomweb", f"{orthanc.web}/studies/2.25.404", "--url", server.url)
    assert done.returncode == 1
    assert "BAC-PACS-INCOMPLETE: the study holds no mammogram" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_answer_that_was_cut_is_noticed(
    tmp_path: Path, small_mammogram: Callable[..., bytes], orthanc: Orthanc
) -> None:
    """Orthanc cuts lists at a limit of its own; its pages are all asked for."""
    limited = Orthanc(tmp_path / "limited")
    limited.start(LimitFindResults=3, LimitFindInstances=3)
    try:
        for data in write(small_mammogram, "2.25.556").values():
            limited.add(data)
        assert len(WebArchive(limited.web).images("2.25.556")) == 4
    finally:
        limited.stop()


def test_an_object_is_stored_once_and_a_bad_one_told(
    orthanc: Orthanc, small_mammogram: Callable[..., bytes]
) -> None:
    archive = WebArchive(orthanc.web, attempts=1)
    study = "2.25.557"
    data = small_mammogram(
        StudyInstanceUID=study, SeriesInstanceUID=f"{study}.9", SOPInstanceUID=f"{study}.1"
    )
    archive.store(data)
    archive.store(data)
    assert list(orthanc.instances(study)) == [f"{study}.1"]
    # Orthanc takes nothing without a series; the reason is in the body of its answer.
    with pytest.raises(FailedError, match="HTTP 400, reason C000H") as error:
        archive.store(small_mammogram(StudyInstanceUID=study, SOPInstanceUID=f"{study}.2"))
    assert error.value.code == "BAC-PACS-REFUSED"
    with pytest.raises(FailedError, match="BAC-PACS-UNREACHABLE"):
        WebArchive("http://127.0.0.1:9/dicom-web", attempts=1).store(data)


@pytest.mark.parametrize(
    "pair", [("MONAI_INPUTPATH", "MONAI_OUTPUTPATH"), ("MERCURE_IN_DIR", "MERCURE_OUT_DIR")]
)
def test_the_container_contract(
    pair: tuple[str, str], server: EmbeddedServer, small_mammogram: Callable[..., bytes], tmp_path: Path
) -> None:
    source, out = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    for uid, data in write(small_mammogram, "2.25.558").items():
        (source / f"{uid}.dcm").write_bytes(data)
    (source / "task.json").write_text("{}")  # mercure lays it beside the images
    done = bacctl(
        "container", "--save", "json,sc", BACCTL_URL=server.url, **{pair[0]: str(source), pair[1]: str(out)}
    )
    assert done.returncode == 0, done.stderr
    document = json.loads((out / "analysis.json").read_text())
    assert [image["status"] for image in document["images"]] == ["ok"] * 4
    assert document["exams"][0]["complete"]
    assert len(list(out.glob("*.dcm"))) == 4
