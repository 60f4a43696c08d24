"""Sides and projections: codes of PS3.16 CID 4014 and 4015, and what is written into ViewPosition."""

from __future__ import annotations

import pytest
from pydicom.dataset import Dataset

from bac_imaging.errors import RefusedError
from bac_imaging.mammogram import read_mammogram
from bac_imaging.view_position import parse_position


@pytest.fixture
def read(dataset, to_bytes):
    def read_with(**attributes):
        return read_mammogram(to_bytes(dataset(**attributes)))

    return read_with


@pytest.fixture
def coded(code):
    """Make the view attributes from a view code and modifier codes."""

    def make(view, *modifiers, scheme="SCT", **attributes):
        items = [code(modifier, scheme) for modifier in modifiers]
        return {
            "ViewPosition": None,
            "ViewCodeSequence": [code(view, scheme, ViewModifierCodeSequence=items)],
            **attributes,
        }

    return make


def codes(image):
    return [notice.code for notice in image.warnings]


@pytest.mark.parametrize(
    ("value", "scheme", "view"),
    [
        ("399162004", "SCT", "CC"),
        ("399368009", "SCT", "MLO"),
        ("399260004", "SCT", "ML"),
        ("399352003", "SCT", "LM"),
        ("399099002", "SCT", "LMO"),
        ("399196006", "SCT", "FB"),
        ("399188001", "SCT", "SIO"),
        ("399192008", "SCT", "XCCL"),
        ("399101009", "SCT", "XCCM"),
        ("R-10242", "SRT", "CC"),
        ("R-10226", "SNM3", "MLO"),
        ("R-1024A", "99SDM", "XCCL"),
    ],
)
def test_coded_views(value, scheme, view, read, coded):
    assert read(**coded(value, scheme=scheme)).view == view


@pytest.mark.parametrize(
    ("modifier", "refused"),
    [
        ("399163009", "BAC-VIEW-MAGNIFICATION"),
        ("R-102D6", "BAC-VIEW-MAGNIFICATION"),
        ("399055006", "BAC-VIEW-SPOT"),
        ("R-102D7", "BAC-VIEW-SPOT"),
    ],
)
def test_coded_modifiers_that_are_refused(modifier, refused, read, coded, code):
    with pytest.raises(RefusedError) as caught:
        read(**coded("399162004", modifier))
    assert caught.value.code == refused
    # Also where a writer put the modifier beside the view instead of into it.
    with pytest.raises(RefusedError) as caught:
        read(ViewModifierCodeSequence=[code(modifier)])
    assert caught.value.code == refused


def test_coded_modifiers_that_name_the_view(read, coded):
    image = read(**coded("399162004", "399197002"))
    assert image.view == "CCRL"
    assert "BAC-W-VIEW-MODIFIED" in codes(image)
    in_profile = read(**coded("399162004", "442581004"))
    assert in_profile.view == read(ViewPosition="CC NP").view == "CC"
    assert codes(in_profile) == []


@pytest.mark.parametrize(
    ("attributes", "refused"),
    [
        ({"ViewCodeSequence": "127457009"}, "BAC-VIEW-SPECIMEN"),
        ({"ViewCodeSequence": "G-8310"}, "BAC-VIEW-SPECIMEN"),
        ({"ViewPosition": "SPECIMEN"}, "BAC-VIEW-SPECIMEN"),
        ({"BodyPartExamined": "BREAST SPECIMEN"}, "BAC-VIEW-SPECIMEN"),
        ({"SpecimenDescriptionSequence": [Dataset()]}, "BAC-VIEW-SPECIMEN"),
        ({"ImageType": ["DERIVED", "PRIMARY", "STEREO", "LEFT"]}, "BAC-VIEW-BIOPSY"),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "STEREO_PREFIRE"]}, "BAC-VIEW-BIOPSY"),
        ({"DetectorMode": "STEREO"}, "BAC-VIEW-BIOPSY"),
        ({"PaddleDescription": "BIOPSY"}, "BAC-VIEW-BIOPSY"),
        ({"PaddleDescription": "NEEDLE LOCALIZATION"}, "BAC-VIEW-BIOPSY"),
        ({"ProtocolName": "Stereotactic"}, "BAC-VIEW-BIOPSY"),
        ({"ViewPosition": "MCC"}, "BAC-VIEW-MAGNIFICATION"),
        ({"ViewPosition": "RMML"}, "BAC-VIEW-MAGNIFICATION"),
        ({"ViewPosition": "CC MAG"}, "BAC-VIEW-MAGNIFICATION"),
        ({"PaddleDescription": "10CM MAG"}, "BAC-VIEW-MAGNIFICATION"),
        ({"EstimatedRadiographicMagnificationFactor": 1.5}, "BAC-VIEW-MAGNIFICATION"),
        ({"DistanceSourceToPatient": 367}, "BAC-VIEW-MAGNIFICATION"),
        ({"ViewPosition": "MLOS"}, "BAC-VIEW-SPOT"),
        ({"PaddleDescription": "SPOT CONTACT"}, "BAC-VIEW-SPOT"),
    ],
)
def test_views_that_are_refused(attributes, refused, read, code):
    if isinstance(attributes.get("ViewCodeSequence"), str):
        attributes = {"ViewCodeSequence": [code(attributes["ViewCodeSequence"])]}
    with pytest.raises(RefusedError) as caught:
        read(**attributes)
    assert caught.value.code == refused


@pytest.mark.parametrize(
    ("text", "side", "view"),
    [
        ("CC", "", "CC"),
        ("MLO", "", "MLO"),
        ("RMLO", "R", "MLO"),
        ("LML", "L", "ML"),
        ("LM", "", "LM"),
        ("RLM", "R", "LM"),
        ("LLMO", "L", "LMO"),
        ("L-XCCL", "L", "XCCL"),
        ("MLO ID", "", "MLO"),
        ("AP", "", ""),
        ("", "", ""),
    ],
)
def test_written_views(text, side, view):
    position = parse_position(text)
    assert (position.side, position.view) == (side, view)
    assert not position.magnified
    assert not position.spot


def test_the_code_comes_before_the_text(read, coded):
    image = read(**coded("399162004", ViewPosition="MLO"))
    assert image.view == "CC"
    assert "BAC-W-VIEW-CONFLICT" in codes(image)


def test_unknown_view_and_side(read):
    image = read(ViewPosition=None, ImageLaterality=None)
    assert (image.laterality, image.view) == (None, None)
    assert {"BAC-W-VIEW-UNKNOWN", "BAC-W-LATERALITY-UNKNOWN"} <= set(codes(image))


def test_side_from_the_text(read):
    assert read(ViewPosition="RMLO", ImageLaterality=None).laterality == "R"
    contradiction = read(ViewPosition="RMLO", ImageLaterality="L")
    assert contradiction.laterality == "L"
    assert "BAC-W-VIEW-CONFLICT" in codes(contradiction)


def test_implants(read, coded):
    in_place = read(BreastImplantPresent="YES")
    displaced = read(**coded("399162004", "399209000", BreastImplantPresent="YES"))
    written = read(ViewPosition="CCID", BreastImplantPresent="YES")
    assert "BAC-W-IMPLANT" in codes(in_place)
    assert "BAC-W-IMPLANT" not in codes(displaced) + codes(written)
    assert displaced.view == written.view == "CC"


def test_partial_view(read):
    assert "BAC-W-PARTIAL-VIEW" in codes(read(PartialView="YES"))
    assert codes(read(PartialView="NO")) == []


def test_codes_that_contradict_each_other_or_say_nothing(read, code):
    image = read(ViewCodeSequence=[code("399162004", "SCT"), code("399368009", "SCT")])
    assert "BAC-W-VIEW-CONFLICT" in codes(image)
    image = read(ViewCodeSequence=[code("12345", "SCT")])
    assert image.view == "CC"
    assert "BAC-W-VIEW-CONFLICT" in codes(image)
    image = read(ImageLaterality="L", Laterality="R")
    assert image.laterality == "L"
    assert "BAC-W-VIEW-CONFLICT" in codes(image)


def test_retired_codes_of_exaggerated_views(read, coded):
    assert read(**coded("Y-X1770", scheme="SRT")).view == "XCCL"
    assert read(**coded("R-102CF", scheme="SRT")).view == "XCC"


def test_a_modifier_among_the_views_is_one_still(read, code):
    with pytest.raises(RefusedError, match="BAC-VIEW-MAGNIFICATION"):
        read(ViewCodeSequence=[code("399162004", "SCT"), code("399163009", "SCT")])
