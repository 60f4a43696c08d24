"""``bacctl archive scan`` as it is called."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pydicom
import pytest

pytest.importorskip("pyarrow", reason="needs bacctl[archive]")

BACCTL = Path(sys.executable).with_name("bacctl")


def bacctl(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [BACCTL, "archive", "scan", *map(str, arguments)], capture_output=True, text=True, timeout=120
    )


@pytest.mark.slow
def test_tables_document_and_exit_codes(tmp_path: Path) -> None:
    root, out = tmp_path / "root", tmp_path / "new" / "manifest.parquet"
    root.mkdir()
    image = pydicom.Dataset()
    image.file_meta = pydicom.dataset.FileMetaDataset()
    image.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1"
    image.SOPClassUID, image.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.1.2", "1.2.3.4.5.6.7"
    image.Modality, image.Manufacturer = "MG", "ACME[red]"
    image.PixelData = bytes(2)
    image["PixelData"].VR = "OW"
    image.save_as(root / "odd\nname.dcm", enforce_file_format=True)
    done = bacctl(root, "--out", out)
    assert done.returncode == 0, done.stderr
    assert "ACME[red]" in done.stdout
    assert "1 image not to be measured, BAC-DIMENSIONS" in done.stdout
    assert "Research use only" in done.stdout
    assert out.exists()
    assert done.stderr == ""

    # What could not be looked into is named, and the rest is there.
    (root / "lost.dcm").symlink_to(root / "nowhere")
    done = bacctl(root, "--out", out, "--json")
    assert done.returncode == 1
    assert done.stderr == f"{root}/lost.dcm: BAC-FILE-UNREADABLE: the link leads nowhere\n"
    document = json.loads(done.stdout)
    assert (document["images"], document["faults"]["count"]) == (1, 1)

    # A manifest is a source; what is none is one line.
    assert "1 image of 0 studies" in bacctl(out, "--out", tmp_path / "again.parquet").stdout
    for source, code, text in (
        (tmp_path / "none", 1, "BAC-FILE-UNREADABLE"),
        ("ftp://host/root", 1, "are not read"),
        ("https://user:secret@host/dicom-web", 2, "an address shows in lists of processes"),
    ):
        done = bacctl(source, "--out", tmp_path / "no.parquet")
        assert (done.returncode, done.stderr.count("\n")) == (code, 1), done.stderr
        assert text in done.stderr
        assert "secret" not in done.stderr
    assert not (tmp_path / "no.parquet").exists()
