"""Of whom and when an image was taken, read from real headers."""

import copy
import hashlib
import io
import math
import pickle
import random

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from bac_imaging.read.attributes.header import Header
from bacctl._origin import Origin, latest, read_origin
from bacctl.client.payload import origin_of


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


@pytest.mark.parametrize(
    "syntax",
    [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian],
    ids=lambda syntax: syntax.name,
)
def test_file_without_preamble_has_an_origin(syntax):
    image = Dataset()
    image.SOPClassUID, image.PatientID, image.AcquisitionDate = (
        "1.2.840.10008.5.1.4.1.1.1.2",
        "DOE^1",
        "20200102",
    )
    image.BitsAllocated, image.PixelRepresentation, image.PixelData = 8, 0, b"abcd"
    image["PixelData"].VR = "OB"
    stream = io.BytesIO()
    image.save_as(stream, implicit_vr=syntax.is_implicit_VR, little_endian=syntax.is_little_endian)
    origin = origin_of(stream.getvalue())
    assert (origin.patient, origin.day) == (origin_of(dicom(PatientID="DOE^1")).patient, 737426)
    assert origin.pixels is not None


def test_header_with_a_great_deal_before_the_patient_is_read():
    image = dcmread(io.BytesIO(dicom(PatientID="DOE^1")))
    image.private_block(0x0009, "MAKER", create=True).add_new(1, "OB", bytes(2 << 20))
    stream = io.BytesIO()
    image.save_as(stream)
    assert origin_of(stream.getvalue()).patient == origin_of(dicom(PatientID="DOE^1")).patient


@pytest.mark.parametrize("data", [b"", b"no image", b"\x89PNG\r\n\x1a\n", dicom()[:140]])
def test_what_is_no_dicom_file_has_no_origin(data):
    origin = origin_of(data)
    assert origin is None or origin.taken is None


def test_nothing_of_it_shows_or_leaves_the_process():
    origin = Origin("20200102030405", "1.2.9", 4.0, b"digest")
    shown = repr(origin) + str(origin)  # an address in memory is in it, which may hold any four digits
    assert not [secret for secret in ("20200102", "1.2.9", "digest") if secret in shown]
    for copied in (pickle.loads(pickle.dumps(origin)), copy.deepcopy(origin)):
        assert [copied.taken, copied.series, copied.number, copied.patient] == [None] * 4


def test_pixels_are_digested_whatever_the_header_is():
    def with_pixels(pixels, **header):
        image = dcmread(io.BytesIO(dicom(**header)))
        image.BitsAllocated = 8
        image.PixelData = pixels
        image["PixelData"].VR = "OB"
        stream = io.BytesIO()
        image.save_as(stream, enforce_file_format=True)
        return origin_of(stream.getvalue()).pixels

    assert with_pixels(b"abcd") == with_pixels(b"abcd", PatientID="DOE^1", StudyDescription="x" * 5000)
    assert with_pixels(b"abcd") != with_pixels(b"abce")
    assert origin_of(dicom()).pixels is None


def test_study_patient_and_days_are_read_and_not_in_clear():
    header = {"PatientBirthDate": "19600102", "PatientSex": "F", "PatientName": "DOE^JANE"}
    origin = origin_of(dicom(**header, StudyInstanceUID="8269F5", StudyDate="20200102"))
    assert origin.study_day == 737426  # days from 1 January of the year 1, by hand: 2019 x 365 + 489 + 2
    for digest in (origin.birth, origin.sex, origin.name, origin.study):
        assert len(digest) == 32
    assert origin.birth != origin_of(dicom(PatientBirthDate="19600103")).birth
    assert origin.study != origin_of(dicom(StudyInstanceUID="8269f5")).study
    assert origin_of(dicom(StudyInstanceUID="0")).study is None


def test_of_three_the_last():
    early, middle, late = "20200102030405", "20200102030406", "20200102030407"
    assert latest([Origin(early), Origin(late), Origin(middle)]) == [1]
    assert latest([Origin(early), Origin(late), Origin(late)]) == [1, 2]
    # Numbers tell between the latest only: that of the early image is the highest.
    numbered = [Origin(time, "1.2", number) for time, number in ((late, 1.0), (late, 2.0), (early, 3.0))]
    assert latest(numbered) == [1]
    assert latest([Origin(None, "1.2", 1.0), *numbered]) == [3]
    assert latest([None, *numbered]) == [0, 1, 2, 3]


def test_patient_that_cannot_be_read_is_nobody(monkeypatch):
    # Two such women are not one, nor is one of them another woman than herself.
    monkeypatch.setattr("bac_imaging.read.attributes.header.Header._value", lambda header, keyword: math.nan)
    assert origin_of(dicom(PatientID="Doe^1")).patient is None


def test_patient_is_not_found_by_digesting_guesses():
    digest = origin_of(dicom(PatientID="DOE^1")).patient
    assert digest not in {hashlib.new(name, b"DOE^1").digest() for name in ("sha256", "blake2s")}
    assert digest != hashlib.blake2b(b"DOE^1", digest_size=32).digest()


def test_broken_text_is_a_patient_too():
    # A lone surrogate, as pydicom leaves bytes that do not fit the character set.
    header = Dataset()
    header.PatientID = "DOE\udce4"
    assert read_origin(Header(header)).patient is not None


def test_header_that_is_deflated_is_read_however_long_it_is():
    image = Dataset()
    image.file_meta = FileMetaDataset()
    image.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    image.SOPClassUID, image.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.1.2", "1.2.3"
    image.PatientID = "DOE^1"
    # Random pixels do not deflate: the stream is longer than what is read of any other file.
    image.PixelData = random.Random(1).randbytes(3 << 19)
    image["PixelData"].VR = "OB"
    stream = io.BytesIO()
    image.save_as(stream, enforce_file_format=True)
    assert len(stream.getvalue()) > 1 << 20
    assert origin_of(stream.getvalue()).patient == origin_of(dicom(PatientID="DOE^1")).patient
