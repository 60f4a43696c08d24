"""Exams through both clients: what headers say decides, and neither client sums two women."""

import asyncio
import io

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from bacctl import RefusedError
from bacctl.testing import FakeServer, make_report

HEX = ("8269f5971eaca3e5d3772d1796e6bd7a", "d931832a0815df082c085b6e09d20aac")
VIEWS = (("L", "CC"), ("L", "MLO"), ("R", "CC"), ("R", "MLO"))


def dicom(side="L", view="CC", pixels=b"\1\0", **header):
    image = Dataset()
    image.file_meta = FileMetaDataset()
    image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    image.SOPClassUID, image.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.1.2.1", f"1.2.{ord(side)}.{len(view)}"
    image.StudyInstanceUID, image.ImageLaterality, image.ViewPosition = "1.2.3", side, view
    image.BitsAllocated, image.PixelRepresentation, image.PixelData = 16, 0, pixels
    for name, value in header.items():
        setattr(image, name, value)
    stream = io.BytesIO()
    image.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def measure(request):
    """Answer as the server does, every image holding 5 mg."""
    image = dcmread(io.BytesIO(request.data))
    study = str(image.StudyInstanceUID)
    return make_report(
        sop_instance_uid=str(image.SOPInstanceUID),
        study_instance_uid=None if study in ("", "DOE^JANE") else study,
        laterality=image.ImageLaterality,
        view=image.ViewPosition,
        bac_detected=True,
        calcium_mass_mg=5.0,
        calcium_mass_interval_mg=[4.0, 6.0],
        area_mm2=4.0,
        length_mm=8.0,
    )


def sync_exam(images):
    with FakeServer(measure).client() as client:
        return client.analyze_exam(images)


def async_exam(images):
    async def run():
        async with FakeServer(measure).async_client() as client:
            return await client.analyze_exam(images)

    return asyncio.run(run())


both_clients = pytest.mark.parametrize("analyze_exam", [sync_exam, async_exam])


@both_clients
def test_one_woman_has_a_sum_and_two_have_none(analyze_exam):
    one = [dicom(*view, PatientID="W1") for view in VIEWS]
    assert analyze_exam(one).calcium_mass_mg == 10.0
    two = [dicom(*view, PatientID="W1" if view[0] == "L" else "W2") for view in VIEWS]
    exam = analyze_exam(two)
    assert exam.calcium_mass_mg is exam.mass_category is None
    assert [alarm.code for alarm in exam.alarms] == ["BAC-W-EXAM-MIXED"]
    assert "W2" not in str(exam.to_dict())


@both_clients
def test_two_studies_that_are_no_uids_are_refused_as_two_uids_are(analyze_exam):
    one = [dicom(*view, StudyInstanceUID=HEX[0]) for view in VIEWS]
    exam = analyze_exam(one)
    assert (exam.study_instance_uid, exam.calcium_mass_mg) == (HEX[0], 10.0)
    two = [dicom(*view, StudyInstanceUID=HEX[view[0] == "L"]) for view in VIEWS]
    with pytest.raises(RefusedError, match="2 studies"):
        analyze_exam(two)
    # What may be a name is not shown, and is another study all the same.
    odd = [dicom(*view, StudyInstanceUID="DOE^JANE" if view[0] == "L" else HEX[0]) for view in VIEWS]
    with pytest.raises(RefusedError, match="2 studies"):
        analyze_exam(odd)


@both_clients
def test_images_without_a_study_are_an_exam_by_word_of_the_caller(analyze_exam):
    images = [dicom(*view, StudyInstanceUID="") for view in VIEWS]
    assert analyze_exam(images).calcium_mass_mg == 10.0
    # Two women's, though, for all that anyone can tell.
    others = [
        dicom(*view, pixels=b"\2\0", StudyInstanceUID="", SOPInstanceUID=f"1.3.{number}")
        for number, view in enumerate(VIEWS)
    ]
    exam = analyze_exam([*images, *others])
    assert exam.calcium_mass_mg is None
    assert [alarm.code for alarm in exam.alarms] == ["BAC-W-EXAM-UNTIED"]


@both_clients
def test_copies_are_one_image_and_other_pixels_are_told(analyze_exam):
    images = [dicom(*view) for view in VIEWS]
    assert analyze_exam([*images, images[0]]).alarms == ()
    copied = dicom(*VIEWS[0], StudyDescription="exported again")
    assert analyze_exam([*images, copied]).alarms == ()
    other = dicom(*VIEWS[0], pixels=b"\2\0")
    codes = [alarm.code for alarm in analyze_exam([*images, other]).alarms]
    assert codes == ["BAC-W-UID-REPEATED", "BAC-W-VIEW-REPEATED"]
