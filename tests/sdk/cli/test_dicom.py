"""``bacctl dicom`` with dcmtk's storescp as archive, and what it says of wrong usage."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pydicom
import pytest
from pydicom.dataset import FileMetaDataset
from pydicom.uid import (
    DigitalMammographyXRayImageStorageForPresentation,
    ExplicitVRLittleEndian,
    ParametricMapStorage,
)

pytest.importorskip("pynetdicom", reason="needs bacctl[dicom-network]")

from bacctl.cli import main
from bacctl.pacs import sending

BACCTL = Path(sys.executable).with_name("bacctl")


def bacctl(*arguments: object, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [BACCTL, *map(str, arguments)],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=120,
    )


def write(path: Path, uid: str, kind: str = DigitalMammographyXRayImageStorageForPresentation) -> Path:
    image = pydicom.Dataset()
    image.file_meta = FileMetaDataset()
    image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    image.SOPClassUID, image.SOPInstanceUID = kind, uid
    image.StudyInstanceUID, image.SeriesInstanceUID = "2.25.1", "2.25.2"
    image.PatientID, image.PatientName, image.Modality = "P", "Doe^Jane", "MG"
    image.save_as(path, enforce_file_format=True)
    return path


@pytest.fixture
def storescp(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """Run dcmtk's archive; give its address and the folder that it fills."""
    program = shutil.which("storescp")
    if program is None:
        pytest.skip("dcmtk is not installed")
    folder = tmp_path / "archive"
    folder.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    process = subprocess.Popen([program, "-aet", "ARCHIVE", "-od", folder, "+B", str(port)])
    for _ in range(300):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            break
        except OSError:
            time.sleep(0.1)
    yield f"ARCHIVE@127.0.0.1:{port}", folder
    process.kill()
    process.wait(30)


def test_files_are_sent_as_they_are(storescp: tuple[str, Path], tmp_path: Path) -> None:
    archive, folder = storescp
    exam = tmp_path / "exam"
    exam.mkdir()
    files = [write(exam / f"{number}.dcm", f"2.25.10{number}") for number in range(3)]
    assert bacctl("dicom", "echo", archive).returncode == 0
    done = bacctl("dicom", "send", exam, "--to", archive, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["stored"] == 3
    stored = {pydicom.dcmread(path).SOPInstanceUID: pydicom.dcmread(path) for path in folder.iterdir()}
    assert stored == {pydicom.dcmread(path).SOPInstanceUID: pydicom.dcmread(path) for path in files}


def test_one_that_cannot_be_sent_costs_no_other(storescp: tuple[str, Path], tmp_path: Path) -> None:
    archive, folder = storescp
    good = write(tmp_path / "good.dcm", "2.25.201")
    # dcmtk's archive takes no parametric maps, unless it is told to.
    map_ = write(tmp_path / "map.dcm", "2.25.202", "1.2.826.0.1.3680043.9.9999.1")
    text = tmp_path / "readme.txt"
    text.write_text("no DICOM")
    done = bacctl("dicom", "send", text, map_, good, "--to", archive, "--json")
    assert done.returncode == 1
    outcomes = {Path(file["path"]).name: file["outcome"] for file in json.loads(done.stdout)["files"]}
    assert outcomes == {"readme.txt": "failed", "map.dcm": "refused", "good.dcm": "stored"}
    assert len(list(folder.iterdir())) == 1
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 2
    assert "BAC-FILE-UNREADABLE" in lines[0]
    assert "BAC-PACS-REFUSED" in lines[1]
    assert "Doe" not in done.stdout + done.stderr


def test_a_parametric_map_is_offered(storescp: tuple[str, Path], tmp_path: Path) -> None:
    archive, _ = storescp
    done = bacctl(
        "dicom", "send", write(tmp_path / "map.dcm", "2.25.3", ParametricMapStorage), "--to", archive
    )
    assert done.returncode == 0, done.stderr


def test_nobody_there(tmp_path: Path) -> None:
    done = bacctl("dicom", "send", write(tmp_path / "a.dcm", "2.25.1"), "--to", "PACS@127.0.0.1:9")
    assert done.returncode == 1
    assert "BAC-PACS-UNREACHABLE" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["listen"], "nobody may send"),
        (["listen", "--allow", "A"], "results would go nowhere"),
        (["listen", "--allow", "A@", "--out", "x"], "names no host"),
        (["listen", "--allow", "A", "--to", "PACS"], "is no destination"),
        (["listen", "--allow", "A", "--out", "x", "--ae-title", "MORE-THAN-SIXTEEN-"], "is no AE title"),
        (["listen", "--allow", "A", "--out", "x", "--objects", "sr,xx"], "--objects xx: unknown"),
        (["listen", "--allow", "A", "--to", "http://u:p@h/dicom-web"], "by file or environment"),
        (["listen", "--allow", "A", "--to", "http://u:p@h/dicom-web?x"], "by file or environment"),
        (["send", "nowhere.dcm", "--to", "A@h:1"], "there is no such file"),
        (["echo", "A@h"], "is no destination"),
    ],
)
def test_wrong_usage_is_one_line(
    arguments: list[str],
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    # In this process: each of its own would import for two seconds first.
    monkeypatch.setattr(sending, "own_process", lambda: None)
    monkeypatch.setattr(sys, "argv", ["bacctl", "dicom", *arguments])
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as left:
        main()
    said = capfd.readouterr().err
    assert left.value.code == 2
    assert words in said
    assert len(said.strip().splitlines()) == 1
    assert "u:p" not in said


def test_a_token_is_not_sent_in_the_clear(tmp_path: Path) -> None:
    done = bacctl(
        *("dicom", "listen", "--allow", "A", "--to", "http://pacs.example/dicom-web"),
        *("--queue", tmp_path / "queue"),
        BACCTL_DICOMWEB_TOKEN="secret",
    )
    assert done.returncode == 2
    assert "without TLS" in done.stderr
    assert "secret" not in done.stderr
