"""The tables of a report, counted by hand over rows that the product itself made."""

from __future__ import annotations

import csv
import json
import random
import re
from pathlib import Path
from typing import Any

import pytest
from pyarrow import parquet
from tests.sdk.archive.conftest import Call
from tests.sdk.archive.made_rows import VIEWS, Rows, found, without_mass
from tests.sdk.archive.report.conftest import Summary
from tests.sdk.archive.report.synthetic import Archive, write

from bac_terms.errors import RefusedError
from bacctl.archive import storage
from bacctl.archive.parts import PART_SCHEMA
from bacctl.archive.report import exams
from bacctl.archive.report.exams import exam_record
from bacctl.archive.report.make import collected
from bacctl.archive.report.source import Source
from bacctl.exam.build import build_exams
from bacctl.results import ImageResult


@pytest.fixture
def archive(rows: Rows, tmp_path: Path) -> Path:
    """Six women and what goes wrong in archives."""
    rows.woman("1.1", (8.0, 12.0, 20.0, 30.0), patient_key="w1", age_band="50-54", month="2023-01")
    rows.woman("1.2", patient_key="w2", age_band="50-54", month="2023-01")
    for name, area in zip(VIEWS, (4.0, 6.0, 0.0, 0.0), strict=True):
        rows.add(name, "1.3", patient_key="w3", age_band="60-64", month="2023-02", **without_mass(area))
    rows.add("LCC", "1.4", patient_key="w4", **found(3.0))  # one breast alone, nobody knows when
    rows.woman("1.5", (40.0,) * 4, patient_key="w5", age_band="60-64", month="2021-01")
    rows.woman("1.6", patient_key="w5", age_band="65-69", month="2023-02")
    rows.woman("1.7", age_band="60-64", month="2023-02")  # of whom no header says who she is
    # The first image again: its file under another name, and measured alike from other bytes.
    first = rows.rows[0]
    rows.rows.append(
        {**first, "row": 100, "uri": "/again", "duplicate": "equal", "duplicate_of": first["uri"]}
    )
    rows.rows.append(
        {**first, "row": 101, "uri": "/other", "file_sha256": "f" * 64, "duplicate": "different"}
    )
    rows.add("LCC", "1.2", patient_key="w2", code="BAC-VIEW-SPOT")
    rows.add("LCC", "1.2", patient_key="w2", code="BAC-VIEW-SPOT")
    rows.add("LCC", "1.4", patient_key="w4", code="BAC-SERVER-TIMEOUT", status="failed")
    rows.add("LCC", None, patient_key="w6", warnings=[{"code": "BAC-W-STUDY-UNKNOWN", "text": "no study"}])
    return rows.write(tmp_path / "part.parquet")


def by(document: dict[str, Any], table: str, key: str, value: str) -> dict[str, dict[str, Any]]:
    return {row[key]: row[value] for row in document["tables"][table]}


def test_counts(archive: Path, report: Summary) -> None:
    document = report(archive, least=1)
    assert document["schema"] == "bacctl.archive-report/1"
    assert document["intended_use"] == "research use only"
    assert document["rows"] == {"read": 31, "other_measurer": 0, "repeated": 2}
    counts = by(document, "analysed", "what", "count")
    assert [counts[f"images{word}"] for word in ("", " measured", " refused", " failed")] == [29, 26, 2, 1]
    assert counts["images in no exam, since no header names their study"] == 1
    assert counts["exams (studies)"] == 7
    assert counts["women"] == 7
    assert counts["women with an answer, each by her latest such exam"] == 5
    assert by(document, "codes", "code", "images") == {
        "BAC-VIEW-SPOT": 2,
        "BAC-SERVER-TIMEOUT": 1,
        "BAC-W-STUDY-UNKNOWN": 1,
    }
    assert by(document, "unanswered", "why", "exams") == {"a breast without an accepted image": 1}


def test_a_woman_counts_once_by_her_latest_exam(archive: Path, report: Summary) -> None:
    document = report(archive, least=1)
    prevalence = {row["age_band"]: (row["women"], row["found"]) for row in document["tables"]["prevalence"]}
    assert prevalence == {"50-54": (2, 1), "60-64": (2, 1), "65-69": (1, 0), "all": (5, 2)}
    share = document["tables"]["prevalence"][-1]
    # Wilson by its formula, with z^2 = 3.8415: (2 + z2/2 -+ z sqrt(2 * 3 / 5 + z2/4)) / (5 + z2)
    z2 = 3.841459
    reach = (z2 * (2 * 3 / 5 + z2 / 4)) ** 0.5
    assert share["low"] == pytest.approx((2 + z2 / 2 - reach) / (5 + z2), rel=1e-5)
    assert share["high"] == pytest.approx((2 + z2 / 2 + reach) / (5 + z2), rel=1e-5)


def test_masses_are_calibrated_and_those_without_stand_apart(archive: Path, report: Summary) -> None:
    document = report(archive, least=1)
    # w1: (8 + 12) / 2 + (20 + 30) / 2 = 35 mg, and half as many mm2. w3: (4 + 6) / 2 = 5 mm2.
    classes = by(document, "mass_classes", "mass_class", "women")
    assert classes == {
        "0": 3,
        "0-20": 0,
        "20-40": 1,
        "40-60": 0,
        "60-80": 0,
        ">80": 0,
        "no mass (images made for viewing, film): BAC found": 1,
    }
    assert by(document, "mass_classes", "mass_class", "share")["20-40"] == 0.25
    assert by(document, "area_classes", "area_class", "women") == {"0": 3, "0-10": 1, "10-25": 1, ">25": 0}
    assert document["tables"]["mass"][-1] == {
        "age_band": "all",
        "women": 1,
        "quarter": 35.0,
        "median": 35.0,
        "three_quarters": 35.0,
        "nine_tenths": 35.0,
        "withheld": [],
    }
    assert by(document, "area", "age_band", "median") == {"50-54": 17.5, "60-64": 5.0, "all": 11.25}


def test_a_study_whose_headers_contradict_each_other_has_no_answer(
    rows: Rows, report: Summary, tmp_path: Path
) -> None:
    rows.woman("1.1", (30.0,) * 4, patient_key="w1", scan_warnings="BAC-W-EXAM-MIXED")
    rows.woman("1.2", patient_key="w2")
    document = report(rows.write(tmp_path / "part.parquet"), least=1)
    assert by(document, "unanswered", "why", "exams") == {"BAC-W-EXAM-MIXED": 1}
    assert by(document, "prevalence", "age_band", "found") == {"unknown": 0, "all": 0}
    assert by(document, "mass_classes", "mass_class", "women")["20-40"] == 0
    assert by(document, "codes", "code", "images") == {"BAC-W-EXAM-MIXED": 4}


def test_unknown_is_a_group_of_its_own(rows: Rows, tmp_path: Path, report: Summary) -> None:
    for number in range(3):
        rows.woman(f"1.{number}")
    document = report(rows.write(tmp_path / "part.parquet"), least=1)
    assert by(document, "prevalence", "age_band", "women") == {"unknown": 3, "all": 3}
    assert [row["manufacturer"] for row in document["tables"]["units"]] == ["unknown"]
    months = {row["group"] for row in document["tables"]["drift"] if row["by"] == "month"}
    assert months == {"unknown"}


@pytest.mark.usefixtures("unplotted")
def test_small_counts_are_withheld_everywhere(archive: Path, call: Call, tmp_path: Path) -> None:
    code, out, _ = call("report", archive, "--out", "report", "--json")
    document = json.loads(out)
    assert code == 0
    assert document["min_cell"] == 11
    for name in ("prevalence", "mass_classes", "codes"):
        for row in document["tables"][name]:
            assert row["women"] in (None, 0), name
    with (tmp_path / "report" / "prevalence.csv").open() as file:
        cells = list(csv.DictReader(file))
    assert {cell["women"] for cell in cells} == {"withheld"}
    assert {cell["intended_use"] for cell in cells} == {"research use only"}
    page = (tmp_path / "report" / "report.html").read_text()
    assert "Counts below 11" in page
    assert "35.0" not in page


def test_other_weights_are_refused_or_left_out_by_name(
    rows: Rows, call: Call, report: Summary, tmp_path: Path
) -> None:
    rows.woman("1.1", weights_sha256="11" * 32)
    rows.woman("1.2", weights_sha256="11" * 32)
    rows.woman("1.3", weights_sha256="22" * 32)
    path = rows.write(tmp_path / "part.parquet")
    code, _, err = call("report", path, "--out", "report")
    assert code == 1
    assert "BAC-ARCHIVE-MIXED" in err
    assert "8 images: weights 111111111111" in err
    assert "4 images: weights 222222222222" in err
    assert not (tmp_path / "report").exists()
    document = report(path, weights="22", least=1)
    assert document["software"]["model"] == "22" * 32
    assert document["rows"] == {"read": 12, "other_measurer": 8, "repeated": 0}


@pytest.mark.usefixtures("unplotted")
def test_several_releases_of_the_server_are_told(
    rows: Rows, call: Call, report: Summary, tmp_path: Path
) -> None:
    for study, release in (("1.1", "0.2.0"), ("1.2", "0.1.0"), ("1.3", None)):
        before = len(rows.rows)
        rows.woman(study)
        for row in rows.rows[before:]:
            row["server_release"] = release
    path = rows.write(tmp_path / "part.parquet")
    assert report(path)["software"]["server_releases"] == ["0.1.0", "0.2.0", "not told"]
    assert call("report", path, "--out", "report")[0] == 0
    page = (tmp_path / "report" / "report.html").read_text("utf-8")
    assert "0.1.0, 0.2.0, not told: several, whose results need not be alike" in page


@pytest.mark.parametrize("column", ["settings_sha256", "map_sha256", "min_probability"])
def test_other_settings_are_refused(rows: Rows, report: Summary, tmp_path: Path, column: str) -> None:
    rows.woman("1.1")
    rows.woman("1.2")
    rows.rows[-1][column] = 0.5 if column == "min_probability" else "99" * 32
    with pytest.raises(RefusedError, match="measured in 2 ways"):
        report(rows.write(tmp_path / "part.parquet"))


def test_an_image_that_failed_once_and_was_measured_later_was_measured(
    rows: Rows, report: Summary, tmp_path: Path
) -> None:
    rows.woman("1.1")
    failed = Rows()
    failed.add("LCC", "1.1", code="BAC-SERVER-TIMEOUT", status="failed", weights_sha256=None)
    failed.add("LMLO", "1.1", code="BAC-SERVER-TIMEOUT", status="failed", weights_sha256=None)
    one, two = rows.write(tmp_path / "one.parquet"), failed.write(tmp_path / "two.parquet")
    document = report(one, two, least=1)
    counts = by(document, "analysed", "what", "count")
    assert (counts["images"], counts["images failed"]) == (4, 0)
    assert document["rows"]["repeated"] == 2


def test_an_age_is_that_of_the_younger_band_and_one_of_those_that_there_are(
    rows: Rows, report: Summary, tmp_path: Path
) -> None:
    for name, band in zip(VIEWS, ("40-44", "<40", "40-44", None), strict=True):
        rows.add(name, "1.1", age_band=band)
    rows.woman("1.2", age_band="fifty")
    document = report(rows.write(tmp_path / "part.parquet"), least=1)
    assert by(document, "prevalence", "age_band", "women") == {"<40": 1, "unknown": 1, "all": 2}


def test_images_without_study_and_refusals_alone_make_a_report(
    rows: Rows, report: Summary, tmp_path: Path
) -> None:
    rows.add("LCC", None, **found(3.0))
    rows.add("RCC", None, code="BAC-VIEW-SPOT")
    document = report(rows.write(tmp_path / "one.parquet"), least=1)
    assert by(document, "analysed", "what", "count")["exams (studies)"] == 0
    assert document["tables"]["prevalence"] == []
    assert document["tables"]["drift"] == []
    refused = Rows()
    refused.add("LCC", "1.1", code="BAC-VIEW-SPOT", weights_sha256=None)
    document = report(refused.write(tmp_path / "two.parquet"), least=1)
    assert document["software"]["model"] is None
    assert by(document, "unanswered", "why", "exams") == {"a breast without an accepted image": 1}


def test_what_lies_in_an_object_store_is_read(rows: Rows, tmp_path: Path, bucket: str) -> None:
    rows.woman("1.1", patient_key="w")
    storage.put(f"{bucket}/merged.parquet", rows.write(tmp_path / "part.parquet"))
    with collected(Source([f"{bucket}/merged.parquet"]), least=1) as made:
        assert made.rows.given == 4


def test_exams_are_those_of_the_exam_rules(rows: Rows) -> None:
    """Whatever a study holds, the rows give the exam that the results themselves give."""
    chance = random.Random(5)
    for study in range(80):
        for _ in range(chance.randint(1, 7)):
            told = found(chance.choice([0.0, 0.0, 5.0, 30.0, 60.0]))
            if chance.random() < 0.3:
                told = without_mass(told.get("area_mm2", 0.0))
            elif chance.random() < 0.3:
                told["mass_basis"] = "estimated"
            if chance.random() < 0.2:
                told["warnings"] = [
                    {"code": chance.choice(["BAC-W-PARTIAL-VIEW", "BAC-W-IMPLANT"]), "text": "why"}
                ]
            if chance.random() < 0.15:
                told["sop_instance_uid"] = f"9.{study}"
            told["patient_key"] = chance.choice(["a", "a", "a", "a", None, "b"])
            if chance.random() < 0.1:
                told = {"code": "BAC-VIEW-SPOT", "patient_key": "a"}
            rows.add(chance.choice([*VIEWS, "LXCCL", ""]), f"1.{study}", **told)
    compared = complete = 0
    for study in range(80):
        own = [row for row in rows.rows if row["study_instance_uid"] == f"1.{study}"]
        images = [ImageResult.from_dict(json.loads(row["analysis"])) for row in own]
        # The key of the patient is not in the document of an image.
        if len({row["patient_key"] for row in own if row["status"] == "ok"} - {None}) > 1:
            images = []
        record = exam_record(
            [{**row, "place": n, "finds": None, "woman": "w"} for n, row in enumerate(own)], []
        )
        if not images:
            assert record["why"] == "BAC-W-EXAM-MIXED"
            continue
        [exam] = build_exams(images)
        assert record["complete"] is exam.complete
        assert record["found"] == (exam.bac_detected if exam.complete else None)
        assert record["category"] == exam.mass_category
        assert record["mass_mg"] == exam.calcium_mass_mg
        assert (record["area_mm2"], record["area_class"]) == (exam.area_mm2, exam.area_class)
        compared += 1
        complete += exam.complete
    assert compared > 30
    assert complete > 15


def test_a_release_of_software_that_finds_more_is_told_in_words(report: Summary, tmp_path: Path) -> None:
    units = [("Maker", "One", "1.0"), ("Maker", "One", "1.0"), ("Maker", "One", "2.0")]
    path = write(
        tmp_path / "p.parquet",
        Archive(1440, 4, units=units, share=lambda month, unit: 0.36 if unit == 2 else 0.12),
    )
    document = report(path)
    [told] = [
        line for line in document["signals"] if "software Maker One, 2.0" in line and "Share of" in line
    ]
    assert re.search(r"above its limits \(3\d\.\d % in 480 exams; limits [\d.]+ % to 1\d\.\d %", told)
    assert "bacctl archive calibrate" in told
    states = {
        row["group"]: row["state"]
        for row in document["tables"]["drift"]
        if (row["by"], row["measure"]) == ("software", "found")
    }
    assert states == {"Maker One, 1.0": "below", "Maker One, 2.0": "above"}


def test_areas_that_drift_in_one_month_are_told(report: Summary, tmp_path: Path) -> None:
    path = write(
        tmp_path / "p.parquet",
        Archive(
            1680,
            6,
            share=lambda *_: 0.5,
            area=lambda month, _: 25.0 if month == "2023-04" else 10.0,
        ),
    )
    document = report(path, baseline=("2022-01", "2022-12"))
    assert document["baseline"] == ["2022-01", "2022-12"]
    told = [line for line in document["signals"] if "month 2023-04: above" in line]
    assert [line.split(" (")[0] for line in told] == [
        "Typical calcified area where BAC was found",
        "Typical calibrated calcium mass where BAC was found",
    ]


def test_a_baseline_without_exams_is_refused(archive: Path, report: Summary) -> None:
    with pytest.raises(RefusedError, match="2010-01 to 2010-12 hold 0 exams"):
        report(archive, baseline=("2010-01", "2010-12"))


def test_a_placeholder_for_a_study_is_nobodys_exam(
    rows: Rows, report: Summary, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exams, "MOST_IMAGES", 7)
    rows.woman("1.1", patient_key="w1")
    for number in range(2):
        rows.woman("0.0", (9.0,) * 4, patient_key=f"v{number}")
    document = report(rows.write(tmp_path / "part.parquet"), least=1)
    assert by(document, "unanswered", "why", "exams") == {exams.TOO_MANY: 1}
    counts = by(document, "analysed", "what", "count")
    assert (counts["exams (studies)"], counts["women"]) == (2, 3)
    assert by(document, "prevalence", "age_band", "women") == {"unknown": 1, "all": 1}


def test_nothing_is_told_where_nothing_drifts(report: Summary, tmp_path: Path) -> None:
    units = [("Maker", "One", "1.0"), ("Maker", "Two", "1.0")]
    document = report(write(tmp_path / "p.parquet", Archive(1200, 8, units=units)))
    # 0.4 points of 150 by chance, and runs of eight months now and then
    assert document["judged"] > 120
    assert len(document["signals"]) <= 3


@pytest.mark.usefixtures("unplotted")
def test_a_report_takes_the_place_of_a_report_alone(archive: Path, call: Call, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    code, _, err = call("report", archive, "--out", "mine")
    assert code == 1
    assert "BAC-ARCHIVE-OUTPUT" in err
    assert (tmp_path / "mine" / "notes.txt").read_text() == "mine"
    for _ in range(2):
        assert call("report", archive, "--out", "report")[0] == 0
    assert {path.name for path in tmp_path.iterdir()} == {"mine", "report", "part.parquet"}
    table = parquet.read_table(tmp_path / "report" / "mass_classes.parquet")
    assert table.schema.metadata[b"intended_use"] == b"research use only"


def test_what_is_no_part_is_said(call: Call, tmp_path: Path) -> None:
    (tmp_path / "empty.parquet").write_bytes(b"")
    (tmp_path / "folder").mkdir()
    parquet.write_table(PART_SCHEMA.empty_table(), tmp_path / "none.parquet")
    parquet.write_table(PART_SCHEMA.empty_table().drop_columns(["view"]), tmp_path / "short.parquet")
    data = (tmp_path / "none.parquet").read_bytes()
    start = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
    footer = bytes(value ^ 0xFF for value in data[start:-8])
    (tmp_path / "footer.parquet").write_bytes(data[:start] + footer + data[-8:])
    for place, said in (
        ("empty.parquet", "empty.parquet: is damaged, or no file of parts"),
        ("footer.parquet", "footer.parquet: is damaged, or no file of parts"),
        ("folder", "folder: is a folder without run.json"),
        ("none.parquet", "BAC-ARCHIVE-REPORT: what was given holds nothing"),
        ("short.parquet", "short.parquet: holds no parts that this release reads"),
        ("gone.parquet", "gone.parquet: does not exist"),
    ):
        code, out, err = call("report", place, "--out", "report")
        assert (code, out) == (1, ""), place
        assert said in err
        assert len(err.splitlines()) == 1
    assert not (tmp_path / "report").exists()
    assert call("report", "none.parquet", "--out", "r", "--baseline", "2023-06:2023-01")[0] == 2


def test_what_few_lack_is_withheld_with_its_rest(rows: Rows, report: Summary, tmp_path: Path) -> None:
    for number in range(30):
        rows.woman(f"1.{number}", patient_key=f"w{number}")
    for number in range(5):  # one breast alone
        rows.add("LCC", f"2.{number}", patient_key=f"v{number}", **found(3.0))
    counts = by(report(rows.write(tmp_path / "part.parquet")), "analysed", "what", "count")
    assert (counts["images"], counts["images measured"], counts["images failed"]) == (125, 125, 0)
    assert (counts["exams (studies)"], counts["women"]) == (35, 35)
    # 35 less 30 would be the five.
    assert counts["exams with an answer: each breast has an accepted CC or MLO image"] is None
    assert counts["women with an answer, each by her latest such exam"] is None
