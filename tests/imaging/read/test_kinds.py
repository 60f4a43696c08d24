"""What is refused from the header, before anything is decoded."""

from __future__ import annotations

import numpy as np
import pytest
from pydicom import uid
from pydicom.dataset import Dataset

from bac_imaging.read.reader import read_mammogram
from bac_terms.errors import BacctlError, RefusedError

CR_CLASS = "1.2.840.10008.5.1.4.1.1.1"
SC_CLASS = "1.2.840.10008.5.1.4.1.1.7"


@pytest.fixture
def refusal(dataset, to_bytes, monkeypatch):
    """Write a file with these attributes and give the code it is refused with; nothing may be decoded."""

    def undecoded(*_):
        raise AssertionError("decoded")

    monkeypatch.setattr("bac_imaging.read.dicom_reader.decode", undecoded)

    def refuse(given=None, **attributes):
        with pytest.raises(RefusedError) as caught:
            read_mammogram(to_bytes(dataset(**attributes)), given)
        assert "SECRET" not in str(caught.value)
        return caught.value.code

    return refuse


@pytest.mark.parametrize("modality", ["MR", "CT", "US", "PR", "SR", "DOC", "SEG", None])
def test_other_modalities(modality, refusal):
    assert refusal(Modality=modality, SOPClassUID="1.2.840.10008.5.1.4.1.1.4") == "BAC-MODALITY"


def test_a_modality_that_is_no_code_is_not_repeated(dataset, to_bytes):
    with pytest.raises(RefusedError, match="BAC-MODALITY") as caught:
        read_mammogram(to_bytes(dataset(Modality="DOE^JANE")))
    assert "JANE" not in str(caught.value)


@pytest.mark.parametrize(
    ("attributes", "code"),
    [
        ({"NumberOfFrames": 4}, "BAC-MULTIFRAME"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.13.1.3"}, "BAC-TOMOSYNTHESIS"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.13.1.4"}, "BAC-TOMOSYNTHESIS"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.13.1.5"}, "BAC-TOMOSYNTHESIS"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.13.1.3", "NumberOfFrames": 60}, "BAC-TOMOSYNTHESIS"),
        ({"ImageType": ["DERIVED", "PRIMARY", "TOMOSYNTHESIS", "NONE"]}, "BAC-TOMOSYNTHESIS"),
        ({"ImageType": ["DERIVED", "PRIMARY", "TOMO_PROJ"]}, "BAC-TOMOSYNTHESIS"),
        ({"ImageType": ["DERIVED", "PRIMARY", "TOMOSYNTHESIS", "GENERATED_2D"]}, "BAC-SYNTHETIC-2D"),
        ({"ImageType": ["DERIVED", "PRIMARY", "", "GENERATED_2D"]}, "BAC-SYNTHETIC-2D"),
        ({"SeriesDescription": "L CC C-View"}, "BAC-SYNTHETIC-2D"),
        ({"SeriesDescription": "L CC Intelligent 2D"}, "BAC-SYNTHETIC-2D"),
        ({"SeriesDescription": "C View"}, "BAC-SYNTHETIC-2D"),
        ({"SeriesDescription": "L_CC_C_VIEW"}, "BAC-SYNTHETIC-2D"),
        ({"SeriesDescription": "Intelligent2D"}, "BAC-SYNTHETIC-2D"),
        ({"SeriesDescription": "INSIGHT2D"}, "BAC-SYNTHETIC-2D"),
        ({"SeriesDescription": "V Preview"}, "BAC-SYNTHETIC-2D"),
        ({"SeriesDescription": "S View"}, "BAC-SYNTHETIC-2D"),
        ({"ImageComments": "G-View"}, "BAC-SYNTHETIC-2D"),
        ({"VolumeBasedCalculationTechnique": "MAX_IP"}, "BAC-SYNTHETIC-2D"),
        ({"ImageType": ["DERIVED", "PRIMARY", "", "SUBTRACTION"]}, "BAC-CONTRAST"),
        ({"ContrastBolusAgent": "IOHEXOL"}, "BAC-CONTRAST"),
        ({"QualityControlImage": "YES"}, "BAC-QC-IMAGE"),
        ({"CalibrationImage": "YES"}, "BAC-QC-IMAGE"),
        ({"PixelData": None}, "BAC-DICOM-NO-PIXELS"),
        ({"PixelData": None, "Rows": None, "Columns": None}, "BAC-DICOM-NO-PIXELS"),
        ({"Rows": 63}, "BAC-DIMENSIONS"),
        ({"Columns": 0}, "BAC-DIMENSIONS"),
        ({"Rows": None}, "BAC-DIMENSIONS"),
        ({"Rows": 65535, "Columns": 65535}, "BAC-DIMENSIONS"),
        ({"BitsAllocated": 32, "BitsStored": 32, "HighBit": 31}, "BAC-DIMENSIONS"),
        ({"BitsAllocated": 1, "BitsStored": 1, "HighBit": 0}, "BAC-DIMENSIONS"),
        ({"BitsStored": 17}, "BAC-DIMENSIONS"),
        ({"HighBit": 3}, "BAC-DIMENSIONS"),
        ({"SamplesPerPixel": 4}, "BAC-COLOUR"),
        ({"PhotometricInterpretation": "PALETTE COLOR"}, "BAC-COLOUR"),
        ({"ImageLaterality": "B"}, "BAC-VIEW-BILATERAL"),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "POST_CONTRAST"]}, "BAC-CONTRAST"),
        ({"ImageType": ["DERIVED", "PRIMARY", "", "ADDITION"]}, "BAC-CONTRAST"),
        ({"ContrastBolusVolume": 80}, "BAC-CONTRAST"),
        ({"ContrastBolusRoute": "IV"}, "BAC-CONTRAST"),
        ({"ContrastBolusAgentSequence": [Dataset()]}, "BAC-CONTRAST"),
    ],
)
def test_refused(attributes, code, refusal):
    assert refusal(**attributes) == code


def test_plain_words_refuse_nothing(dataset, to_bytes):
    harmless = dataset(
        StudyDescription="after stereotactic biopsy, tomosynthesis declined",
        SeriesDescription="MAMMO SCREENING, CC VIEW",
        ContrastBolusAgent="",
        QualityControlImage="NO",
        NumberOfFrames=1,
        PaddleDescription="24x30 SCREENING",
    )
    assert read_mammogram(to_bytes(harmless)).view == "CC"


def test_reports_without_image_are_named(to_bytes):
    report = Dataset()
    report.file_meta = Dataset()
    report.file_meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
    report.SOPClassUID, report.SOPInstanceUID, report.Modality = "1.2.840.10008.5.1.4.1.1.88.33", "1.2", "MG"
    with pytest.raises(RefusedError, match=r"^BAC-DICOM-NO-PIXELS: "):
        read_mammogram(to_bytes(report))


@pytest.mark.parametrize("modality", ["RG", "CR", "SC", "DX", "OT"])
class TestFilm:
    """Images that are no digital mammograms are taken as film."""

    @pytest.fixture
    def film(self, modality):
        return {
            "Modality": modality,
            "SOPClassUID": CR_CLASS,
            "PresentationIntentType": None,
            "ImagerPixelSpacing": None,
        }

    def test_spacing_is_missing(self, film, refusal):
        assert refusal(**film) == "BAC-SPACING-MISSING"

    def test_spacing_is_given(self, film, dataset, to_bytes):
        image = read_mammogram(to_bytes(dataset(**film)), (0.1, 0.1))
        assert image.signal_kind == "display"
        assert image.beam is None
        assert image.presentation_intent is None
        assert not image.exposure_scale_known
        assert image.geometry.spacing_source == "given"
        assert (image.laterality, image.view) == ("L", "CC")

    def test_spacing_is_in_the_header(self, film, dataset, to_bytes):
        film["ImagerPixelSpacing"] = [0.15, 0.15]
        geometry = read_mammogram(to_bytes(dataset(**film))).geometry
        assert geometry.pixel_spacing_mm == (0.15, 0.15)

    def test_other_body_parts(self, film, refusal):
        assert refusal(given=(0.1, 0.1), BodyPartExamined="CHEST", **film) == "BAC-MODALITY"
        # The breast itself is no reason: without a spacing that is what is missing.
        assert refusal(BodyPartExamined="BREAST", **film) == "BAC-SPACING-MISSING"


def test_secondary_capture_of_modality_mg_is_film(dataset, to_bytes):
    # As digitised film sets are published: view in PatientOrientation, no spacing.
    film = dataset(
        SOPClassUID=SC_CLASS,
        PresentationIntentType=None,
        ImagerPixelSpacing=None,
        ViewPosition=None,
        ImageLaterality=None,
        Laterality="R",
        PatientOrientation="MLO",
    )
    image = read_mammogram(to_bytes(film), (0.1, 0.1))
    assert image.beam is None
    assert (image.laterality, image.view) == ("R", "MLO")


def test_equal_channels_are_grey(dataset, to_bytes, ramp):
    grey = (ramp // 16).astype(np.uint8)
    image = read_mammogram(to_bytes(dataset(np.stack([grey] * 3, axis=-1))))
    plain = read_mammogram(to_bytes(dataset(grey)))
    np.testing.assert_array_equal(image.signal, plain.signal)


def test_colour_is_refused(dataset, to_bytes, ramp):
    colour = np.stack([(ramp // 16).astype(np.uint8)] * 3, axis=-1)
    colour[70, 60, 0] += 40
    with pytest.raises(RefusedError, match=r"^BAC-COLOUR: "):
        read_mammogram(to_bytes(dataset(colour)))


def test_fewer_pixels_than_the_header_says(dataset, to_bytes, ramp):
    with pytest.raises(RefusedError, match=r"^BAC-FILE-TRUNCATED: "):
        read_mammogram(to_bytes(dataset(PixelData=ramp.tobytes()[:-2])))
    with pytest.raises(RefusedError, match=r"^BAC-DICOM-NO-PIXELS: "):
        read_mammogram(to_bytes(dataset(PixelData=b"")))


def test_constant_pixels(dataset, to_bytes, ramp):
    for attributes in ({}, {"PixelPaddingValue": 7}, {"PresentationIntentType": "FOR PROCESSING"}):
        with pytest.raises(RefusedError, match=r"^BAC-PIXELS-CONSTANT: "):
            read_mammogram(to_bytes(dataset(np.full_like(ramp, 7), **attributes)))


def test_errors_say_one_thing_in_one_line(refusal, dataset, to_bytes):
    with pytest.raises(BacctlError) as caught:
        read_mammogram(to_bytes(dataset(Modality="CT")))
    assert str(caught.value) == (
        "BAC-MODALITY: the modality is CT, not MG; send digital mammograms or film scans"
    )


def test_another_region_of_the_body(refusal):
    region = Dataset()
    region.CodeValue, region.CodingSchemeDesignator, region.CodeMeaning = "85562004", "SCT", "Hand"
    assert refusal((0.1, 0.1), Modality="DX", AnatomicRegionSequence=[region]) == "BAC-MODALITY"


def test_the_breast_in_another_language(dataset, to_bytes):
    region = Dataset()
    region.CodeValue, region.CodingSchemeDesignator, region.CodeMeaning = "76752008", "SCT", "Seno"
    file = to_bytes(dataset(Modality="CR", SOPClassUID=CR_CLASS, AnatomicRegionSequence=[region]))
    assert read_mammogram(file).presentation_intent is None


def test_two_frames_that_are_not_told(dataset, to_bytes, ramp):
    twice = dataset()
    twice.PixelData = ramp.tobytes() * 2
    with pytest.raises(RefusedError, match="BAC-MULTIFRAME"):
        read_mammogram(to_bytes(twice))
