"""From files to a report on the real server: what is counted is what is in the files."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pydicom
import pytest
from pyarrow import parquet
from tests.e2e.archive.small_archive import BACCTL
from tests.faults.images import damage, make_images

from bacctl.server.embedded import EmbeddedServer

VIEWS = (("L", "CC"), ("L", "MLO"), ("R", "CC"), ("R", "MLO"))


def test_from_scan_to_report(server: EmbeddedServer, tmp_path: Path) -> None:
    paths = make_images(tmp_path / "images", 8)
    for number, path in enumerate(paths):
        ds = pydicom.dcmread(path)
        woman = number // 4
        ds.ImageLaterality, ds.ViewPosition = VIEWS[number % 4]
        if "ViewCodeSequence" in ds:
            del ds.ViewCodeSequence
        ds.StudyInstanceUID, ds.PatientID = f"1.2.826.0.1.3680043.8.498.{woman + 1}", f"woman {woman}"
        ds.PatientAge, ds.StudyDate, ds.AcquisitionDate = f"0{52 + 10 * woman}Y", "20230517", "20230517"
        ds.save_as(path)
    (tmp_path / "images" / "copy.dcm").write_bytes(paths[0].read_bytes())
    damage(paths[:1], tmp_path / "images")

    def bacctl(*arguments: object) -> str:
        ended = subprocess.run(
            [BACCTL, "archive", *map(str, arguments)],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=240,
        )
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    bacctl("scan", "images", "--out", "manifest.parquet")
    bacctl("run", "manifest.parquet", "--out", "run", "--url", server.url)
    document = json.loads(bacctl("report", "run", "--out", "report", "--min-cell", 1, "--json"))
    assert document["rows"]["read"] == 10
    assert document["rows"]["repeated"] == 1
    counts = {row["what"]: row["count"] for row in document["tables"]["analysed"]}
    assert (counts["images"], counts["images measured"], counts["images refused"]) == (9, 8, 1)
    assert counts["women with an answer, each by her latest such exam"] == 2
    prevalence = {row["age_band"]: (row["women"], row["found"]) for row in document["tables"]["prevalence"]}
    # Every image shows two calcified arteries.
    assert prevalence == {"50-54": (1, 1), "60-64": (1, 1), "all": (2, 2)}
    # Cut out of larger ones, so that their size is unusual and no mass is called calibrated.
    classes = {row["mass_class"]: row["women"] for row in document["tables"]["mass_classes"]}
    assert {name: women for name, women in classes.items() if women} == {"estimated mass only: BAC found": 2}
    assert document["tables"]["mass"] == []
    merged = tmp_path / "merged.parquet"
    bacctl("merge", "run", "--out", merged)
    rows = parquet.read_table(merged).to_pylist()
    areas = {row["sop_instance_uid"]: row["area_mm2"] for row in rows if row["status"] == "ok"}
    own = [
        sum(areas[pydicom.dcmread(path).SOPInstanceUID] for path in four) / 2
        for four in (paths[:4], paths[4:])
    ]
    found = {row["age_band"]: row["median"] for row in document["tables"]["area"]}
    assert [found["50-54"], found["60-64"]] == pytest.approx(own)
    assert {row["group"] for row in document["tables"]["drift"] if row["by"] == "month"} == {"2023-05"}
    page = (tmp_path / "report" / "report.html").read_text()
    assert "Research use only" in page
    assert "woman 0" not in page
