"""Header values that the standard does not list: none is taken for the usual case in silence."""

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
    "AnodeTargetMaterial": "TUNGSTEN",
    "FilterMaterial": "RHODIUM",
    "FilterThicknessMinimum": 0.05,
    "FilterThicknessMaximum": 0.05,
    "Grid": ["RECIPROCATING", "FOCUSED"],
    "DetectorType": "DIRECT",
}


@pytest.fixture
def read(dataset, to_bytes):
    def read_with(pixels=None, **attributes):
        return read_mammogram(to_bytes(dataset(pixels, **RAW | attributes)))

    return read_with


def codes(image):
    return {notice.code for notice in image.warnings}


def test_what_is_listed_leaves_no_doubt(read):
    image = read()
    assert not image.mass_in_doubt
    assert image.warnings == ()
    assert image.beam.grid is True


@pytest.mark.parametrize(
    "grid",
    ["OUT", "NO", "OFF", "ABSENT", "NO GRID", "UNKNOWN", "IN", ["RECIPROCATING", "NONE"], ["FIXED", "X"]],
)
def test_a_grid_in_a_word_of_its_own_is_unknown(grid, read):
    """PS3.3 C.8.7.11: FIXED, FOCUSED, RECIPROCATING, PARALLEL, CROSSED, NONE."""
    image = read(Grid=grid)
    assert image.beam.grid is None
    assert image.mass_in_doubt
    assert "BAC-W-HEADER-UNLISTED" in codes(image)


@pytest.mark.parametrize("term", ["FIXED", "FOCUSED", "RECIPROCATING", "PARALLEL", "CROSSED", "NONE"])
def test_every_listed_grid_is_known(term, read):
    image = read(Grid=term)
    assert image.beam.grid is (term != "NONE")
    assert not image.mass_in_doubt


@pytest.mark.parametrize(
    ("attributes", "name"),
    [
        ({"DetectorType": "CMOS"}, "DetectorType"),
        ({"DetectorConfiguration": "SCAN"}, "DetectorConfiguration"),
        ({"PixelSpacingCalibrationType": "GEOMETRIC"}, "PixelSpacingCalibrationType"),
        ({"QualityControlImage": "MAYBE"}, "QualityControlImage"),
    ],
)
def test_other_unlisted_values_of_a_raw_image(attributes, name, read):
    image = read(**attributes)
    assert image.mass_in_doubt
    (notice,) = [notice for notice in image.warnings if notice.code == "BAC-W-HEADER-UNLISTED"]
    assert name in notice.text
    assert next(iter(attributes.values())) not in notice.text


def test_an_unlisted_detector_is_not_repeated(read):
    assert read(DetectorType="SECRET").beam.detector is None


def test_a_storage_phosphor_is_not_in_the_table(read):
    image = read(DetectorType="STORAGE")
    assert image.mass_in_doubt
    assert "BAC-W-BEAM-ASSUMED" in codes(image)


@pytest.mark.parametrize(
    ("ends", "expected"),
    [((0.05, 0.06), 0.055), ((50, 0.05), 0.05), ((0.025, 0.7), None), ((0.0, 0.05), 0.05), ((-1, 0), None)],
)
def test_ends_of_a_filter_that_are_no_filter(ends, expected, read):
    low, high = ends
    thickness = read(FilterThicknessMinimum=low, FilterThicknessMaximum=high).beam.filter_thickness_mm
    assert thickness == (None if expected is None else pytest.approx(expected))


@pytest.mark.parametrize(
    "attributes",
    [
        {"PixelIntensityRelationship": "SQRT"},
        {"PixelIntensityRelationshipSign": 0},
        {"ImageType": ["DERIVED", "PRIMARY"]},
        {"ImageType": ["RESAMPLED", "PRIMARY"]},
        {"PresentationIntentType": "PROCESSING"},
    ],
)
def test_an_exposure_scale_that_is_not_told(attributes, read):
    image = read(**attributes)
    assert image.signal_kind == "log_exposure"
    assert not image.exposure_scale_known
    assert "BAC-W-INTENSITY-ASSUMED" in codes(image)


@pytest.mark.parametrize("intent", ["FOR VIEWING", "RAW"])
def test_an_unlisted_intent_is_what_its_class_says(intent, dataset, to_bytes):
    image = read_mammogram(to_bytes(dataset(PresentationIntentType=intent)))
    assert image.presentation_intent == "FOR PRESENTATION"


@pytest.mark.parametrize(
    ("attributes", "code"),
    [
        ({"PartialView": "Y"}, "BAC-W-PARTIAL-VIEW"),
        ({"PartialViewCodeSequence": [Dataset()]}, "BAC-W-PARTIAL-VIEW"),
        ({"PartialViewDescription": "lateral"}, "BAC-W-PARTIAL-VIEW"),
        ({"BreastImplantPresent": "Y"}, "BAC-W-IMPLANT"),
        ({"LossyImageCompression": "1"}, "BAC-W-LOSSY"),
        ({"LossyImageCompression": "YES"}, "BAC-W-LOSSY"),
    ],
)
def test_what_is_not_no_is_not_no(attributes, code, read):
    assert code in codes(read(**attributes))


@pytest.mark.parametrize("attributes", [{"PixelRepresentation": 2}, {"QualityControlImage": "BOTH"}])
def test_what_leaves_nothing_to_measure(attributes, read):
    with pytest.raises(RefusedError, match=r"^BAC-(DIMENSIONS|QC-IMAGE): "):
        read(**attributes)


def test_padding_that_is_image(read, ramp):
    # From the columns' values: 600 to 2999 is the middle of the image.
    middle = read(PixelPaddingValue=600, PixelPaddingRangeLimit=2999)
    assert middle.mass_in_doubt
    assert "BAC-W-PADDING-DOUBTFUL" in codes(middle)
    # A hole in the middle of the image.
    hole = ramp.copy() + 10
    hole[40:80, 40:80] = 0
    assert "BAC-W-PADDING-DOUBTFUL" in codes(read(hole, PixelPaddingValue=0))
    # Many values of the dark end.
    assert "BAC-W-PADDING-DOUBTFUL" in codes(read(PixelPaddingValue=0, PixelPaddingRangeLimit=1500))
    # Air that was replaced.
    plain = ramp.copy() + 10
    plain[:, -30:] = 0
    assert "BAC-W-PADDING-DOUBTFUL" not in codes(read(plain, PixelPaddingValue=0))


@pytest.mark.parametrize(
    ("maker", "model", "size"),
    [
        ("HOLOGIC, Inc.", "Selenia Dimensions", (4096, 3328)),
        ("GE MEDICAL SYSTEMS", "Senographe Essential VERSION ADS_54.10", (3062, 2394)),
        ("SIEMENS", "Mammomat Inspiration", (3518, 2800)),
        ("FUJIFILM Corporation", "AMULET Innovality", (2370, 1770)),
    ],
)
def test_a_resized_image_of_a_known_detector(maker, model, size, read):
    from bac_imaging.read.attributes.header import Header
    from bac_imaging.read.detectors import check_matrix

    header = Dataset()
    header.Manufacturer, header.ManufacturerModelName = maker, model
    spacing = (0.07, 0.07)
    for rows, columns in (size, size[::-1]):
        assert check_matrix(Header(header), rows, columns, spacing) == ()
        (notice,) = check_matrix(Header(header), rows // 2, columns // 2 + 1, spacing)
        assert notice.code == "BAC-W-SIZE-UNUSUAL"
    # A field of view that is that of the stored pixels explains any size.
    rows, columns = size[0] * 3 // 4, size[1] * 3 // 4
    assert check_matrix(Header(header), rows, columns, spacing)
    header.FieldOfViewDimensions = [round(rows * 0.07), round(columns * 0.07)]
    assert check_matrix(Header(header), rows, columns, spacing) == ()


def test_a_known_maker_of_another_size_leaves_a_doubt(read):
    image = read(Manufacturer="HOLOGIC, Inc.")  # 140 x 120 pixels
    assert image.mass_in_doubt
    assert image.size_known
    assert "BAC-W-SIZE-UNUSUAL" in codes(image)
    # Of another maker nothing is known: told where a mass is given.
    assert not read(Manufacturer="Somebody").size_known


def test_raw_pixels_that_are_turned_round_behind_the_header(read):
    row, column = np.mgrid[:400, :320]
    breast = (row - 200) ** 2 + column**2 < 170**2
    exposure = np.where(breast, 400 + column, 3500).astype(np.uint16)
    assert "BAC-W-POLARITY-CONFLICT" not in codes(read(exposure))
    image = read((4095 - exposure).astype(np.uint16))
    assert "BAC-W-POLARITY-CONFLICT" in codes(image)
    assert not image.exposure_scale_known


@pytest.mark.parametrize(
    "attributes",
    [
        {"ImageType": ["ORIGINAL", "SECONDARY"]},
        {"FilterType": "NONE"},
        {"OrganExposed": "HAND"},
        {"DetectorActiveDimensions": [10, 10]},
        {"DetectorElementSpacing": [0.2, 0.2]},
    ],
)
def test_what_contradicts_the_rest_leaves_no_calibrated_mass(attributes, read):
    image = read(**attributes)
    assert image.mass_in_doubt or not image.exposure_scale_known


def test_several_values_of_one_are_none(read):
    beam = read(KVP=[31, 25], BodyPartThickness=[57, 57]).beam
    assert (beam.kvp, beam.thickness_mm) == (None, 57)
