"""The spacing rule and the magnification, on figures worked out by hand."""

from __future__ import annotations

import pytest

from bac_imaging.read.reader import read_mammogram
from bac_terms.errors import RefusedError


@pytest.fixture
def read(dataset, to_bytes):
    def read_with(given=None, **attributes):
        return read_mammogram(to_bytes(dataset(**attributes)), given)

    return read_with


@pytest.fixture
def refusal(read):
    def refuse(given=None, **attributes):
        with pytest.raises(RefusedError) as caught:
            read(given, **attributes)
        return caught.value.code

    return refuse


def codes(image):
    return {notice.code for notice in image.warnings}


def test_rows_and_columns_are_kept_apart(read):
    geometry = read(ImagerPixelSpacing=[0.1, 0.12]).geometry
    assert geometry.pixel_spacing_mm == (0.1, 0.12)
    assert geometry.spacing_source == "ImagerPixelSpacing"


def test_equal_pixel_spacing_changes_nothing(read):
    assert read(PixelSpacing=[0.1, 0.1]).geometry.spacing_source == "ImagerPixelSpacing"


@pytest.mark.parametrize(
    "attributes",
    [
        # 0.1 / 1.05 = 0.0952381
        {"PixelSpacing": [0.0952381, 0.0952381], "EstimatedRadiographicMagnificationFactor": 1.05},
        {"PixelSpacing": [0.0952381, 0.0952381], "PixelSpacingCalibrationType": "GEOMETRY"},
        {"PixelSpacing": [0.092, 0.092], "PixelSpacingCalibrationType": "FIDUCIAL"},
    ],
)
def test_pixel_spacing_in_the_breast_agrees_with_the_detectors(attributes, read):
    geometry = read(**attributes).geometry
    assert geometry.pixel_spacing_mm == (0.1, 0.1)
    assert geometry.spacing_source == "ImagerPixelSpacing"


@pytest.mark.parametrize(
    "attributes",
    [
        {"PixelSpacing": [0.07, 0.07]},
        {"PixelSpacing": [0.102, 0.102]},
        {"PixelSpacing": [0.12, 0.12], "PixelSpacingCalibrationType": "GEOMETRY"},
        {"PixelSpacing": [0.05, 0.05], "PixelSpacingCalibrationType": "GEOMETRY"},
        {"PixelSpacing": [0.095, 0.1], "PixelSpacingCalibrationType": "GEOMETRY"},
    ],
)
def test_contradictions_in_the_header(attributes, refusal):
    assert refusal(**attributes) == "BAC-SPACING-CONFLICT"


def test_calibrated_pixel_spacing_is_carried_to_the_detector(read):
    by_factor = read(
        ImagerPixelSpacing=None,
        PixelSpacing=[0.1, 0.1],
        PixelSpacingCalibrationType="GEOMETRY",
        EstimatedRadiographicMagnificationFactor=1.05,
    ).geometry
    assert by_factor.spacing_source == "PixelSpacing x EstimatedRadiographicMagnificationFactor"
    assert by_factor.pixel_spacing_mm == pytest.approx((0.105, 0.105))
    by_fiducial = read(
        ImagerPixelSpacing=None, PixelSpacing=[0.1, 0.1], PixelSpacingCalibrationType="FIDUCIAL"
    ).geometry
    assert by_fiducial.spacing_source == "PixelSpacing x magnification"
    # What the calibration says of lengths in the breast stays true.
    assert by_fiducial.pixel_spacing_mm[0] / by_fiducial.magnification == pytest.approx(0.1)


def test_uncalibrated_pixel_spacing_is_taken_at_the_detector(read):
    image = read(ImagerPixelSpacing=None, PixelSpacing=[0.085, 0.085])
    assert image.geometry.pixel_spacing_mm == (0.085, 0.085)
    assert image.geometry.spacing_source == "PixelSpacing"
    assert "BAC-W-SPACING-DETECTOR-ASSUMED" in codes(image)


def test_spacing_of_a_film_scanner(read, refusal):
    film = {"Modality": "SC", "SOPClassUID": "1.2.840.10008.5.1.4.1.1.7", "ImagerPixelSpacing": None}
    geometry = read(NominalScannedPixelSpacing=[0.1, 0.1], **film).geometry
    assert geometry.spacing_source == "NominalScannedPixelSpacing"
    conflict = refusal(NominalScannedPixelSpacing=[0.1, 0.1], PixelSpacing=[0.2, 0.2], **film)
    assert conflict == "BAC-SPACING-CONFLICT"


@pytest.mark.parametrize(
    "value", ["0\\0", "0\\0.1", "-0.1\\-0.1", "nan\\nan", "inf\\inf", "a\\b", "0.1", "1\\1\\1"]
)
@pytest.mark.parametrize("keyword", ["ImagerPixelSpacing", "PixelSpacing"])
def test_nonsense_is_refused_wherever_it_stands(keyword, value, dataset, to_bytes):
    placeholder = "0.123\\0.123      "
    ds = dataset(ImagerPixelSpacing=None)
    ds.add_new(keyword, "DS", placeholder.strip().split("\\"))
    data = to_bytes(ds)
    text = b"0.123\\0.123 "
    assert data.count(text) == 1
    with pytest.raises(RefusedError, match=r"^BAC-SPACING-INVALID: "):
        read_mammogram(data.replace(text, value.encode().ljust(len(text))))


@pytest.mark.parametrize("value", [0.0199, 0.501, 1.0, 70.0])
def test_implausible_spacings(value, refusal):
    assert refusal(ImagerPixelSpacing=[value, value]) == "BAC-SPACING-INVALID"
    assert refusal(ImagerPixelSpacing=None, given=(value, value)) == "BAC-SPACING-INVALID"


def test_implausible_size(refusal, dataset, to_bytes):
    # 120 columns of 0.08 mm are 9.6 mm; 140 rows are 11.2 mm.
    assert refusal(ImagerPixelSpacing=[0.08, 0.08]) == "BAC-SPACING-INVALID"
    wide = dataset(Rows=1000, Columns=6000)
    with pytest.raises(RefusedError, match=r"BAC-SPACING-INVALID: .*100 x 600 mm"):
        read_mammogram(to_bytes(wide))


def test_a_given_spacing_fills_a_gap_and_nothing_else(read, refusal):
    image = read(given=(0.1, 0.11), ImagerPixelSpacing=None)
    assert image.geometry.pixel_spacing_mm == (0.1, 0.11)
    assert image.geometry.spacing_source == "given"
    assert "BAC-W-SPACING-OVERRIDDEN" in codes(image)
    agreeing = read(given=(0.1005, 0.0995))
    assert agreeing.geometry.pixel_spacing_mm == (0.1, 0.1)
    assert agreeing.geometry.spacing_source == "ImagerPixelSpacing"
    assert refusal(given=(0.102, 0.1)) == "BAC-SPACING-CONFLICT"
    assert refusal(given=None, ImagerPixelSpacing=None) == "BAC-SPACING-MISSING"
    assert refusal(given=(0.1, 0.1), ImagerPixelSpacing=[0, 0]) == "BAC-SPACING-INVALID"


@pytest.mark.parametrize(
    "given", [(0, 0.1), (0.1, -0.1), (float("nan"), 0.1), (0.1,), ("a", "b"), 0.1, (1, 2, 3)]
)
def test_a_given_spacing_that_is_none(given, dataset, to_bytes):
    with pytest.raises(RefusedError, match=r"^BAC-SPACING-INVALID: "):
        read_mammogram(to_bytes(dataset()), given)


@pytest.mark.parametrize(
    ("attributes", "magnification", "source"),
    [
        # 660 / (660 - 20 - 25)
        ({}, 660 / 615, "mid-breast, distances from the header"),
        # GE: source to patient is source to detector, so the gap is assumed to be 20 mm.
        ({"DistanceSourceToPatient": 660}, 660 / 615, "mid-breast, support gap assumed"),
        ({"DistanceSourceToPatient": None}, 660 / 615, "mid-breast, support gap assumed"),
        # Siemens: 650 mm and 623 mm at the support, 14 mm thick.
        (
            {
                "DistanceSourceToDetector": 650,
                "DistanceSourceToPatient": 623,
                "DistanceSourceToEntrance": 609,
                "BodyPartThickness": 14,
            },
            650 / (650 - 27 - 7),
            "mid-breast, distances from the header",
        ),
        # Hologic: 636 mm is the upper face of a 39 mm breast 25 mm above the detector.
        (
            {"DistanceSourceToDetector": 700, "DistanceSourceToPatient": 636, "BodyPartThickness": 39},
            700 / (700 - 25 - 19.5),
            "mid-breast, distances from the header",
        ),
        ({"BodyPartThickness": None}, 660 / 615, "mid-breast, thickness assumed"),
        ({"BodyPartThickness": 0}, 660 / 615, "mid-breast, thickness assumed"),
        ({"DistanceSourceToDetector": None}, 660 / 615, "mid-breast, distances assumed"),
    ],
)
def test_magnification(attributes, magnification, source, read):
    image = read(**attributes)
    assert image.geometry.magnification == pytest.approx(magnification)
    assert image.geometry.magnification_source == source
    is_assumed = "thickness assumed" in source or "distances assumed" in source
    assert ("BAC-W-MAGNIFICATION-ASSUMED" in codes(image)) == is_assumed


@pytest.mark.parametrize(
    ("factor", "conflict"), [(1.0, False), (1.031, False), (1.07, False), (1.25, True), (0.5, True)]
)
def test_the_headers_factor_is_a_check(factor, conflict, read):
    image = read(EstimatedRadiographicMagnificationFactor=factor)
    assert image.geometry.magnification == pytest.approx(660 / 615)
    assert ("BAC-W-MAGNIFICATION-CONFLICT" in codes(image)) == conflict


def test_spacing_that_holds_above_the_detector(read):
    # GE Senographe: elements of 0.1 mm, spacing written for the plane 39 mm above them.
    ge = {
        "ImagerPixelSpacing": [0.09409090909091] * 2,
        "DetectorElementSpacing": [0.1, 0.1],
        "DistanceSourceToPatient": 660,
    }
    witnessed = read(FieldOfViewDimensions=[14, 12], **ge).geometry
    assert witnessed.pixel_spacing_mm == pytest.approx((0.09409090909091, 0.09409090909091))
    # The pixel in the breast: 0.1 mm over 660/615.
    assert witnessed.pixel_spacing_mm[0] / witnessed.magnification == pytest.approx(0.1 * 615 / 660)
    assert witnessed.magnification_source.endswith(", spacing already reduced")
    # One witness alone does not overrule the attribute's definition.
    assert read(**ge).geometry.magnification == pytest.approx(660 / 615)


def test_a_fiducial_is_true_in_its_own_plane(read):
    calibrated = {
        "ImagerPixelSpacing": None,
        "PixelSpacing": [0.1, 0.1],
        "PixelSpacingCalibrationType": "FIDUCIAL",
    }
    plain = read(**calibrated).geometry
    geometry = read(**calibrated, EstimatedRadiographicMagnificationFactor=1.03).geometry
    assert geometry == plain
    assert geometry.pixel_spacing_mm[0] / geometry.magnification == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("attributes", "code"),
    [
        # 140 x 120 pixels of 0.1 mm: the detector's field was twice as large.
        ({"FieldOfViewDimensions": [28, 24]}, "BAC-SPACING-CONFLICT"),
        ({"FieldOfViewDimensions": [24, 28]}, "BAC-SPACING-CONFLICT"),
        ({"NominalScannedPixelSpacing": [0.05, 0.05]}, "BAC-SPACING-CONFLICT"),
        ({"PixelAspectRatio": [2, 1]}, "BAC-SPACING-CONFLICT"),
        ({"ImagerPixelSpacing": [0.05, 0.1]}, "BAC-SPACING-INVALID"),
        ({"DistanceSourceToPatient": None, "DistanceSourceToEntrance": 380}, "BAC-VIEW-MAGNIFICATION"),
    ],
)
def test_statements_that_the_spacing_cannot_meet(attributes, code, refusal):
    assert refusal(**attributes) == code


@pytest.mark.parametrize("field", [[14, 12], [12, 14], [14.4, 11.8], [24, 30], [1.4, 1.2]])
def test_a_field_of_view_that_is_rounded_or_of_the_whole_detector(field, read):
    assert read(FieldOfViewDimensions=field).geometry == read().geometry


def test_distances_that_fit_no_breast_are_told(read):
    image = read(DistanceSourceToDetector=650, DistanceSourceToPatient=505)
    assert "BAC-W-MAGNIFICATION-CONFLICT" in codes(image)
    assert image.geometry.magnification_source == "mid-breast, support gap assumed"


@pytest.mark.parametrize("thickness_mm", [5.3, 120, 195])
def test_a_thickness_that_no_breast_has_is_not_believed(thickness_mm, read):
    image = read(BodyPartThickness=thickness_mm)
    assert "BAC-W-MAGNIFICATION-ASSUMED" in codes(image)
    assert image.geometry.magnification == read(BodyPartThickness=None).geometry.magnification
