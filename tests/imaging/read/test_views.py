"""Sides and projections: codes of PS3.16 CID 4014 and 4015, and what is written into ViewPosition."""

from __future__ import annotations

import pytest
from pydicom.dataset import Dataset

from bac_imaging.read.attributes.view_position import parse_position
from bac_imaging.read.reader import read_mammogram
from bac_terms.errors import RefusedError


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
        ("RIGHT CC", "R", "CC"),
        ("LEFT MLO", "L", "MLO"),
        ("CC-L", "L", "CC"),
        ("MLO_R", "R", "MLO"),
        ("LCC (ID)", "L", "CC"),
        ("CRANIO-CAUDAL", "", "CC"),
        ("CRANIOCAUDAL LT", "L", "CC"),
        ("RIGHT MEDIO-LATERAL OBLIQUE", "R", "MLO"),
        ("LATEROMEDIAL OBLIQUE", "", "LMO"),
        ("EXAGGERATED CRANIOCAUDAL LATERALLY", "", "XCCL"),
        ("A R", "", ""),
        ("CC ROLLED", "", ""),
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


@pytest.mark.parametrize(
    ("meaning", "refused"),
    [("Spot compression view", "BAC-VIEW-SPOT"), ("Magnification 1.8", "BAC-VIEW-MAGNIFICATION")],
)
def test_an_unlisted_modifier_says_it_in_words(meaning, refused, read, coded, code):
    attributes = coded("399162004")
    item = code("99-1", "99LOCAL")
    item.CodeMeaning = meaning
    attributes["ViewCodeSequence"][0].ViewModifierCodeSequence = [item]
    with pytest.raises(RefusedError, match=f"^{refused}: "):
        read(**attributes)


def test_an_unlisted_modifier_leaves_no_plain_view(read, coded, code):
    """PS3.16 CID 4015 is extensible."""
    assert "BAC-W-VIEW-MODIFIED" in codes(read(**coded("399162004", "12345678")))
    assert read(**coded("399162004", "12345678")).view == "CC-OTHER"
    without = coded("399162004")
    item = Dataset()
    item.CodeMeaning = "something else"
    without["ViewCodeSequence"][0].ViewModifierCodeSequence = [item]
    assert read(**without).view == "CC-OTHER"
    long = coded("399162004")
    item = Dataset()
    item.LongCodeValue, item.CodingSchemeDesignator = "399197002", "SCT"
    long["ViewCodeSequence"][0].ViewModifierCodeSequence = [item]
    assert read(**long).view == "CCRL"


@pytest.mark.parametrize(
    ("attributes", "view"),
    [
        ({"SeriesDescription": "L CC SPOT"}, "CCS"),
        ({"SeriesDescription": "L CC MAG"}, "CCM"),
        ({"SeriesDescription": "LCCS"}, "CCS"),
        ({"SeriesDescription": "MCC"}, "CCM"),
        ({"SeriesDescription": "Vergrößerung"}, "CCM"),
        ({"SeriesDescription": "L CC ID"}, "CC"),
        ({"PaddleDescription": "10CM CONTACT"}, "CCS"),
        ({"PaddleDescription": "9x9"}, "CCS"),
        ({"PaddleDescription": "75 x 150 MM"}, "CCS"),
        ({"PaddleDescription": "CONTACT"}, "CCS"),
        ({"PaddleDescription": "24X29CM"}, "CC"),
        ({"PaddleDescription": "18x24 CONTACT"}, "CC"),
        ({"PaddleDescription": "180x240"}, "CC"),
        ({"PaddleDescription": "FLEX"}, "CC"),
        ({"SeriesDescription": "MAMMO SCREENING, IMAGE VIEWS"}, "CC"),
        ({"SeriesDescription": "ROUTINE WITHOUT SPOT"}, "CC"),
    ],
)
def test_what_is_described_as_no_plain_view(attributes, view, read):
    image = read(**attributes)
    assert image.view == view
    assert ("BAC-W-VIEW-MODIFIED" in codes(image)) == (view != "CC")


def test_a_description_of_another_view(read):
    # Coded plain and described as a view that is none: told, and in no sum.
    described = read(SeriesDescription="L XCCL")
    assert {"BAC-W-VIEW-CONFLICT", "BAC-W-VIEW-MODIFIED"} <= set(codes(described))
    assert described.view not in ("CC", "MLO")
    assert codes(read(SeriesDescription="L CC")) == codes(read(SeriesDescription="CC AND MLO")) == []


def test_the_view_in_the_readers_menu(read):
    image = read(
        ViewPosition=None, ImageLaterality=None, AcquisitionDeviceProcessingDescription="MAMMO,R-MLO"
    )
    assert (image.laterality, image.view) == ("R", "MLO")
    several = read(ViewPosition=None, AcquisitionDeviceProcessingDescription="CC MLO")
    assert several.view is None


def test_a_view_coded_in_words_alone(read):
    item = Dataset()
    item.CodeMeaning = "medio-lateral oblique"
    assert read(ViewPosition=None, ViewCodeSequence=[item]).view == "MLO"


@pytest.mark.parametrize(
    ("attributes", "side"),
    [
        ({"ImageLaterality": "LEFT"}, "L"),
        ({"ImageLaterality": "RIGHT"}, "R"),
        ({"ImageLaterality": "U", "Laterality": "L"}, "L"),
        ({"ImageLaterality": None, "region": "80248007"}, "L"),
        ({"ImageLaterality": None, "region": "73056007"}, "R"),
        ({"ImageLaterality": None, "region": "T-04030"}, "L"),
        ({"ImageLaterality": None, "region": "76752008", "modifier": "24028007"}, "R"),
        ({"ImageLaterality": None, "region": "76752008"}, None),
        ({"ImageLaterality": "U"}, None),
    ],
)
def test_where_a_side_may_stand(attributes, side, read, code):
    attributes = dict(attributes)
    if region := attributes.pop("region", None):
        item = code(region)
        if modifier := attributes.pop("modifier", None):
            item.AnatomicRegionModifierSequence = [code(modifier)]
        attributes["AnatomicRegionSequence"] = [item]
    image = read(**attributes)
    assert image.laterality == side
    assert ("BAC-W-LATERALITY-UNKNOWN" in codes(image)) == (side is None)


def test_sides_that_contradict_each_other(read, code):
    image = read(ImageLaterality="L", AnatomicRegionSequence=[code("73056007")])
    assert "BAC-W-VIEW-CONFLICT" in codes(image)


@pytest.mark.parametrize(
    "attributes", [{"ImageLaterality": "B"}, {"ImageLaterality": "BILATERAL"}, {"ImageLaterality": None}]
)
def test_both_breasts(attributes, read, code):
    """PS3.3 C.8.11.7.1.2: B is for both."""
    if attributes["ImageLaterality"] is None:
        attributes = attributes | {"AnatomicRegionSequence": [code("63762007")]}
    with pytest.raises(RefusedError, match=r"^BAC-VIEW-BILATERAL: .*one breast"):
        read(**attributes)


def test_a_description_of_the_other_side_or_of_a_specimen(read):
    assert "BAC-W-VIEW-CONFLICT" in codes(read(SeriesDescription="R CC"))
    assert read(ProtocolName="MAG").view == "CCM"
    assert read(ImageComments="spot compression").view == "CCS"
    with pytest.raises(RefusedError, match=r"^BAC-VIEW-SPECIMEN: "):
        read(SeriesDescription="LCC SPECIMEN")
