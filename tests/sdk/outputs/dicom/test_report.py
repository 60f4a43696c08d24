"""The structured report: its values are those of the JSON, its shape that of TID 1500."""

from __future__ import annotations

import io
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pydicom
import pytest
from pydicom.dataset import Dataset

pytest.importorskip("highdicom", reason="the extra dicom is not installed, or has no highdicom here")

from tests.sdk.outputs.dicom.tid1500 import faults
from tests.sdk.outputs.dicom.women import WEIGHTS, exam, mammogram, woman

from bacctl import ExamResult
from bacctl.outputs.dicom import Kind, make_objects

MASS, AREA, LENGTH = ("112199", "DCM"), ("112196", "DCM"), ("410668003", "SCT")


def report_of(given: ExamResult, kinds: tuple[Kind, ...] = ("seg", "sr")) -> Dataset:
    made = make_objects(given, kinds)[-1]
    assert (made.kind, made.image) == ("sr", None)
    return pydicom.dcmread(io.BytesIO(made.to_bytes()))


def groups(report: Dataset) -> dict[str, Dataset]:
    """Return the measurement groups by their tracking identifiers."""
    (measured,) = (item for item in report.ContentSequence if name(item) == ("126010", "DCM"))
    found = {}
    for group in measured.ContentSequence:
        (label,) = (item.TextValue for item in group.ContentSequence if name(item) == ("112039", "DCM"))
        assert label not in found
        found[label] = group
    return found


def name(item: Dataset) -> tuple[str, str]:
    code = item.ConceptNameCodeSequence[0]
    return code.CodeValue, code.CodingSchemeDesignator


def value(group: Dataset, concept: tuple[str, str]) -> tuple[float | None, str | None]:
    """Return a number and its unit, or (None, the qualifier)."""
    (item,) = (item for item in group.ContentSequence if item.ValueType == "NUM" and name(item) == concept)
    if not item.MeasuredValueSequence:
        return None, str(item.NumericValueQualifierCodeSequence[0].CodeValue)
    assert "NumericValueQualifierCodeSequence" not in item
    (measured,) = item.MeasuredValueSequence
    return measured.FloatingPointValue, measured.MeasurementUnitsCodeSequence[0].CodeValue


def said(group: Dataset, concept: str) -> list[str]:
    return [
        item.ConceptCodeSequence[0].CodeValue if item.ValueType == "CODE" else item.TextValue
        for item in group.ContentSequence
        if item.ValueType in ("CODE", "TEXT") and name(item)[0] == concept
    ]


def test_values_are_those_of_the_json(tmp_path: Path) -> None:
    given = woman(tmp_path)
    found = groups(report_of(given))
    document = given.to_dict()
    assert len(found) == 1 + 2 + 4 + 8
    total = found["exam"]
    assert value(total, MASS) == (document["calcium_mass_mg"], "mg")
    assert value(total, AREA) == (document["area_mm2"], "mm2")
    low, high = document["calcium_mass_interval_mg"]
    assert value(total, ("MASS-LOW", "99BACCTL")) == (low, "mg")
    assert value(total, ("MASS-HIGH", "99BACCTL")) == (high, "mg")
    (mass,) = (item for item in total.ContentSequence if item.ValueType == "NUM" and name(item) == MASS)
    spread = {
        name(item)[0]: item.MeasuredValueSequence[0].FloatingPointValue for item in mass.ContentSequence
    }
    assert spread == pytest.approx({"371886008": high - 9.9 * 2, "371885007": 9.9 * 2 - low})
    assert said(total, "MASS-CATEGORY") == [document["mass_category"]]
    for side in "LR":
        breast = document["breasts"][side]
        assert value(found[f"{side} breast"], MASS) == (breast["calcium_mass_mg"], "mg")
        assert value(found[f"{side} breast"], AREA) == (breast["area_mm2"], "mm2")
        assert said(found[f"{side} breast"], "MASS-BASIS") == ["CALIBRATED"]
    for number, image in enumerate(given.images, 1):
        view = found[f"{image.laterality} {image.view}, image {number}"]
        written = image.to_dict()
        assert value(view, MASS) == (written["calcium_mass_mg"], "mg")
        assert value(view, AREA) == (written["area_mm2"], "mm2")
        assert value(view, LENGTH) == (written["length_mm"], "mm")
        assert said(view, "111031") == ["399162004" if image.view == "CC" else "399368009"]
        (site,) = (item for item in view.ContentSequence if name(item) == ("363698007", "SCT"))
        side = site.ContentSequence[0].ConceptCodeSequence[0].CodeValue
        assert side == ("7771000" if image.laterality == "L" else "24028007")
        for place, vessel in enumerate(written["vessels"], 1):
            group = found[f"{image.laterality} {image.view}, image {number}, vessel {place}"]
            assert value(group, MASS) == (vessel["calcium_mass_mg"], "mg")
            assert value(group, AREA) == (vessel["area_mm2"], "mm2")
            assert value(group, LENGTH) == (vessel["length_mm"], "mm")
    for group in found.values():
        assert said(group, "121071") == ["129759000"]
        assert said(group, "111003") == ["0.1.0"]
        assert f"weights_sha256={WEIGHTS}" in said(group, "111002")


def test_a_mass_that_was_not_measured_has_a_qualifier_and_no_zero(tmp_path: Path) -> None:
    given = exam(tmp_path, mammogram("R", "MLO"), weighed=False)
    found = groups(report_of(given))
    for label in ("exam", "R breast", "R MLO, image 1", "R MLO, image 1, vessel 1"):
        assert value(found[label], MASS) == (None, "114007")
    view = found["R MLO, image 1"]
    # What the area says is never the measured mass.
    assert value(view, ("AREA-MASS", "99BACCTL")) == (4.5, "mg")
    assert value(view, ("AREA-MASS-LOW", "99BACCTL")) == (0.5, "mg")
    assert said(view, "WARNING")[0].startswith("BAC-W-MASS-NONE-PROCESSED: ")
    assert said(found["exam"], "MISSING-VIEW") == ["LCC", "LMLO", "RCC"]
    assert value(found["exam"], AREA) == (None, "114007")


def test_nothing_found_is_a_zero_that_was_measured(tmp_path: Path) -> None:
    found = groups(report_of(woman(tmp_path, found=False)))
    assert value(found["exam"], MASS) == (0.0, "mg")
    assert said(found["exam"], "705057003") == ["2667000"]
    assert said(found["exam"], "MASS-CATEGORY") == ["0"]


@pytest.mark.parametrize("weighed", [True, False])
@pytest.mark.parametrize("kinds", [("seg", "sr"), ("sr",)])
def test_rows_are_those_of_the_template(weighed: bool, kinds: tuple[Kind, ...], tmp_path: Path) -> None:
    report = report_of(woman(tmp_path, weighed=weighed), kinds)
    assert report.SOPClassUID == "1.2.840.10008.5.1.4.1.1.88.34"
    assert faults(report) == []


def test_the_check_of_rows_finds_faults(tmp_path: Path) -> None:
    report = report_of(woman(tmp_path))
    (measured,) = (item for item in report.ContentSequence if name(item) == ("126010", "DCM"))
    del measured.ContentSequence[0].ContentSequence[0]
    measured.ContentSequence[1].ContentSequence[0].RelationshipType = "CONTAINS"
    report.ContentSequence[0].ValueType = "TEXT"
    assert len(faults(report)) >= 4


def references(dataset: Dataset) -> Iterator[tuple[str, str]]:
    for item in dataset.get("ContentSequence", ()):
        for reference in item.get("ReferencedSOPSequence", ()):
            yield reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID
        yield from references(item)


def test_evidence_names_all_that_is_referred_to(tmp_path: Path) -> None:
    given = woman(tmp_path)
    objects = make_objects(given, ("seg", "sr"))
    report = objects[-1].dataset
    evidence = {
        (reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID)
        for study in report.CurrentRequestedProcedureEvidenceSequence
        for series in study.ReferencedSeriesSequence
        for reference in series.ReferencedSOPSequence
    }
    referred = set(references(report))
    assert referred == evidence
    made = {(made.dataset.SOPClassUID, made.sop_instance_uid) for made in objects if made.kind == "seg"}
    images = {image.sop_instance_uid for image in given.images}
    assert made < referred
    assert {uid for _, uid in referred - made} == images


@pytest.mark.skipif(shutil.which("dsrdump") is None, reason="dcmtk is not installed")
def test_dsrdump_reads_the_same_values(tmp_path: Path) -> None:
    given = woman(tmp_path / "in")
    made = make_objects(given, ("seg", "sr"))[-1]
    (tmp_path / "sr.dcm").write_bytes(made.to_bytes())
    dumped = subprocess.run(
        ["dsrdump", "+Pl", "+Pc", str(tmp_path / "sr.dcm")], capture_output=True, text=True, check=True
    )
    assert "error" not in dumped.stderr.lower()
    masses = [line for line in dumped.stdout.splitlines() if "112199,DCM" in line]
    numbers = [float(line.split('"')[3]) for line in masses]
    expected = [given.calcium_mass_mg, *(given.breasts[side].calcium_mass_mg for side in "LR")]  # type: ignore[index]
    for image in given.images:
        expected += [image.calcium_mass_mg, *(vessel.calcium_mass_mg for vessel in image.vessels)]
    assert numbers == pytest.approx(expected)
