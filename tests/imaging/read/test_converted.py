"""Raw images that converters changed: their pixels, or what the header says was done to them."""

from __future__ import annotations

import numpy as np
import pytest
from pydicom.dataset import Dataset

from bac_imaging.read.reader import read_mammogram
from bac_terms.errors import RefusedError

RAW = {
    "PresentationIntentType": "FOR PROCESSING",
    "SOPClassUID": "1.2.840.10008.5.1.4.1.1.1.2.1",
    "PhotometricInterpretation": "MONOCHROME1",
    "PixelIntensityRelationship": "LIN",
    "PixelIntensityRelationshipSign": 1,
    "Grid": ["RECIPROCATING", "FOCUSED"],
    "DetectorType": "DIRECT",
}


@pytest.fixture
def read(dataset, to_bytes):
    def read_with(pixels=None, **attributes):
        return read_mammogram(to_bytes(dataset(pixels, **RAW | attributes)))

    return read_with


@pytest.fixture(scope="module")
def exposures():
    """400 x 300 pixels of 14 bits: a body at 400 with quantum noise beside bright air."""
    rng = np.random.default_rng(11)
    body = rng.normal(400, 60, (400, 300))
    body[:, 220:] = rng.normal(9000, 300, (400, 80))
    return np.clip(body, 90, 16383).astype(np.uint16)


def codes(image):
    return {notice.code for notice in image.warnings}


def item(**attributes):
    ds = Dataset()
    for keyword, value in attributes.items():
        setattr(ds, keyword, value)
    return ds


@pytest.mark.parametrize(
    ("attributes", "name"),
    [
        ({"RescaleSlope": 1, "RescaleIntercept": 85}, "RescaleIntercept"),
        ({"RescaleIntercept": -50}, "RescaleIntercept"),
        (
            {"RealWorldValueMappingSequence": [item(RealWorldValueIntercept=85.0, RealWorldValueSlope=1.0)]},
            "RealWorldValueIntercept",
        ),
        ({"DerivationDescription": "Histogram equalized"}, "DerivationDescription"),
        (
            {
                "DerivationCodeSequence": [
                    item(CodeValue="113085", CodingSchemeDesignator="DCM", CodeMeaning="Spatial resampling")
                ]
            },
            "DerivationCodeSequence",
        ),
        ({"BodyPartExamined": "CHEST"}, "BodyPartExamined"),
    ],
)
def test_what_says_that_pixels_are_no_exposures_leaves_a_doubt(attributes, name, read):
    image = read(**attributes)
    assert image.mass_in_doubt
    (notice,) = [notice for notice in image.warnings if notice.code == "BAC-W-HEADER-UNLISTED"]
    assert name in notice.text


@pytest.mark.parametrize(
    "attributes",
    [
        {"RescaleSlope": 1, "RescaleIntercept": 0},
        {"RescaleSlope": 0.25, "RescaleIntercept": 0},
        # By a falling line: values are counted down from their top, and 0 stays where it was.
        {"RescaleSlope": -1, "RescaleIntercept": 4095},
        {"RealWorldValueMappingSequence": [item(RealWorldValueIntercept=0.0, RealWorldValueSlope=2.0)]},
        {"DerivationDescription": "Lossless JPEG compression, selection value 1"},
        {"DerivationDescription": "De-identified"},
        {
            "DerivationCodeSequence": [
                item(CodeValue="121327", CodingSchemeDesignator="DCM", CodeMeaning="Full fidelity image")
            ]
        },
        {"BodyPartExamined": "BREAST"},
        {"BodyPartExamined": "MAMMO"},
    ],
)
def test_what_leaves_exposures_as_they_are_leaves_no_doubt(attributes, read):
    image = read(**attributes)
    assert not image.mass_in_doubt
    assert "BAC-W-HEADER-UNLISTED" not in codes(image)


@pytest.mark.parametrize(("binning", "is_doubtful"), [([2, 2], True), ([1, 1], False)])
def test_pixels_of_several_elements_are_larger_than_one(binning, is_doubtful, read):
    image = read(DetectorElementSpacing=[0.1, 0.1], DetectorBinning=binning)
    assert image.mass_in_doubt is is_doubtful
    assert ("BAC-W-SIZE-UNUSUAL" in codes(image)) is is_doubtful


def test_values_that_were_not_stretched(exposures, read):
    image = read(exposures, BitsStored=14, HighBit=13)
    assert image.exposure_scale_known


def test_whole_bits_leave_0_in_place(exposures, read):
    shifted = (exposures << 2).astype(np.uint16)
    shifted[:4, :9] = 65535  # a mark burnt in afterwards
    assert read(shifted, BitsStored=16, HighBit=15).exposure_scale_known
    assert read((exposures << 2).astype(np.uint16), BitsStored=14, HighBit=15).exposure_scale_known


def test_values_spread_over_all_words(exposures, read):
    spread = exposures.astype(float) - exposures.min()
    spread = (spread / spread.max() * 65535).round().astype(np.uint16)
    image = read(spread, BitsStored=16, HighBit=15)
    assert not image.exposure_scale_known
    assert "BAC-W-INTENSITY-ASSUMED" in codes(image)


def test_bytes_made_into_words(exposures, read):
    low, high = np.percentile(exposures, [1, 99])
    levels = np.clip((exposures - low) / (high - low) * 255, 1, 255).round().astype(np.uint16)
    for words in (levels * 256, levels * 257, levels * 16):
        image = read(words.astype(np.uint16), BitsStored=16, HighBit=15)
        assert not image.exposure_scale_known
        assert "BAC-W-INTENSITY-ASSUMED" in codes(image)


@pytest.mark.parametrize("intent", ["FOR PROCESSING", "FOR PRESENTATION"])
def test_bytes_in_the_other_order(intent, exposures, read):
    with pytest.raises(RefusedError, match="wrong order") as caught:
        read(exposures.byteswap(), BitsStored=16, HighBit=15, PresentationIntentType=intent)
    assert caught.value.code == "BAC-DIMENSIONS"


@pytest.mark.parametrize(
    ("attributes", "code"),
    [
        ({"SeriesDescription": "L CC CESM Low Energy"}, "BAC-CONTRAST"),
        ({"SeriesDescription": "SenoBright L CC"}, "BAC-CONTRAST"),
        ({"SeriesDescription": "L CC I-View"}, "BAC-CONTRAST"),
        ({"ProtocolName": "CEM"}, "BAC-CONTRAST"),
        ({"SeriesDescription": "Contrast enhanced mammography, R MLO"}, "BAC-CONTRAST"),
        ({"SeriesDescription": "L CC Tomosynthesis Projection"}, "BAC-TOMOSYNTHESIS"),
        ({"SeriesDescription": "L CC DBT slab 10mm"}, "BAC-TOMOSYNTHESIS"),
        ({"SeriesDescription": "L CC TOMO PROJECTIONS"}, "BAC-TOMOSYNTHESIS"),
        ({"SeriesDescription": "Projections Tomo L MLO"}, "BAC-TOMOSYNTHESIS"),
        ({"TomoAngle": 15}, "BAC-TOMOSYNTHESIS"),
    ],
)
def test_kinds_that_only_a_description_tells(attributes, code, read):
    with pytest.raises(RefusedError) as caught:
        read(**attributes)
    assert caught.value.code == code


@pytest.mark.parametrize(
    "attributes",
    [
        {"SeriesDescription": "L CC high contrast"},
        {"SeriesDescription": "L CC, CEMENT FACTORY SCREENING"},
        {"SeriesDescription": "MULTI-VIEW L CC"},
        {"SeriesDescription": "L CC, TOMO COMBO"},
        {"TomoAngle": 0},
    ],
)
def test_descriptions_of_plain_views(attributes, read):
    assert read(**attributes).view == "CC"
