"""Segmentations, maps, pictures and presentation states, read back by pydicom alone."""

from __future__ import annotations

import io
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image, ImageDraw

pytest.importorskip("highdicom", reason="the extra dicom is not installed, or has no highdicom here")

from tests.sdk.outputs.dicom.women import COLUMNS, ROWS, STUDY, exam, mammogram, vessels, woman

from bacctl.outputs.dicom import DicomObject, make_objects
from bacctl.outputs.dicom.outlines import outlines

KINDS_OF_IMAGE = [
    pytest.param("L", {"PhotometricInterpretation": "MONOCHROME2"}, id="log left"),
    pytest.param("R", {"PhotometricInterpretation": "MONOCHROME2"}, id="log right"),
    pytest.param(
        "L",
        {
            "PhotometricInterpretation": "MONOCHROME1",
            "PixelIntensityRelationship": "LIN",
            "PixelIntensityRelationshipSign": 1,
        },
        id="lin, monochrome1, left",
    ),
    pytest.param(
        "R",
        {
            "PhotometricInterpretation": "MONOCHROME1",
            "PixelIntensityRelationship": "LIN",
            "PixelIntensityRelationshipSign": 1,
            "FrameOfReferenceUID": "1.2.826.0.1.7.9",
        },
        id="lin, monochrome1, right",
    ),
]


def read(made: DicomObject) -> pydicom.Dataset:
    return pydicom.dcmread(io.BytesIO(made.to_bytes()))


def only(objects: list[DicomObject], kind: str) -> pydicom.Dataset:
    (found,) = (made for made in objects if made.kind == kind)
    return read(found)


@pytest.mark.parametrize(("side", "header"), KINDS_OF_IMAGE)
@pytest.mark.parametrize("labelmap", [False, True])
def test_mask_of_the_segmentation_is_that_of_the_result(
    side: str, header: dict[str, object], labelmap: bool, tmp_path: Path
) -> None:
    data = mammogram(side, "MLO", **header)
    source = pydicom.dcmread(io.BytesIO(data))
    given = exam(tmp_path, data)
    dataset = only(make_objects(given, ("seg",), labelmap=labelmap), "seg")
    pixels = dataset.pixel_array
    if labelmap:
        assert dataset.SegmentationType == "LABELMAP"
        segments = [np.squeeze(pixels) == number for number in (1, 2)]
    else:
        assert dataset.SegmentationType == "BINARY"
        assert pixels.shape == (2, ROWS, COLUMNS)
        segments = [frame > 0 for frame in pixels]
    assert np.array_equal(segments[0] | segments[1], given.images[0].mask)
    # Two vessels of which one is of two pieces, with boxes that overlap.
    assert np.array_equal(segments[0], vessels(side) == 1)
    assert np.array_equal(segments[1], vessels(side) == 2)
    for about in ("StudyInstanceUID", "PatientID", "PatientName", "PatientBirthDate", "AccessionNumber"):
        assert str(dataset[about].value) == str(source[about].value)
    assert list(dataset.PatientOrientation) == list(source.PatientOrientation)
    assert dataset.get("FrameOfReferenceUID") == source.get("FrameOfReferenceUID")
    measures = dataset.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
    assert [float(value) for value in measures.PixelSpacing] == pytest.approx([0.5 / 1.1] * 2)
    segment = dataset.SegmentSequence[1]
    assert segment.SegmentedPropertyTypeCodeSequence[0].CodeValue == "129759000"
    assert segment.SegmentationAlgorithmIdentificationSequence[0].AlgorithmVersion == "0.1.0"
    names = {str(element.value) for element in dataset.iterall() if element.keyword.endswith("InstanceUID")}
    assert str(source.SOPInstanceUID) in names


def test_area_of_the_segments_is_that_of_the_vessels(tmp_path: Path) -> None:
    given = exam(tmp_path, mammogram())
    dataset = only(make_objects(given, ("seg",)), "seg")
    spacing = dataset.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].PixelSpacing
    for frame, vessel in zip(dataset.pixel_array, given.images[0].vessels, strict=True):
        assert frame.sum() * float(spacing[0]) * float(spacing[1]) == pytest.approx(vessel.area_mm2)


def test_map_sums_up_to_the_mass(tmp_path: Path) -> None:
    given = exam(tmp_path, mammogram("R"))
    dataset = only(make_objects(given, ("pm",)), "pm")
    values = np.frombuffer(dataset.FloatPixelData, "<f4").reshape(ROWS, COLUMNS)
    assert np.array_equal(values, given.images[0].density)
    spacing = dataset.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].PixelSpacing
    mass = float(values.sum()) * float(spacing[0]) * float(spacing[1])
    assert mass == pytest.approx(given.images[0].calcium_mass_mg, rel=1e-5)
    mapping = dataset.SharedFunctionalGroupsSequence[0].RealWorldValueMappingSequence[0]
    assert mapping.MeasurementUnitsCodeSequence[0].CodeValue == "mg/mm2"


def test_nothing_weighed_gives_no_map_and_nothing_found_only_a_picture(tmp_path: Path) -> None:
    unweighed = make_objects(exam(tmp_path / "a", mammogram(), weighed=False), ("seg", "pm", "sc", "pr"))
    assert sorted(made.kind for made in unweighed) == ["pr", "sc", "seg"]
    empty = make_objects(exam(tmp_path / "b", mammogram(), found=False), ("seg", "pm", "sc", "pr"))
    assert [made.kind for made in empty] == ["sc"]


@pytest.mark.parametrize(("side", "header"), KINDS_OF_IMAGE)
def test_picture_has_the_matrix_and_orientation_of_the_image(
    side: str, header: dict[str, object], tmp_path: Path
) -> None:
    given = exam(tmp_path, mammogram(side, **header))
    dataset = only(make_objects(given, ("sc",)), "sc")
    pixels = dataset.pixel_array.astype(int)
    assert pixels.shape == (ROWS, COLUMNS, 3)
    assert list(dataset.PatientOrientation) == (["A", "R"] if side == "L" else ["P", "FL"])
    # The outline lies around the vessel, and the breast is bright on its own side whatever the polarity.
    mask = given.images[0].mask
    assert mask is not None
    yellow = (pixels[..., 0] > 200) & (pixels[..., 2] < 50)
    assert yellow.sum() > 100
    assert not (yellow & mask).any()
    rows, columns = np.nonzero(yellow)
    assert abs(rows.mean() - np.nonzero(mask)[0].mean()) < 5
    assert abs(columns.mean() - np.nonzero(mask)[1].mean()) < 5
    half = pixels[60:90, :, 0]
    left, right = half[:, :40].mean(), half[:, -40:].mean()
    assert (left > right) == (side == "L")


@pytest.mark.parametrize(("side", "header"), KINDS_OF_IMAGE)
def test_outlines_enclose_the_mask(side: str, header: dict[str, object], tmp_path: Path) -> None:
    given = exam(tmp_path, mammogram(side, **header))
    dataset = only(make_objects(given, ("pr",)), "pr")
    inverse = header["PhotometricInterpretation"] == "MONOCHROME1"
    assert dataset.PresentationLUTShape == ("INVERSE" if inverse else "IDENTITY")
    large = Image.new("1", (COLUMNS * 4, ROWS * 4))
    for graphic in dataset.GraphicAnnotationSequence[0].GraphicObjectSequence:
        assert graphic.GraphicType == "POLYLINE"
        points = np.array(graphic.GraphicData).reshape(-1, 2)
        assert np.array_equal(points[0], points[-1])
        ImageDraw.Draw(large).polygon([tuple(point * 4) for point in points.tolist()] and
                                      [(x * 4, y * 4) for x, y in points.tolist()], fill=1)  # fmt: skip
    centres = np.array(large)[2::4, 2::4]
    assert np.array_equal(centres, given.images[0].mask)


def test_long_outlines_are_thinned_and_read_back_as_numbers(tmp_path: Path) -> None:
    # Twenty bars on a spine, each with two hundred bumps of four corners.
    comb = np.zeros((60, 400), bool)
    comb[:, 0] = True
    comb[1::3, :] = True
    comb[0::3, ::2] = True
    (whole,) = outlines(comb, 10**6)
    assert len(whole) > 15_000
    (line,) = outlines(comb)
    assert 7_000 < len(line) < 8192
    assert np.array_equal(line[0], line[-1])
    data = mammogram()
    given = exam(tmp_path, data)
    mask = np.zeros((ROWS, COLUMNS), bool)
    mask[:60, :] = comb[:, :COLUMNS]
    jagged = replace(given.images[0], mask=mask, vessels=())
    dataset = only(make_objects(replace(given, images=(jagged,)), ("pr",)), "pr")
    (graphic,) = dataset.GraphicAnnotationSequence[0].GraphicObjectSequence
    assert graphic["GraphicData"].VR == "FL"
    assert len(graphic.GraphicData) == 2 * graphic.NumberOfGraphicPoints


def test_two_windows_and_a_lookup_table_make_no_fault(tmp_path: Path) -> None:
    item = pydicom.Dataset()
    item.add_new("LUTDescriptor", "US", [4, 0, 16])
    item.LUTExplanation = "NORMAL"
    item.add_new("LUTData", "US", [0, 100, 200, 300])
    data = mammogram(WindowCenter=[2000, 2500], WindowWidth=[900, 700], VOILUTSequence=[item])
    dataset = only(make_objects(exam(tmp_path, data), ("pr",)), "pr")
    (window,) = dataset.SoftcopyVOILUTSequence
    assert (window.WindowCenter, window.WindowWidth) == (2000, 900)


def test_every_run_has_uids_of_its_own_and_one_tracking_uid_a_vessel(tmp_path: Path) -> None:
    given = woman(tmp_path)
    first, second = make_objects(given), make_objects(given)
    uids = [made.sop_instance_uid for made in first + second]
    assert len(set(uids)) == len(uids) == 2 * (4 * 4 + 1)
    segments = {
        str(segment.TrackingUID)
        for made in first
        if made.kind == "seg"
        for segment in made.dataset.SegmentSequence
    }
    assert len(segments) == 8
    report = read(first[-1])
    assert first[-1].kind == "sr"
    tracked = {str(element.value) for element in report.iterall() if element.keyword == "UID"}
    outlined = {
        str(graphic.TrackingUID)
        for made in first
        if made.kind == "pr"
        for graphic in made.dataset.GraphicAnnotationSequence[0].GraphicObjectSequence
    }
    assert segments == outlined
    assert segments < tracked
    assert {str(made.dataset.StudyInstanceUID) for made in first} == {STUDY}


def test_names_are_in_the_objects_and_in_no_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    data = mammogram(PatientName="JANEDOE", PatientBirthDate="00000000", PatientSex="X", AccessionNumber="")
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        objects = make_objects(exam(tmp_path, data))
        datasets = [read(made) for made in objects]
    assert "JANEDOE" not in caplog.text + " ".join(str(one.message) for one in said)
    for dataset in datasets:
        assert dataset.PatientName == "JANEDOE"
        assert not dataset.PatientBirthDate
        assert not dataset.PatientSex
