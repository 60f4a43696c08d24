"""Files that break the standard where it leaves no doubt about what they mean."""

from __future__ import annotations

import struct

import numpy as np
import pydicom
import pytest
from pydicom import uid

from bac_imaging.read.reader import read_mammogram
from bac_terms.errors import RefusedError

PLAIN = {"WindowCenter": 0.5, "WindowWidth": 1, "VOILUTFunction": "LINEAR_EXACT"}
TAG = b"\xe0\x7f\x10\x00"


def is_mended(data, pixels):
    image = read_mammogram(data)
    np.testing.assert_array_equal(image.signal, pixels.astype(np.float32))
    return "BAC-W-FILE-MENDED" in [notice.code for notice in image.warnings]


def shorter(data, by, *, implicit=False):
    at = data.rindex(TAG) + (4 if implicit else 8)
    (length,) = struct.unpack_from("<I", data, at)
    return data[:at] + struct.pack("<I", length - by) + data[at + 4 :]


@pytest.mark.parametrize("syntax", [uid.ExplicitVRLittleEndian, uid.ImplicitVRLittleEndian])
@pytest.mark.parametrize("by", [2, 1000, 140 * 120 * 2])
def test_a_declared_length_that_is_too_short(syntax, by, dataset, to_bytes, ramp):
    data = to_bytes(dataset(**PLAIN), syntax)
    assert not is_mended(data, ramp)
    assert is_mended(shorter(data, by, implicit=syntax.is_implicit_VR), ramp)


def test_a_file_with_more_than_16_mib_before_its_pixels_is_mended_as_well(dataset, to_bytes, ramp):
    ds = dataset(**PLAIN)
    ds.private_block(0x0029, "BACCTL", create=True).add_new(0x10, "OB", bytes(1 << 24))
    assert is_mended(shorter(to_bytes(ds), 1000), ramp)


@pytest.mark.parametrize("by", [2, 1000])
def test_a_declared_length_that_is_too_long(by, dataset, to_bytes, ramp):
    assert is_mended(shorter(to_bytes(dataset(**PLAIN)), -by), ramp)


def test_pixels_that_are_cut_off_stay_refused(dataset, to_bytes):
    data = to_bytes(dataset(**PLAIN))
    for cut in (data[:-2], shorter(data, 1000)[:-2]):
        with pytest.raises(RefusedError, match=r"^BAC-FILE-TRUNCATED: "):
            read_mammogram(cut)


@pytest.mark.parametrize("syntax", [None, uid.JPEG2000Lossless, uid.JPEGLSLossless, uid.RLELossless])
def test_a_file_filled_up_with_ff(syntax, dataset, to_bytes, ramp):
    ds = dataset(**PLAIN)
    if syntax is not None:
        ds.compress(syntax, generate_instance_uid=False)
    assert is_mended(to_bytes(ds) + b"\xff" * 512, ramp)


def test_pixels_filled_up_within_their_element(dataset, to_bytes, ramp):
    assert is_mended(to_bytes(dataset(PixelData=ramp.tobytes() + b"\xff" * 64, **PLAIN)), ramp)


@pytest.mark.parametrize("syntax", [uid.JPEG2000Lossless, uid.JPEGLSLossless])
def test_a_fragment_that_is_filled_up_behind_its_stream(syntax, dataset, to_bytes, ramp):
    ds = dataset(**PLAIN)
    ds.compress(syntax, generate_instance_uid=False)
    assert not is_mended(to_bytes(ds), ramp)
    frame = pydicom.encaps.get_frame(ds.PixelData, 0, number_of_frames=1)
    # One byte makes the length even (PS3.5 A.4).
    for filling, told in ((b"\0", False), (b"\xff" * 64, True), (b"\0" * 64, True)):
        stream = frame[: frame.rindex(b"\xff\xd9") + 2]
        ds.PixelData = pydicom.encaps.encapsulate([stream + filling + b"\0" * (len(stream + filling) % 2)])
        assert is_mended(to_bytes(ds), ramp) == told


@pytest.mark.parametrize("syntax", [uid.JPEG2000Lossless, uid.JPEGLSLossless, uid.RLELossless])
@pytest.mark.parametrize("by", [2, 500])
def test_a_fragment_that_is_longer_than_it_says(syntax, by, dataset, to_bytes, ramp):
    ds = dataset(**PLAIN)
    ds.compress(syntax, generate_instance_uid=False)
    frame = pydicom.encaps.get_frame(ds.PixelData, 0, number_of_frames=1)
    data = to_bytes(ds)
    at = data.rindex(frame[:32]) - 4
    (length,) = struct.unpack_from("<I", data, at)
    assert is_mended(data[:at] + struct.pack("<I", length - by) + data[at + 4 :], ramp)


def test_no_frames_are_one(dataset, to_bytes, ramp):
    assert is_mended(to_bytes(dataset(NumberOfFrames=0, **PLAIN)), ramp)


@pytest.mark.parametrize("name", ["YBR_FULL", "RGB", "MONOCHROME", None])
def test_one_sample_a_pixel_is_grey(name, dataset, to_bytes, ramp):
    assert is_mended(to_bytes(dataset(PhotometricInterpretation=name, **PLAIN)), ramp)


def test_lower_case(dataset, to_bytes, ramp):
    data = to_bytes(dataset(PhotometricInterpretation="MONOCHROME1"))
    low = data.replace(b"MONOCHROME1", b"monochrome1")
    np.testing.assert_array_equal(read_mammogram(low).signal, read_mammogram(data).signal)


@pytest.mark.parametrize("syntax", [uid.ExplicitVRLittleEndian, uid.ImplicitVRLittleEndian])
def test_a_decimal_comma(syntax, dataset, to_bytes):
    data = to_bytes(dataset(ImagerPixelSpacing=["0.0941", "0.0942"], KVP="28.5"), syntax)
    image = read_mammogram(data.replace(b"0.0941\\0.0942", b"0,0941\\0,0942").replace(b"28.5", b"28,5"))
    assert image.geometry.pixel_spacing_mm == (0.0941, 0.0942)
    assert image.beam.kvp == 28.5
    (notice,) = [notice for notice in image.warnings if notice.code == "BAC-W-FILE-MENDED"]
    assert "ImagerPixelSpacing and KVP" in notice.text


@pytest.mark.parametrize("text", [b"0,09,1", b"0.09,1", b",09410", b"0;0941"])
def test_what_is_no_number_stays_none(text, dataset, to_bytes):
    data = to_bytes(dataset(ImagerPixelSpacing=["0.0941", "0.0941"]))
    with pytest.raises(RefusedError, match=r"^BAC-SPACING-INVALID: "):
        read_mammogram(data.replace(b"0.0941\\0.0941", text.ljust(6) + b"\\0.0941"))


def test_jpeg_of_12_bits_says_what_converts_it(dataset, with_gdcm):
    data = bytearray(with_gdcm(dataset(), "JPEGExtendedProcess2_4"))
    precision = data.index(b"\xff\xc1") + 4  # T.81 B.2.2: marker, length, precision
    data[precision] = 12
    with pytest.raises(RefusedError, match=r"12 bits.*dcmdjpeg") as caught:
        read_mammogram(bytes(data))
    assert caught.value.code == "BAC-CODEC-UNSUPPORTED"


@pytest.mark.parametrize("syntax", [uid.ExplicitVRLittleEndian, uid.JPEG2000Lossless, uid.JPEGLSLossless])
@pytest.mark.parametrize("bit", [12, 14, 15])
def test_an_overlay_in_unused_bits_is_no_exposure(syntax, bit, dataset, to_bytes, ramp):
    """PS3.5 8.1.1: what lies above HighBit is no part of the value, however it is compressed."""
    drawn = ramp.copy()
    drawn[50:70, 30:60] |= np.uint16(1 << bit)
    ds = dataset(drawn, BitsStored=16, HighBit=15, **PLAIN)
    if syntax.is_encapsulated:
        ds.compress(syntax, generate_instance_uid=False)
    ds.BitsStored, ds.HighBit = 12, 11
    assert not is_mended(to_bytes(ds), ramp)


@pytest.mark.parametrize("syntax", [uid.ExplicitVRLittleEndian, uid.JPEG2000Lossless])
def test_values_that_need_more_bits_are_not_folded(syntax, dataset, to_bytes, ramp):
    ds = dataset((ramp * 4).astype(np.uint16), BitsStored=16, HighBit=15)
    if syntax.is_encapsulated:
        ds.compress(syntax, generate_instance_uid=False)
    ds.BitsStored, ds.HighBit = 12, 11
    with pytest.raises(RefusedError, match=r"^BAC-DIMENSIONS: .*BitsStored"):
        read_mammogram(to_bytes(ds))
