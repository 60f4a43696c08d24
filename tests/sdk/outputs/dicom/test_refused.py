"""What no object can be made of, and what is left unsaid then."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pydicom
import pytest
from PIL import Image

pytest.importorskip("highdicom", reason="the extra dicom is not installed, or has no highdicom here")

from tests.sdk.outputs.dicom.women import exam, mammogram, result, woman

from bac_terms.errors import BacctlError
from bacctl.exam.build import build_exam
from bacctl.outputs.deidentify import Deidentifier
from bacctl.outputs.dicom import make_objects


@pytest.mark.parametrize("about", ["StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID"])
def test_header_without_an_identity(about: str, tmp_path: Path) -> None:
    given = exam(tmp_path, mammogram(without=(about,)))
    with pytest.raises(BacctlError, match=f"no valid {about}") as refusal:
        make_objects(given)
    assert refusal.value.code == "BAC-OUTPUT-HEADER"


def test_identifier_of_the_patient_that_cannot_be_written(tmp_path: Path) -> None:
    given = exam(tmp_path, mammogram(PatientID="JANE" * 20))
    with pytest.raises(BacctlError, match="no valid PatientID") as refusal:
        make_objects(given)
    assert "JANE" not in str(refusal.value)


@pytest.mark.parametrize(
    "without",
    [
        ("PatientOrientation",),
        ("PatientBirthDate", "PatientSex", "PatientName", "PatientID"),
        ("StudyDate", "StudyTime", "StudyID", "AccessionNumber", "ReferringPhysicianName"),
        ("BurnedInAnnotation",),
        ("SpecificCharacterSet", "ImageLaterality"),
    ],
)
def test_what_may_be_unknown_is_empty(without: tuple[str, ...], tmp_path: Path) -> None:
    header = {"PatientName": "Muller^Jane"} if "SpecificCharacterSet" in without else {}
    objects = make_objects(exam(tmp_path, mammogram(without=without, **header)))
    assert sorted(made.kind for made in objects) == ["pm", "pr", "sc", "seg", "sr"]
    for made in objects:
        dataset = pydicom.dcmread(io.BytesIO(made.to_bytes()))
        for about in without:
            if about.startswith(("Patient", "Study", "Acc", "Ref")):
                assert not dataset.get(about)


def test_image_that_is_no_dicom(tmp_path: Path) -> None:
    given = exam(tmp_path / "in", mammogram())
    path = tmp_path / "a.png"
    Image.new("L", (160, 240)).save(path)
    png = replace(given, images=(replace(given.images[0], path=path),))
    with pytest.raises(BacctlError, match=r"no DICOM object \(a\.png\)") as refusal:
        make_objects(png)
    assert refusal.value.code == "BAC-OUTPUT-NOT-DICOM"


@pytest.mark.parametrize(
    "other",
    [
        {"StudyInstanceUID": "1.2.826.0.1.7.77"},
        {"PatientID": "WOMAN-2"},
        {"PatientBirthDate": "19700102"},
    ],
)
def test_images_of_two_studies_or_women(other: dict[str, object], tmp_path: Path) -> None:
    for number, header in enumerate(({}, other)):
        (tmp_path / f"{number}.dcm").write_bytes(mammogram("LR"[number], **header))
    results = [result(tmp_path / f"{number}.dcm") for number in range(2)]
    # As --exam-per-folder does it, and as whoever calls it without origins.
    given = build_exam(results, "1.2.826.0.1.7.1", folder=str(tmp_path))
    with pytest.raises(BacctlError) as refusal:
        make_objects(given)
    assert refusal.value.code == "BAC-OUTPUT-MIXED"
    assert "WOMAN" not in str(refusal.value)


def test_file_that_is_another_one_now(tmp_path: Path) -> None:
    given = exam(tmp_path, mammogram())
    path = given.images[0].path
    assert path is not None
    path.write_bytes(mammogram(SOPInstanceUID="1.2.3.4.5"))
    with pytest.raises(BacctlError) as failure:
        make_objects(given)
    assert failure.value.code == "BAC-FILE-CHANGED"
    path.unlink()
    with pytest.raises(BacctlError) as failure:
        make_objects(given)
    assert failure.value.code == "BAC-FILE-UNREADABLE"


def test_files_can_be_given_as_bytes(tmp_path: Path) -> None:
    data = mammogram()
    given = exam(tmp_path, data)
    without = replace(given, images=(replace(given.images[0], path=None),))
    assert len(make_objects(without, files=[data])) == 5


def test_one_image_that_came_twice_is_written_once(tmp_path: Path) -> None:
    given = exam(tmp_path, mammogram(), mammogram())
    assert [made.image for made in make_objects(given, ("sc",))] == [0]


def test_an_exam_of_nothing_measured_has_no_objects(tmp_path: Path) -> None:
    given = exam(tmp_path, mammogram())
    failed = replace(given.images[0], status="refused", code="BAC-QC-IMAGE", reason="x")
    assert make_objects(replace(given, images=(failed,))) == []


IDENTIFYING = ("Müller", "Jane", "WOMAN-4711", "19600102", "20240506", "101112", "ACC-99", "House", "S77")


def test_deidentified_objects_name_nobody_and_still_fit_together(tmp_path: Path) -> None:
    given = woman(tmp_path, InstitutionName="St Elsewhere", FrameOfReferenceUID="1.2.826.0.1.7.9")
    sources = [pydicom.dcmread(image.path) for image in given.images if image.path is not None]
    names = ("SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID")
    uids = {str(source[name].value) for source in sources for name in names}
    objects = make_objects(given, deidentify=True)
    datasets = [pydicom.dcmread(io.BytesIO(made.to_bytes())) for made in objects]
    for made in objects:
        written = made.to_bytes()
        for text in (*IDENTIFYING, "Elsewhere", *uids):
            assert text.encode() not in written, (made.kind, text)
        assert made.source_uid not in uids
    for dataset in datasets:
        assert dataset.PatientIdentityRemoved == "YES"
        codes = [code.CodeValue for code in dataset.DeidentificationMethodCodeSequence]
        assert codes == ["113100", "113103", "113104", "113109"]
        assert dataset.file_meta.MediaStorageSOPInstanceUID == dataset.SOPInstanceUID
        assert dataset.PatientName
    for about in ("StudyInstanceUID", "PatientID"):
        assert len({str(dataset[about].value) for dataset in datasets}) == 1
    report = datasets[-1]
    made_uids = {str(dataset.SOPInstanceUID) for dataset in datasets}
    image_uids = {made.source_uid for made in objects if made.kind == "sc"}
    for element in report.iterall():
        if element.keyword == "ReferencedSOPInstanceUID":
            assert element.value in made_uids | image_uids
    tracked = {str(element.value) for element in report.iterall() if element.keyword == "UID"}
    segments = {
        str(segment.TrackingUID)
        for dataset in datasets
        if dataset.Modality == "SEG"
        for segment in dataset.SegmentSequence
    }
    assert segments < tracked
    # The originals stay as they are.
    assert "WOMAN-4711" in str(make_objects(given, ("sr",))[0].dataset.PatientID)


@pytest.mark.parametrize("said", ["YES", None])
def test_pixels_that_may_show_a_name_are_not_drawn(said: str | None, tmp_path: Path) -> None:
    header = {} if said is None else {"BurnedInAnnotation": said}
    data = mammogram(without=() if said else ("BurnedInAnnotation",), **header)
    given = exam(tmp_path, data)
    with pytest.raises(BacctlError) as refusal:
        make_objects(given, deidentify=True)
    assert refusal.value.code == "BAC-OUTPUT-BURNED-IN"
    assert make_objects(given, ("seg", "sr"), deidentify=True)


def test_new_identifiers_follow_from_the_key_alone() -> None:
    one, same, other = Deidentifier(b"1"), Deidentifier(b"1"), Deidentifier()
    assert one.uid("1.2.3") == same.uid("1.2.3") != other.uid("1.2.3")
    assert one.uid("1.2.3") != one.uid("1.2.4")
    assert pydicom.uid.UID(other.uid("1.2.3")).is_valid
    assert one.patient("x") == same.patient("x") != other.patient("x")
