"""``bacctl archive scan`` of a real Orthanc by DICOMweb says what the files that were stored there say."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pydicom
import pytest

pytest.importorskip("pyarrow", reason="needs bacctl[archive]")

from bacctl.archive import storage
from bacctl.archive.manifest import Manifest, ManifestRow

from .conftest import VIEWS, Orthanc

BACCTL = Path(sys.executable).with_name("bacctl")
OF_FILES = ("uri", "size", "mtime_ns", "header_bytes", "header_sha256", "patient_key", "transfer_syntax")


def scan(source: object, out: Path) -> tuple[dict[str, object], dict[str | None, ManifestRow]]:
    done = subprocess.run(
        [BACCTL, "archive", "scan", str(source), "--out", str(out), "--json"],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    with Manifest(out) as manifest:
        return json.loads(done.stdout), {row.sop_instance_uid: row for _, row in manifest.read()}


def test_what_an_archive_lists_is_what_was_stored(
    tmp_path: Path, small_mammogram: Callable[..., bytes], orthanc: Orthanc
) -> None:
    limited = Orthanc(tmp_path / "limited")
    limited.start(LimitFindResults=2, LimitFindInstances=2)  # it then gives three, whatever the page
    folder = tmp_path / "files"
    folder.mkdir()
    try:
        for exam in range(5):
            study = f"2.25.77{exam}"
            for number, view in enumerate(VIEWS[: 4 if exam else 2], 1):
                data = small_mammogram(
                    StudyInstanceUID=study,
                    SeriesInstanceUID=f"{study}.9",
                    SOPInstanceUID=f"{study}.{number}",
                    ImageLaterality=view[0],
                    ViewPosition=view[1:],
                    PatientID=f"PHANTOM{exam}",
                    PatientAge="061Y",
                    StudyDate=f"2024020{exam + 1}",
                    PaddleDescription="SPOT" if (exam, number) == (4, 4) else "",
                )
                limited.add(data)
                (folder / f"{study}.{number}").write_bytes(data)
        told, there = scan(limited.web, tmp_path / "there.parquet")
        # What a run will read by these addresses: the images themselves.
        for uid, row in list(there.items())[:3]:
            data = storage.read(row.uri, 1 << 24)
            assert storage.stat(row.uri).size == len(data)
            stored = pydicom.dcmread(folder / str(uid))
            assert pydicom.dcmread(io.BytesIO(data)).PixelData == stored.PixelData
        assert not storage.exists(f"{next(iter(there.values())).uri}7")
    finally:
        limited.stop()
    told_here, here = scan(folder, tmp_path / "here.parquet")
    assert (told["images"], told["measurable"], told["studies"]) == (18, 17, 5)
    assert told["codes"] == told_here["codes"] == {"BAC-VIEW-SPOT": 1}
    assert told["tables"] == told_here["tables"]
    assert there.keys() == here.keys()
    for uid, row in there.items():
        for name in row.__slots__:
            if name not in OF_FILES:
                assert getattr(row, name) == getattr(here[uid], name), name
        assert (
            row.uri
            == f"{limited.web}/studies/{row.study_instance_uid}/series/{row.series_instance_uid}"
            + (f"/instances/{uid}")
        )
