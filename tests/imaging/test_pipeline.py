"""Both halves of the pipeline on images written here, so that every expected number is known."""

from __future__ import annotations

import io
import json
import math
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

import bac_imaging.mass.area
from bac_imaging.context import Context
from bac_imaging.grid.tiles import cut_tiles
from bac_imaging.mass.area import AreaDensity, AreaFit
from bac_imaging.mass.calibration import Calibration, calibrate
from bac_imaging.pipeline import (
    Prepared,
    Quantified,
    find,
    prepare,
    quantify,
    report,
    stitch,
    to_working_mask,
    weigh,
)
from bac_imaging.vessels.demands import PostProcessing
from bac_terms.beam import Beam
from bac_terms.errors import RefusedError

ROW_MM, COLUMN_MM = 0.1, 0.08
SHAPE = (900, 1000)  # 90 mm x 80 mm
CALCIUM_MG_CM2 = 20.0
VESSEL = np.s_[440:452, 150:450]  # 1.2 mm x 24 mm at the detector
SID_MM, SOD_MM, THICKNESS_MM = 660.0, 640.0, 50.0
MAGNIFICATION = SID_MM / (SOD_MM - THICKNESS_MM / 2)
BEAM = Beam("TUNGSTEN", "RHODIUM", 0.05, 28.0, THICKNESS_MM, True, "DIRECT")


def _log_exposure(*, vessel: bool) -> np.ndarray:
    y, x = np.ogrid[: SHAPE[0], : SHAPE[1]]
    inside = np.maximum(0.0, 1 - ((y - 450) / 400.0) ** 2 - (x / 700.0) ** 2)
    signal = 3.0 * inside**0.2
    signal = signal + np.random.default_rng(1).normal(0, 0.01, SHAPE)
    if vessel:
        calibration = calibrate(BEAM)
        assert isinstance(calibration, Calibration)
        grams = CALCIUM_MG_CM2 / 1000
        # Blood and wall read like 2.4 mg/cm2 of calcium a mm in fat and 0.5 in gland: the middle of the two.
        soft = 1.45e-3 * math.pi / 4 * 1.2 / MAGNIFICATION
        calcium = grams * (1 - calibration.hardening_cm2_per_g * grams)
        primary = calibration.k_cm2_per_g * (calcium + soft)
        ratio = calibration.scatter_to_primary
        signal[VESSEL] += np.log((1 + ratio) / (np.exp(-primary) + ratio))
    return signal


def _dicom(*, vessel: bool = True, **changes: object) -> bytes:
    exposure = 12000.0 * np.exp(-_log_exposure(vessel=vessel))
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.1.2.1"
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=["image"])
    ds.StudyInstanceUID = generate_uid(entropy_srcs=["study"])
    ds.Modality = "MG"
    ds.ImageType = ["ORIGINAL", "PRIMARY"]
    ds.PresentationIntentType = "FOR PROCESSING"
    ds.PixelIntensityRelationship, ds.PixelIntensityRelationshipSign = "LIN", 1
    ds.ImageLaterality, ds.ViewPosition = "L", "CC"
    view = Dataset()
    view.CodeValue, view.CodingSchemeDesignator, view.CodeMeaning = "399162004", "SCT", "cranio-caudal"
    ds.ViewCodeSequence = [view]
    ds.ImagerPixelSpacing = [ROW_MM, COLUMN_MM]
    ds.FieldOfViewDimensions = [90, 80]
    ds.DistanceSourceToDetector, ds.DistanceSourceToPatient = SID_MM, SOD_MM
    ds.KVP, ds.BodyPartThickness = 28, THICKNESS_MM
    ds.AnodeTargetMaterial, ds.FilterMaterial = "TUNGSTEN", "RHODIUM"
    ds.FilterThicknessMinimum = ds.FilterThicknessMaximum = 0.05
    ds.Grid, ds.DetectorType = ["RECIPROCATING", "FOCUSED"], "DIRECT"
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.Rows, ds.Columns = SHAPE
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 16, 15, 0
    ds.PixelData = np.rint(exposure).clip(0, 65535).astype("<u2").tobytes()
    for keyword, value in changes.items():
        if value is None:
            delattr(ds, keyword)
        else:
            setattr(ds, keyword, value)
    buffer = io.BytesIO()
    ds.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def _png() -> bytes:
    signal = _log_exposure(vessel=True)
    buffer = io.BytesIO()
    Image.fromarray(np.clip(signal * 60, 0, 255).astype(np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def _truth() -> np.ndarray:
    mask = np.zeros(SHAPE, dtype=bool)
    mask[VESSEL] = True
    return mask


def _quantify(prepared: Prepared, truth: np.ndarray | None, weights_sha256: str | None = None) -> Quantified:
    """Let a perfect network answer; the context travels as JSON, as it does between the steps."""
    context = Context.from_dict(json.loads(json.dumps(prepared.context.to_dict())))
    working = (
        np.zeros(prepared.signal.shape, dtype=bool) if truth is None else to_working_mask(truth, context)
    )
    tiles, _ = cut_tiles(working.astype(np.float32) * np.float32(0.97), prepared.breast)
    return quantify(tiles, prepared.signal, context, weights_sha256=weights_sha256)


@pytest.fixture(scope="module")
def prepared() -> Prepared:
    return prepare(_dicom())


@pytest.fixture(scope="module")
def result(prepared: Prepared) -> Quantified:
    return _quantify(prepared, _truth())


def test_what_was_found_beside_the_size_of_the_breast(result: Quantified) -> None:
    # Half an ellipse of 40 x 56 mm at the detector, 1.5 mm drawn in at the skin and 2 mm at the chest wall.
    height, depth = 40.0 - 1.5, 56.0 - 1.5
    breast_mm2 = (math.pi / 2 * height * depth - 2.0 * 2 * height) / MAGNIFICATION**2
    assert result.report.breast_area_mm2 == pytest.approx(breast_mm2, rel=0.05)
    # 1.2 mm x 24 mm of artery: square millimetres on square millimetres, so that no magnification is left.
    share = 100 * 1.2 * 24.0 / (breast_mm2 * MAGNIFICATION**2)
    assert result.report.area_percent_of_breast == pytest.approx(share, rel=0.06)
    per_cm2 = 24.0 / MAGNIFICATION / (breast_mm2 / 100)
    assert result.report.length_mm_per_cm2_of_breast == pytest.approx(per_cm2, rel=0.08)


def test_the_area_stands_for_a_mass_only_on_images_for_presentation(monkeypatch: pytest.MonkeyPatch) -> None:
    fit = AreaFit("area-test", "ab" * 32, (0.05, 0.1), {"view": AreaDensity(0.05, 0.1, 0.3, 2.0, 500.0)})
    monkeypatch.setattr(bac_imaging.mass.area, "area_fit", lambda: fit)
    raw = prepare(_dicom())
    shown = prepare(
        _dicom(SOPClassUID="1.2.840.10008.5.1.4.1.1.1.2", PresentationIntentType="FOR PRESENTATION")
    )
    estimates = [_quantify(image, _truth(), "ab" * 32).report.area_estimate for image in (raw, shown)]
    assert estimates[0] is None
    # 1.2 mm x 24 mm at the detector.
    assert estimates[1].central_mg == pytest.approx(0.1 * 1.2 * 24.0 / MAGNIFICATION**2, rel=0.01)
    assert estimates[1].fit == "area-test"
    assert _quantify(shown, _truth()).report.area_estimate is None  # no network is named


@pytest.mark.parametrize("point", [0.0, 1.0])
def test_quantify_is_its_four_steps(point: float) -> None:
    """Evaluation calls them one by one."""
    prepared = prepare(_dicom(), {"min_probability": point})
    working = to_working_mask(_truth(), prepared.context).astype(np.float32) * np.float32(0.97)
    tiles, _ = cut_tiles(working, prepared.breast)
    whole = quantify(tiles, prepared.signal, prepared.context)
    parameters = PostProcessing()
    probability = stitch(tiles, prepared.context)
    assert not probability[~prepared.breast].any()
    segmentation = find(probability, prepared.context, parameters)
    assert len(segmentation.lengths_mm) == 1
    weighed = weigh(segmentation, probability, prepared.signal, prepared.context)
    assert weighed.mass.vessels[0].mass_mg > 0
    steps = report(weighed, probability, prepared.signal, prepared.context, parameters)
    assert steps.report == whole.report
    assert steps.evidence == whole.evidence
    for name in ("mask", "density", "labels"):
        assert np.array_equal(getattr(steps, name), getattr(whole, name)), name
    assert whole.report.bac_detected == (point == 0.0)


def test_prepared_arrays_and_context(prepared: Prepared) -> None:
    assert prepared.tiles.dtype == prepared.signal.dtype == prepared.normalised.dtype == np.float32
    assert prepared.signal.shape == prepared.normalised.shape == prepared.breast.shape == (900, 800)
    assert prepared.tiles.shape[1:] == (1, 512, 512)
    assert len(prepared.tiles) >= 1
    assert len(json.dumps(prepared.context.to_dict())) < 60_000
    assert np.isfinite(prepared.tiles).all()


@pytest.mark.parametrize(
    ("changes", "basis", "code"),
    [
        ({"Grid": None}, "calibrated", "BAC-W-GRID-ASSUMED"),
        ({"DetectorConfiguration": "SLOT"}, "none", "BAC-W-MASS-NONE-BEAM"),
        ({"DetectorType": "FILM"}, "none", "BAC-W-MASS-NONE-BEAM"),
    ],
)
def test_what_a_mass_does_not_rest_on_is_told(changes: dict[str, Any], basis: str, code: str) -> None:
    report = _quantify(prepare(_dicom(**changes)), _truth()).report
    assert report.mass_basis == basis
    assert code in {warning.code for warning in report.warnings}


def test_no_grid_said_twice_is_no_grid() -> None:
    for terms in ("NONE", ["NONE", "NONE"]):
        beam = prepare(_dicom(Grid=terms)).context.beam
        assert beam is not None
        assert beam.grid is False


@pytest.mark.parametrize("options", [{1: 2}, {None: 1}, [1]])
def test_options_that_are_no_names(options: Any) -> None:
    with pytest.raises(RefusedError, match="BAC-OPTIONS-INVALID"):
        prepare(_dicom(), options)


def test_a_mask_ends_a_fifth_of_a_mm_beyond_its_core(prepared: Prepared) -> None:
    """A network that holds all of the breast for a little probable: the outline does not run away."""
    working = to_working_mask(_truth(), prepared.context)
    answer = np.where(working, 0.97, 0.4).astype(np.float32)
    tiles, _ = cut_tiles(answer, prepared.breast)
    parameters = PostProcessing(outline=0.3, core=0.9, seed=0.9)
    mask = quantify(tiles, prepared.signal, prepared.context, parameters).mask
    for axis, spacing_mm, part in zip((1, 0), (ROW_MM, COLUMN_MM), VESSEL, strict=True):
        span_mm = mask.any(axis).sum() * spacing_mm
        assert span_mm == pytest.approx(
            (part.stop - part.start) * spacing_mm + 2 * 0.2, abs=1.01 * spacing_mm
        )


def test_mass_of_a_wedge_of_known_calcium(result: Quantified) -> None:
    area_mm2 = 12 * ROW_MM * 300 * COLUMN_MM / MAGNIFICATION**2
    report = result.report
    assert report.mass_basis == "calibrated"
    assert report.mass_reference == "calcium"
    assert report.magnification == pytest.approx(MAGNIFICATION)
    assert report.area_mm2 == pytest.approx(area_mm2, rel=0.01)
    # All gland or all fat beside the vessel would make 4 %.
    assert report.calcium_mass_mg == pytest.approx(CALCIUM_MG_CM2 / 100 * area_mm2, rel=0.05)
    low, high = report.calcium_mass_interval_mg
    assert low < report.calcium_mass_mg < high


def test_density_map_sums_to_the_mass(result: Quantified) -> None:
    pixel_mm2 = ROW_MM * COLUMN_MM / MAGNIFICATION**2
    assert result.density.shape == SHAPE
    assert result.density.dtype == np.float32
    total = result.density.sum(dtype=np.float64) * pixel_mm2
    assert total == pytest.approx(result.report.calcium_mass_mg, rel=1e-3)


def test_mask_and_vessel_lie_in_the_stored_matrix(result: Quantified) -> None:
    truth = _truth()
    assert result.mask.shape == SHAPE
    overlap = 2 * (result.mask & truth).sum() / (result.mask.sum() + truth.sum())
    assert overlap > 0.98
    (vessel,) = result.report.vessels
    assert vessel.bbox_px == pytest.approx([440, 150, 452, 450], abs=1)
    assert vessel.length_mm == pytest.approx(24.0 / MAGNIFICATION, rel=0.05)
    assert vessel.mean_width_mm == pytest.approx(1.2 / MAGNIFICATION, rel=0.06)
    assert sum(v.calcium_mass_mg for v in result.report.vessels) == pytest.approx(
        result.report.calcium_mass_mg, rel=1e-3
    )


def test_report_has_every_key_of_the_image_object(result: Quantified) -> None:
    schema = json.loads(files("bacctl").joinpath("schema", "analysis-1.json").read_text())
    image = {"$ref": "#/$defs/image", "$defs": schema["$defs"]}
    # Where the file lies and what was written of it is the client's to say.
    jsonschema.validate({**result.report.to_dict(), "path": None, "files": {}}, image)
    assert {*result.report.to_dict(), "path", "files"} == set(schema["$defs"]["image"]["properties"])
    assert result.report.pixel_spacing_mm == (ROW_MM, COLUMN_MM)
    assert (result.report.laterality, result.report.view) == ("L", "CC")
    assert result.report.bac_detected is True
    assert result.report.bac_probability > 0.5
    json.dumps(result.report.to_dict(), allow_nan=False)


def test_no_bac_gives_zeros_and_no_nan() -> None:
    empty = _quantify(prepare(_dicom(vessel=False)), None)
    assert empty.report.bac_detected is False
    assert empty.report.bac_probability == 0.0
    assert empty.report.calcium_mass_mg == 0.0
    assert empty.report.calcium_mass_interval_mg == (0.0, 0.0)
    assert empty.report.vessels == ()
    assert empty.report.area_mm2 == empty.report.length_mm == 0.0
    assert not empty.mask.any()
    assert empty.density.shape == SHAPE
    assert not empty.density.any()
    json.dumps(empty.report.to_dict(), allow_nan=False)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"KVP": None}, "BAC-W-MASS-NONE-BEAM"),
        ({"AnodeTargetMaterial": None}, "BAC-W-MASS-NONE-BEAM"),
        ({"BodyPartThickness": None}, "BAC-W-MASS-NONE-THICKNESS"),
    ],
)
def test_without_beam_or_thickness_there_is_no_mass(changes: dict[str, object], code: str) -> None:
    found = _quantify(prepare(_dicom(**changes)), _truth())
    assert found.report.status == "ok"
    assert found.report.calcium_mass_mg is None
    assert found.report.calcium_mass_interval_mg is None
    assert found.report.mass_basis == "none"
    assert code in [warning.code for warning in found.report.warnings]
    assert found.report.area_mm2 > 0
    assert found.report.vessels[0].calcium_mass_mg is None
    assert found.density.shape == (0, 0)


@pytest.mark.parametrize(
    ("maker", "model"),
    [
        ("Sectra Imtec AB", "L30"),
        ("Philips Medical Systems", "MicroDose SI"),
        ("Philips Digital Mammography Sweden AB", "L50"),
    ],
)
def test_a_detector_that_counts_photons_is_not_calibrated(maker: str, model: str) -> None:
    changes = {"Manufacturer": maker, "ManufacturerModelName": model}
    found = _quantify(prepare(_dicom(FilterMaterial="ALUMINUM", **changes)), _truth())
    assert found.report.mass_basis == "none"
    assert found.report.beam.detector == "PHOTON_COUNTING"
    (warning,) = found.report.warnings
    assert warning.code == "BAC-W-MASS-NONE-BEAM"
    assert warning.text.startswith("no calcium mass: a detector that counts photons or scans a slot is not")


# The exposure is that of the true header; each value of it may be told a tenth too small or too large.
@pytest.mark.parametrize("factor", [0.9, 1.1])
@pytest.mark.parametrize(
    "keyword",
    [
        "KVP",
        "BodyPartThickness",
        "FilterThicknessMaximum",
        "DistanceSourceToDetector",
        "DistanceSourceToPatient",
    ],
)
def test_a_header_value_a_tenth_off_moves_the_mass_no_more_than_the_interval_says(
    result: Quantified, keyword: str, factor: float
) -> None:
    told = {
        "KVP": 28.0,
        "BodyPartThickness": THICKNESS_MM,
        "FilterThicknessMaximum": 0.05,
        "DistanceSourceToDetector": SID_MM,
        "DistanceSourceToPatient": SOD_MM,
    }[keyword] * factor
    changes: dict[str, object] = {keyword: told}
    if keyword == "FilterThicknessMaximum":
        changes["FilterThicknessMinimum"] = told
    off = _quantify(prepare(_dicom(**changes)), _truth()).report
    low, high = result.report.calcium_mass_interval_mg
    assert low < off.calcium_mass_mg < high
    low, high = off.calcium_mass_interval_mg
    assert low < result.report.calcium_mass_mg < high


def test_a_vessel_without_tissue_beside_it_is_told_and_not_called_empty(prepared: Prepared) -> None:
    # Everything around the vessel looks a little like calcium: nothing is left to compare it with.
    working = np.where(to_working_mask(_truth(), prepared.context), np.float32(0.97), np.float32(0.4))
    tiles, _ = cut_tiles(working, prepared.breast)
    report = quantify(tiles, prepared.signal, prepared.context).report
    assert [warning.code for warning in report.warnings] == ["BAC-W-VESSEL-NOT-WEIGHED"]
    assert report.bac_detected
    assert report.calcium_mass_mg == 0.0
    low, high = report.calcium_mass_interval_mg
    assert low == 0.0
    assert high > CALCIUM_MG_CM2 / 100 * report.area_mm2


@pytest.mark.parametrize("value", [0, 60000])
def test_saturated_or_missing_pixels_under_a_vessel_are_told(value: int) -> None:
    exposure = np.rint(12000.0 * np.exp(-_log_exposure(vessel=True))).clip(0, 60000).astype("<u2")
    exposure[440:452, 200:210] = value
    found = _quantify(prepare(_dicom(PixelData=exposure.tobytes())), _truth())
    assert "BAC-W-CLIPPED" in [warning.code for warning in found.report.warnings]


def test_a_logarithmic_image_has_an_estimated_mass_only() -> None:
    # Four decades over 16 bits, as is assumed; white is high.
    stored = np.rint((_log_exposure(vessel=True) + 2.0) * 65535.0 / math.log(1e4)).astype("<u2")
    changes = {"PixelIntensityRelationship": "LOG", "PixelIntensityRelationshipSign": -1}
    report = _quantify(prepare(_dicom(PixelData=stored.tobytes(), **changes)), _truth()).report
    assert report.mass_basis == "estimated"
    codes = [warning.code for warning in report.warnings]
    assert codes == ["BAC-W-LOG-SLOPE-ASSUMED", "BAC-W-MASS-ESTIMATED"]
    assert report.calcium_mass_mg == pytest.approx(CALCIUM_MG_CM2 / 100 * report.area_mm2, rel=0.06)
    low, high = report.calcium_mass_interval_mg
    assert high - low > 2 * 1.96 * 0.4 * report.calcium_mass_mg * 0.9


def test_a_plain_image_has_area_and_length_but_no_mass() -> None:
    found = _quantify(prepare(_png(), {"pixel_spacing_mm": [ROW_MM, COLUMN_MM]}), _truth())
    assert found.report.mass_basis == "none"
    assert found.report.calcium_mass_mg is None
    assert found.report.length_mm > 15
    assert "BAC-W-MASS-NONE-FILM" in [warning.code for warning in found.report.warnings]
    assert found.mask.shape == SHAPE


def test_an_image_processed_for_presentation_has_no_mass_and_says_why() -> None:
    found = _quantify(
        prepare(_dicom(PresentationIntentType="FOR PRESENTATION", PhotometricInterpretation="MONOCHROME1")),
        _truth(),
    )
    assert found.report.mass_basis == "none"
    assert found.report.calcium_mass_mg is None
    assert found.report.area_mm2 > 0
    assert "BAC-W-MASS-NONE-PROCESSED" in [warning.code for warning in found.report.warnings]


def test_the_model_cards_threshold_is_the_outline(prepared: Prepared) -> None:
    truth = to_working_mask(_truth(), prepared.context)
    tiles, _ = cut_tiles(truth.astype(np.float32) * np.float32(0.7), prepared.breast)
    for threshold, is_found in ((0.65, True), (0.75, False)):
        parameters = PostProcessing.of(threshold, {})
        assert quantify(tiles, prepared.signal, prepared.context, parameters).mask.any() == is_found


@pytest.mark.parametrize(
    "options",
    [
        {"spacing": [0.1, 0.1]},
        {"pixel_spacing_mm": 0.1},
        {"pixel_spacing_mm": [0.1]},
        {"pixel_spacing_mm": ["0.1", "0.1"]},
        {"pixel_spacing_mm": [True, True]},
    ],
)
def test_options_are_checked(options: dict[str, object]) -> None:
    with pytest.raises(RefusedError) as refused:
        prepare(_png(), options)
    assert refused.value.code == "BAC-OPTIONS-INVALID"


def test_arrays_that_do_not_belong_together_are_rejected(prepared: Prepared) -> None:
    with pytest.raises(ValueError, match="signal"):
        quantify(prepared.tiles * 0, prepared.signal[1:], prepared.context)
    with pytest.raises(ValueError, match="origins"):
        quantify(prepared.tiles[:0], prepared.signal, prepared.context)
    with pytest.raises(ValueError, match="mask"):
        to_working_mask(np.zeros((3, 3), dtype=bool), prepared.context)


SHARED = Path(__file__).parents[3] / "shared" / "mammograms"


@pytest.mark.slow
def test_a_real_presentation_image() -> None:
    path = SHARED / "ge_essential_rmlo.dcm"
    if not path.exists():
        pytest.skip("no real mammograms here")
    prepared = prepare(path.read_bytes())
    assert prepared.context.spacing_source == "ImagerPixelSpacing"
    assert 5 <= len(prepared.tiles) <= 30
    report = _quantify(prepared, np.zeros((3062, 2394), dtype=bool)).report
    assert report.mass_basis == "none"
    assert report.calcium_mass_mg is None


@pytest.mark.parametrize("point", [0.0, 0.9, 1.0])
def test_finds_below_the_operating_point_have_no_part_in_anything(point: float) -> None:
    """The network's 0.97 is a score of 0.5 + 0.5 * 0.47 / 0.5 = 0.97."""
    every = _quantify(prepare(_dicom()), _truth())
    found = _quantify(prepare(_dicom(), {"min_probability": point}), _truth())
    report = found.report
    assert report.min_probability == point
    assert report.probability_prevalence is None
    assert report.bac_probability == every.report.bac_probability == 0.97
    codes = [warning.code for warning in report.warnings]
    if point < 0.97:
        assert report.vessels == every.report.vessels
        assert report.vessels[0].probability == 0.97
        assert "BAC-W-BELOW-POINT" not in codes
        return
    assert report.bac_detected is False
    assert (report.vessels, report.area_mm2, report.length_mm) == ((), 0.0, 0.0)
    assert (report.calcium_mass_mg, report.calcium_mass_interval_mg) == (0.0, (0.0, 0.0))
    assert not found.mask.any()
    assert not found.density.any()
    assert codes.count("BAC-W-BELOW-POINT") == 1
    json.dumps(report.to_dict(), allow_nan=False)


@pytest.mark.parametrize("point", [-0.1, 1.1, float("nan"), float("inf"), 10**400, "0.5", True, [0.5], {}])
def test_an_operating_point_that_is_no_probability_is_refused(point: object) -> None:
    with pytest.raises(RefusedError, match="min_probability is not a number from 0 to 1") as refusal:
        prepare(_dicom(), {"min_probability": point})
    assert refusal.value.code == "BAC-OPTIONS-INVALID"
    assert "\n" not in str(refusal.value)
