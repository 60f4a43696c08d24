"""Of whom and when an image was taken, read from real headers."""

import copy
import io
import pickle

import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from bacctl._origin import Origin, latest
from bacctl._payload import origin_of


def dicom(**header):
    image = Dataset()
    image.file_meta = FileMetaDataset()
    image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    image.SOPClassUID = "1.2.840.10008.5.1.4.1.1.1.2"
    image.SOPInstanceUID = "1.2.3"
    for name, value in header.items():
        setattr(image, name, value)
    stream = io.BytesIO()
    image.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("header", "taken"),
    [
        ({"AcquisitionDateTime": "20200102030405.5+0100"}, "202001020304055"),
        ({"AcquisitionDate": "20200102", "AcquisitionTime": "030405"}, "20200102030405"),
        ({"ContentDate": "20200102", "ContentTime": "030405.25"}, "2020010203040525"),
        (
            {"AcquisitionDate": "20200102", "ContentDate": "20210102", "ContentTime": "030405"},
            "20210102030405",
        ),
        ({"AcquisitionDateTime": "20200102"}, None),
        ({"AcquisitionDate": "20200102", "AcquisitionTime": ""}, None),
        ({}, None),
    ],
)
def test_time_of_exposure(header, taken):
    assert origin_of(dicom(**header)).taken == taken


def test_number_series_and_patient():
    origin = origin_of(dicom(InstanceNumber=4, SeriesInstanceUID="1.2.9", PatientID="Doe^1"))
    assert (origin.number, origin.series) == (4.0, "1.2.9")
    assert origin.patient == origin_of(dicom(PatientID="Doe^1 ")).patient
    assert origin.patient != origin_of(dicom(PatientID="Doe^2")).patient
    assert b"DOE" not in origin.patient.upper()
    assert origin_of(dicom(PatientID="")).patient is None


@pytest.mark.parametrize("data", [b"", b"no image", b"\x89PNG\r\n\x1a\n", dicom()[:140]])
def test_what_is_no_dicom_file_has_no_origin(data):
    origin = origin_of(data)
    assert origin is None or origin.taken is None


def test_nothing_of_it_shows_or_leaves_the_process():
    origin = Origin("20200102030405", "1.2.9", 4.0, b"digest")
    assert "2020" not in repr(origin) + str(origin)
    for copied in (pickle.loads(pickle.dumps(origin)), copy.deepcopy(origin)):
        assert [copied.taken, copied.series, copied.number, copied.patient] == [None] * 4


def test_of_three_the_last():
    assert latest([Origin("20200102030405"), Origin("20200102030407"), Origin("20200102030406")]) == 1
    assert latest([Origin("20200102030405"), Origin("20200102030407"), Origin("20200102030407")]) is None
