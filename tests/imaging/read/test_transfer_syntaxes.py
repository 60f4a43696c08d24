"""Every transfer syntax that mammography uses gives the stored values back, bit for bit."""

from __future__ import annotations

import numpy as np
import pydicom
import pytest
from pydicom import uid

from bac_imaging.read.reader import read_mammogram
from bac_terms.errors import FailedError, RefusedError

# With this window the signal is the stored value.
PLAIN = {"WindowCenter": 0.5, "WindowWidth": 1, "VOILUTFunction": "LINEAR_EXACT"}


def check(data, pixels):
    image = read_mammogram(data)
    assert image.signal.dtype == np.float32
    np.testing.assert_array_equal(image.signal, pixels.astype(np.float32))
    return image


@pytest.mark.parametrize(
    "syntax",
    [
        uid.ImplicitVRLittleEndian,
        uid.ExplicitVRLittleEndian,
        uid.DeflatedExplicitVRLittleEndian,
    ],
)
def test_uncompressed(syntax, dataset, to_bytes, ramp):
    check(to_bytes(dataset(**PLAIN), syntax), ramp)


def big_endian(dataset, ramp):
    ds = dataset(**PLAIN)
    ds.PixelData = ramp.astype(">u2").tobytes()
    return ds


def test_big_endian(dataset, to_bytes, ramp):
    check(to_bytes(big_endian(dataset, ramp), uid.ExplicitVRBigEndian), ramp)


@pytest.mark.parametrize("syntax", [uid.ImplicitVRLittleEndian, uid.ExplicitVRLittleEndian])
def test_no_preamble_and_no_meta(syntax, dataset, to_bytes, ramp):
    check(to_bytes(dataset(**PLAIN), syntax, preamble=False), ramp)


def test_big_endian_without_preamble(dataset, to_bytes, ramp):
    check(to_bytes(big_endian(dataset, ramp), uid.ExplicitVRBigEndian, preamble=False), ramp)


@pytest.mark.parametrize("name", ["JPEGLosslessProcess14_1", "JPEGLosslessProcess14"])
def test_jpeg_lossless(name, dataset, with_gdcm, ramp):
    check(with_gdcm(dataset(**PLAIN), name), ramp)


def test_jpeg_lossless_in_three_equal_channels(dataset, with_gdcm, ramp):
    grey = (ramp // 16).astype("u1")
    data = with_gdcm(dataset(np.stack([grey] * 3, axis=-1), **PLAIN), "JPEGLosslessProcess14_1")
    check(data, grey)
    # A colour transform that lossless JPEG does not have makes gdcm end the process.
    at = data.index(b"Adobe") + 11
    with pytest.raises(FailedError, match=r"^BAC-DECODE-FAILED: .*colour transform"):
        read_mammogram(data[:at] + b"\x1b" + data[at + 1 :])


@pytest.mark.parametrize("syntax", [uid.JPEG2000Lossless, uid.JPEGLSLossless, uid.RLELossless])
@pytest.mark.parametrize("kind", ["u2", "i2", "u1"])
def test_lossless(syntax, kind, dataset, to_bytes, ramp):
    pixels = (ramp // 16).astype("u1") if kind == "u1" else ramp.astype(kind)
    if kind == "i2":
        pixels = pixels - np.int16(2000)
    ds = dataset(pixels, **PLAIN)
    ds.compress(syntax, generate_instance_uid=False)
    check(to_bytes(ds), pixels)


def test_lossy_jpeg_is_read_and_named(dataset, with_gdcm, ramp):
    pixels = (ramp // 16).astype("u1")
    image = read_mammogram(with_gdcm(dataset(pixels, **PLAIN), "JPEGBaselineProcess1"))
    assert np.abs(image.signal - pixels).max() < 20
    assert "BAC-W-LOSSY" in [notice.code for notice in image.warnings]


def test_near_lossless_is_read_and_named(dataset, to_bytes, ramp):
    ds = dataset(**PLAIN)
    ds.compress(uid.JPEGLSNearLossless, jls_error=2, generate_instance_uid=False)
    image = read_mammogram(to_bytes(ds))
    assert np.abs(image.signal - ramp).max() <= 2
    assert "BAC-W-LOSSY" in [notice.code for notice in image.warnings]


def test_unused_bits_are_removed(dataset, to_bytes, ramp):
    # Overlays used to be kept in the bits above BitsStored.
    check(to_bytes(dataset(ramp | 0xA000, **PLAIN)), ramp)


def test_high_bit_at_the_top(dataset, to_bytes, ramp):
    check(to_bytes(dataset(ramp << 4, HighBit=15, **PLAIN)), ramp)


def test_sign_is_extended_from_bits_stored(dataset, to_bytes, ramp):
    pixels = ramp.astype(np.int16) - 2000
    check(to_bytes(dataset(pixels & 0x0FFF, **PLAIN)), pixels)


def test_several_fragments(dataset, to_bytes, ramp):
    ds = dataset(**PLAIN)
    ds.compress(uid.JPEG2000Lossless, generate_instance_uid=False)
    frame = pydicom.encaps.get_frame(ds.PixelData, 0, number_of_frames=1)
    ds.PixelData = pydicom.encaps.encapsulate([frame], fragments_per_frame=3)
    check(to_bytes(ds), ramp)


def test_missing_decoder(dataset, to_bytes, monkeypatch):
    ds = dataset()
    ds.compress(uid.JPEG2000Lossless, generate_instance_uid=False)
    data = to_bytes(ds)
    decoder = pydicom.pixels.get_decoder(uid.JPEG2000Lossless)
    monkeypatch.setattr(decoder, "_available", {})
    with pytest.raises(FailedError, match=r"^BAC-CODEC-MISSING: .*JPEG 2000.*bacctl\[dicom\]"):
        read_mammogram(data)


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2.4.102", "1.2.3.4"])
def test_unknown_compression(syntax, dataset, to_bytes):
    ds = dataset()
    ds.compress(uid.RLELossless, generate_instance_uid=False)
    data = to_bytes(ds)
    old = uid.RLELossless.encode().ljust(20, b"\0")
    assert old in data
    new = syntax.encode()[:20].ljust(20, b"\0")
    with pytest.raises(FailedError, match=r"^BAC-CODEC-MISSING: "):
        read_mammogram(data.replace(old, new))


@pytest.mark.parametrize("syntax", [uid.JPEG2000Lossless, uid.JPEGLSLossless])
def test_stream_of_another_size(syntax, dataset, to_bytes):
    ds = dataset()
    ds.compress(syntax, generate_instance_uid=False)
    ds.Rows = 100
    with pytest.raises(FailedError, match=r"^BAC-DECODE-FAILED: .*size"):
        read_mammogram(to_bytes(ds))


def test_damaged_huffman_data_is_no_image(dataset, with_gdcm):
    data = bytearray(with_gdcm(dataset(), "JPEGLosslessProcess14_1"))
    middle = len(data) - 4000
    data[middle : middle + 200] = bytes(200)
    with pytest.raises(FailedError, match=r"^BAC-DECODE-FAILED: "):
        read_mammogram(bytes(data))


def test_deflated_bomb(dataset, to_bytes):
    ds = dataset(np.zeros((20_000, 2000), np.uint16))
    ds.Rows, ds.Columns = 500, 400  # for which 80 MB are too many
    data = to_bytes(ds, uid.DeflatedExplicitVRLittleEndian)
    assert len(data) < 200_000
    with pytest.raises(RefusedError, match=r"^BAC-FILE-TOO-LARGE: "):
        read_mammogram(data)


def test_nothing_on_stderr(dataset, to_bytes, with_gdcm, capfd, recwarn):
    plain = to_bytes(dataset(StudyID="longer than the sixteen characters of its kind", KVP="28.00"))
    capfd.readouterr()
    recwarn.clear()
    read_mammogram(plain.replace(b"28.00", b"8.0.0"))
    data = bytearray(with_gdcm(dataset(), "JPEGLosslessProcess14_1"))
    data[-3000:-2900] = bytes(100)
    with pytest.raises(FailedError):
        read_mammogram(bytes(data))
    assert capfd.readouterr() == ("", "")
    assert not recwarn.list


def test_file_object_is_not_needed(dataset, to_bytes):
    image = read_mammogram(memoryview(to_bytes(dataset())))
    assert image.signal.shape == (140, 120)
