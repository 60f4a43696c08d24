"""From stored values to a signal that rises with attenuation."""

from __future__ import annotations

import numpy as np
import pytest
from pydicom.dataset import Dataset

from bac_imaging.read.reader import read_mammogram

RAW = {
    "PresentationIntentType": "FOR PROCESSING",
    "SOPClassUID": "1.2.840.10008.5.1.4.1.1.1.2.1",
    "PhotometricInterpretation": "MONOCHROME1",
    "PixelIntensityRelationship": "LIN",
    "PixelIntensityRelationshipSign": 1,
}


@pytest.fixture
def read(dataset, to_bytes):
    def read_with(pixels=None, **attributes):
        return read_mammogram(to_bytes(dataset(pixels, **attributes)))

    return read_with


def codes(image):
    return {notice.code for notice in image.warnings}


def test_linear_raw_is_minus_log_exposure(read, ramp):
    image = read(**RAW)
    assert image.signal_kind == "log_exposure"
    assert image.presentation_intent == "FOR PROCESSING"
    assert image.exposure_scale_known
    np.testing.assert_allclose(image.signal, -np.log(ramp.astype(float)), rtol=1e-6)
    # Half the exposure is ln 2 more signal.
    halved = read(ramp // 2 * 2 // 2, **RAW)
    assert np.median(halved.signal - image.signal) == pytest.approx(np.log(2), abs=1e-3)


def test_raw_without_intent_is_known_by_its_sop_class(read):
    assert read(**RAW | {"PresentationIntentType": None}).signal_kind == "log_exposure"


def test_raw_without_exposure_is_invalid_and_finite(read, ramp):
    pixels = ramp.copy()
    pixels[50:60, 50:60] = 0
    image = read(pixels, **RAW)
    assert not image.valid[50:60, 50:60].any()
    assert image.valid.sum() == image.valid.size - 100
    assert np.isfinite(image.signal).all()
    assert image.signal[55, 55] == image.signal[image.valid].min()


@pytest.mark.parametrize("sign", [-1, None])
def test_raw_turned_round_by_its_rescale_slope(read, ramp, sign):
    """Stored values fall with exposure, the rescaled ones rise; without a sign only MONOCHROME1 tells it."""
    turned = {"PixelIntensityRelationshipSign": sign, "RescaleSlope": -1, "RescaleIntercept": 4095}
    image = read((4095 - ramp).astype(np.uint16), **RAW | turned)
    np.testing.assert_allclose(image.signal, -np.log(ramp.astype(float)), rtol=1e-6)
    assert image.exposure_scale_known == (sign == -1)


def test_inverted_linear_raw(read, ramp):
    image = read((4095 - ramp).astype(np.uint16), **RAW | {"PixelIntensityRelationshipSign": -1})
    np.testing.assert_allclose(image.signal, -np.log(ramp.astype(float)), rtol=1e-6)
    assert not image.exposure_scale_known
    assert "BAC-W-INTENSITY-ASSUMED" in codes(image)


@pytest.mark.parametrize(("photometric", "rises"), [("MONOCHROME1", False), ("MONOCHROME2", True)])
def test_raw_without_relationship_is_an_assumption(photometric, rises, read):
    changed = {
        "PixelIntensityRelationship": None,
        "PixelIntensityRelationshipSign": None,
        "PhotometricInterpretation": photometric,
    }
    image = read(**RAW | changed)
    assert (image.signal[:, -1].mean() > image.signal[:, 0].mean()) == rises
    assert not image.exposure_scale_known
    assert "BAC-W-INTENSITY-ASSUMED" in codes(image)


@pytest.mark.parametrize("sign", [1, -1])
def test_logarithmic_raw_has_an_assumed_slope(sign, read, ramp):
    image = read(**RAW | {"PixelIntensityRelationship": "LOG", "PixelIntensityRelationshipSign": sign})
    # 4096 values for four decades: 1024 values are a factor of ten.
    step = (image.signal[0, 100] - image.signal[0, 0]) / (float(ramp[0, 100]) - float(ramp[0, 0])) * 1024
    assert step == pytest.approx(-sign * np.log(10), rel=1e-4)
    assert not image.exposure_scale_known
    assert "BAC-W-LOG-SLOPE-ASSUMED" in codes(image)


def test_a_log_relationship_proves_nothing_for_presentation(read):
    image = read(PixelIntensityRelationship="LOG", PixelIntensityRelationshipSign=-1)
    assert image.signal_kind == "display"
    assert not image.exposure_scale_known


@pytest.mark.parametrize(
    ("function", "at", "value"),
    [
        (None, 2047.5, 0.5),
        ("LINEAR", 2047.5, 0.5),
        ("LINEAR", 2547.0, 1.0),
        ("LINEAR_EXACT", 2548.0, 1.0),
        ("SIGMOID", 2048.0, 0.5),
    ],
)
def test_windows(function, at, value, read, ramp):
    """PS3.3 C.11.2.1.2 at centre 2048 and width 1000 (999 from pixel centre to pixel centre)."""
    image = read(WindowCenter=2048, WindowWidth=1000, VOILUTFunction=function)
    slope, offset = np.polyfit(ramp.ravel().astype(float), image.signal.ravel(), 1)
    assert slope * at + offset == pytest.approx(value, abs=1e-4)


def test_nothing_is_clipped_by_a_window(read, ramp):
    image = read(WindowCenter=500, WindowWidth=100)
    order = np.argsort(ramp.ravel(), kind="stable")
    steps = np.diff(image.signal.ravel()[order].astype(float))
    assert (steps >= 0).all()
    assert len(np.unique(image.signal)) == len(np.unique(ramp))


def test_first_of_several_windows(read):
    several = read(WindowCenter=[2048, 100], WindowWidth=[1000, 20])
    np.testing.assert_array_equal(several.signal, read(WindowCenter=2048, WindowWidth=1000).signal)


@pytest.mark.parametrize("width", [0, -5])
def test_useless_windows_count_as_none(width, read):
    np.testing.assert_array_equal(read(WindowCenter=2048, WindowWidth=width).signal, read().signal)


def test_without_window_the_values_span_zero_to_one(read, ramp):
    signal = read().signal
    np.testing.assert_allclose(signal, (ramp - ramp.min()) / float(np.ptp(ramp)), atol=1e-6)


def lut(outputs, vr="OW", bits=12):
    item = Dataset()
    item.LUTDescriptor = [len(outputs), 0, bits]
    words = np.asarray(outputs).astype("<u2")
    item.add_new("LUTData", vr, words.tobytes() if vr == "OW" else words.tolist())
    return [item]


@pytest.mark.parametrize("vr", ["OW", "US"])
def test_voi_lut_is_followed_and_not_clipped(vr, read, ramp):
    inputs = np.arange(4096)
    sigmoid = 4095 / (1 + np.exp(-4 * (inputs - 1500) / 600))
    image = read(VOILUTSequence=lut(np.round(sigmoid), vr))
    inner = np.abs(ramp.astype(int) - 1500) < 250
    np.testing.assert_allclose(image.signal[inner], sigmoid[ramp[inner]] / 4095, atol=0.01)
    # At 3500 the table is flat; the signal is not.
    bright = image.signal[ramp > 3500]
    assert np.corrcoef(bright, ramp[ramp > 3500])[0, 1] > 0.999
    assert len(np.unique(bright)) == len(np.unique(ramp[ramp > 3500]))


def test_falling_voi_lut(read, ramp):
    image = read(VOILUTSequence=lut(4095 - np.arange(4096)))
    assert np.corrcoef(image.signal.ravel(), ramp.ravel())[0, 1] < -0.999


def test_modality_lut(read, ramp):
    squared = lut((np.arange(4096) ** 2) // 4096, bits=16)
    squared[0].ModalityLUTType = "US"
    image = read(ModalityLUTSequence=squared, WindowCenter=0.5, WindowWidth=1, VOILUTFunction="LINEAR_EXACT")
    np.testing.assert_array_equal(image.signal, (ramp.astype(np.int64) ** 2) // 4096)


def test_rescale(read, ramp):
    plain = {"WindowCenter": 0.5, "WindowWidth": 1, "VOILUTFunction": "LINEAR_EXACT"}
    image = read(RescaleSlope=2, RescaleIntercept=-100, **plain)
    np.testing.assert_array_equal(image.signal, ramp * 2.0 - 100)


def test_monochrome1(read):
    bright_low = read(PhotometricInterpretation="MONOCHROME1", PresentationLUTShape="INVERSE")
    np.testing.assert_allclose(bright_low.signal, 1 - read().signal, atol=1e-6)
    assert "BAC-W-POLARITY-CONFLICT" not in codes(bright_low)


@pytest.mark.parametrize(("photometric", "shape"), [("MONOCHROME2", "INVERSE"), ("MONOCHROME1", "IDENTITY")])
@pytest.mark.parametrize("air", [0, 4000])
def test_air_decides_where_the_header_contradicts_itself(photometric, shape, air, read):
    pixels = np.full((140, 120), air, np.uint16)
    pixels[5:-5, 5:-5] = 2000 + np.random.default_rng(1).integers(0, 50, (130, 110))
    image = read(pixels, PhotometricInterpretation=photometric, PresentationLUTShape=shape)
    assert image.signal[0, 0] < image.signal[70, 60]
    assert "BAC-W-POLARITY-CONFLICT" in codes(image)


@pytest.mark.parametrize(
    ("padding", "expected"),
    [
        ({"PixelPaddingValue": 0}, [0]),
        ({"PixelPaddingValue": 0, "PixelPaddingRangeLimit": 2}, [0, 1, 2]),
        ({"PixelPaddingValue": 2, "PixelPaddingRangeLimit": 0}, [0, 1, 2]),
    ],
)
@pytest.mark.parametrize("kind", [{}, RAW])
def test_padding(padding, expected, kind, read, ramp):
    pixels = np.maximum(ramp, 10)
    pixels[:3, 0] = [0, 1, 2]
    image = read(pixels, **kind | padding)
    invalid = {int(value) for value in pixels[~image.valid]}
    assert invalid == set(expected) | ({0} if kind else set())
    assert (image.signal[~image.valid] == image.signal[image.valid].min()).all()


def test_padding_of_signed_images(read, ramp):
    pixels = ramp.astype(np.int16)
    pixels[0, 0] = -2000
    image = read(pixels, PixelPaddingValue=-2000)
    assert not image.valid[0, 0]
    assert image.valid.sum() == pixels.size - 1


def test_clipping_inside_the_image(read, ramp):
    burnt = ramp.copy()
    burnt[60:80, 50:60] = 4095
    assert "BAC-W-CLIPPED" in codes(read(burnt))
    assert "BAC-W-CLIPPED" not in codes(read())


@pytest.mark.parametrize("side", [np.s_[:10], np.s_[-10:], np.s_[:, -10:]])
def test_a_bright_frame_is_no_clipping(side, read, ramp):
    frame = ramp.copy()
    frame[side] = 4095
    assert "BAC-W-CLIPPED" not in codes(read(frame))
    frame[60:80, 50:60] = 4095
    assert "BAC-W-CLIPPED" in codes(read(frame))


def test_lossy_history(read):
    assert "BAC-W-LOSSY" in codes(read(LossyImageCompression="01"))
    assert "BAC-W-LOSSY" not in codes(read(LossyImageCompression="00"))


def test_beam(read):
    beam = read(
        AnodeTargetMaterial="TUNGSTEN",
        FilterMaterial="RHODIUM",
        FilterThicknessMinimum=0.045,
        FilterThicknessMaximum=0.055,
        Grid=["RECIPROCATING", "FOCUSED"],
        DetectorType="DIRECT",
    ).beam
    assert (beam.anode, beam.filter_material, beam.kvp, beam.thickness_mm) == ("TUNGSTEN", "RHODIUM", 28, 50)
    assert beam.filter_thickness_mm == pytest.approx(0.05)
    assert beam.grid is True
    assert beam.detector == "DIRECT"


def test_beam_that_is_not_told(read):
    beam = read(KVP=0, BodyPartThickness=0, Grid="NONE", FilterThicknessMinimum=50).beam
    assert (beam.anode, beam.filter_material, beam.kvp, beam.thickness_mm) == (None, None, None, None)
    assert beam.grid is False
    # 50 can only be micrometres.
    assert beam.filter_thickness_mm == pytest.approx(0.05)
    assert read().beam.grid is None


@pytest.mark.parametrize("relationship", ["LIN", "LOG"])
@pytest.mark.parametrize(
    "rescaled",
    [{"RescaleSlope": 3, "RescaleIntercept": -150}, {"RescaleSlope": 0.1, "RescaleIntercept": 1000}],
)
def test_what_is_told_of_exposure_is_told_of_the_stored_values(relationship, rescaled, read):
    told = RAW | {"PixelIntensityRelationship": relationship}
    image, plain = read(**told | rescaled), read(**told)
    np.testing.assert_array_equal(image.signal, plain.signal)
    assert image.exposure_scale_known == plain.exposure_scale_known


def test_a_modality_lut_does_not_change_what_is_told(read):
    image = read(ModalityLUTSequence=lut(np.round(np.sqrt(np.arange(4096.0)) * 64)), **RAW)
    np.testing.assert_array_equal(image.signal, read(**RAW).signal)


@pytest.mark.parametrize(
    "changes", [{"SOPClassUID": "1.2.840.10008.5.1.4.1.1.1.2"}, {"PixelIntensityRelationshipSign": None}]
)
def test_raw_that_contradicts_itself_is_an_assumption(changes, read):
    image = read(**RAW | changes)
    assert not image.exposure_scale_known
    assert "BAC-W-INTENSITY-ASSUMED" in codes(image)


@pytest.mark.parametrize("kind", [np.uint8, np.int16])
def test_no_detector_stores_bytes_or_negative_values(kind, read, ramp):
    image = read((ramp // 16).astype(kind), **RAW)
    assert not image.exposure_scale_known


def test_a_logarithm_without_a_sign_is_one_still(read):
    told = RAW | {"PixelIntensityRelationship": "LOG"}
    image = read(**told | {"PixelIntensityRelationshipSign": None})
    np.testing.assert_array_equal(image.signal, read(**told).signal)
    assert codes(image) >= {"BAC-W-INTENSITY-ASSUMED", "BAC-W-LOG-SLOPE-ASSUMED"}


def test_bits_that_are_never_used_hold_no_decades(read):
    told = RAW | {"PixelIntensityRelationship": "LOG"}
    image = read(**told | {"BitsStored": 16, "HighBit": 15})
    np.testing.assert_array_equal(image.signal, read(**told).signal)


def test_air_is_dark_whatever_the_header_says(read):
    row, column = np.mgrid[:200, :160]
    breast = (row - 100) ** 2 + column**2 < 80**2
    grey = np.where(breast, 2000 + 5 * column, 20).astype(np.uint16)
    image, inverted = read(grey), read((4095 - grey).astype(np.uint16))
    assert "BAC-W-POLARITY-CONFLICT" not in codes(image)
    assert "BAC-W-POLARITY-CONFLICT" in codes(inverted)
    assert inverted.signal[100, 10] > inverted.signal[0, 0]
    # A digitised film with a white frame stays as it is.
    film = {"Modality": "RG", "SOPClassUID": "1.2.840.10008.5.1.4.1.1.7", "PresentationIntentType": None}
    framed = grey.copy()
    framed[:8] = framed[-8:] = framed[:, :8] = framed[:, -8:] = 4095
    image = read(framed, **film)
    assert "BAC-W-POLARITY-CONFLICT" not in codes(image)
    assert image.signal[100, 20] > image.signal[20, 140]
