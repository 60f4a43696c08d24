"""Lossless JPEG by either decoder, from streams that are put together here as ITU-T T.81 has them."""

from __future__ import annotations

import struct
import sys

import numpy as np
import pytest
from pydicom import uid
from pydicom.encaps import encapsulate

from bac_imaging.read.attributes.acceptance import Layout
from bac_imaging.read.pixels.streams.lossless_jpeg import decode_lossless_jpeg
from bac_imaging.read.reader import read_mammogram
from bac_terms.errors import FailedError

PLAIN = {"WindowCenter": 0.5, "WindowWidth": 1, "VOILUTFunction": "LINEAR_EXACT"}
ROWS, COLUMNS = 70, 66
LAYOUT = Layout(ROWS, COLUMNS, 1, 16)
CODE_BITS = 5  # of all 17 categories


def encode(pixels, predictor=1, restart_rows=0, shift=0, precision=16, application=b""):
    """Encode by annex H: difference to a prediction, its category as a code of five bits, its value."""
    rows, columns = pixels.shape
    values = pixels.astype(int) >> shift
    left, above, corner = (np.zeros_like(values) for _ in range(3))
    left[:, 1:], above[1:], corner[1:, 1:] = values[:, :-1], values[:-1], values[:-1, :-1]
    predicted = (
        left,
        above,
        corner,
        left + above - corner,
        left + ((above - corner) >> 1),
        above + ((left - corner) >> 1),
        (left + above) >> 1,
    )[predictor - 1].copy()
    predicted[:, 0] = above[:, 0]
    starts = list(range(0, rows, restart_rows or rows))
    for row in starts:
        predicted[row, 1:], predicted[row, 0] = left[row, 1:], 1 << (precision - shift - 1)
    differences = (values - predicted) % 65536
    differences -= 65536 * (differences > 32768)
    pieces = []
    for start in starts:
        bits = ""
        for difference in differences[start : start + (restart_rows or rows)].ravel().tolist():
            category = abs(difference).bit_length()
            bits += f"{category:0{CODE_BITS}b}"
            if 0 < category < 16:
                bits += f"{difference - (difference < 0) & ((1 << category) - 1):0{category}b}"
        bits += "1" * (-len(bits) % 8)
        pieces.append(int(bits, 2).to_bytes(len(bits) // 8, "big").replace(b"\xff", b"\xff\0"))
    data = pieces[0] + b"".join(
        bytes([0xFF, 0xD0 + n % 8]) + piece for n, piece in enumerate(pieces[1:])
    )  # restart markers count to eight
    counts = [0] * 16
    counts[CODE_BITS - 1] = 17
    return b"".join(
        (
            b"\xff\xd8",
            application,
            b"\xff\xc3" + struct.pack(">HBHHB3B", 11, precision, rows, columns, 1, 1, 0x11, 0),
            b"\xff\xc4" + struct.pack(">HB", 36, 0) + bytes(counts) + bytes(range(17)),
            b"\xff\xdd" + struct.pack(">HH", 4, restart_rows * columns),
            b"\xff\xda" + struct.pack(">H6B", 8, 1, 1, 0, predictor, 0, shift),
            data,
            b"\xff\xd9",
        )
    )


def image(precision=12):
    row, column = np.mgrid[:ROWS, :COLUMNS]
    noise = np.random.default_rng(2).normal(0, 0.01, (ROWS, COLUMNS))
    level = 0.5 + 0.3 * np.sin(row / 5) * np.cos(column / 9) + noise
    return (level * (2**precision - 1)).astype(np.uint16)


def in_file(stream, dataset, to_bytes, pixels, **attributes):
    ds = dataset(pixels, **PLAIN, ImagerPixelSpacing=[0.2, 0.2], **attributes)
    ds.file_meta.TransferSyntaxUID = uid.JPEGLossless
    ds.PixelData = encapsulate([stream])
    ds["PixelData"].is_undefined_length = True
    return to_bytes(ds)


@pytest.fixture(params=["both", "gdcm alone"])
def installed(request, monkeypatch):
    pytest.importorskip("gdcm")
    if request.param == "gdcm alone":
        monkeypatch.setitem(sys.modules, "imagecodecs", None)
    else:
        pytest.importorskip("imagecodecs")


@pytest.mark.parametrize("restart_rows", [0, 3])
@pytest.mark.parametrize("predictor", range(1, 8))
def test_every_predictor(predictor, restart_rows, installed, dataset, to_bytes):
    pixels = image()
    stream = encode(pixels, predictor, restart_rows)
    read = read_mammogram(in_file(stream, dataset, to_bytes, pixels)).signal
    np.testing.assert_array_equal(read, pixels.astype(np.float32))


def test_point_transform(installed, dataset, to_bytes):
    pixels = image()
    read = read_mammogram(in_file(encode(pixels, shift=2), dataset, to_bytes, pixels)).signal
    np.testing.assert_array_equal(read, (pixels // 4 * 4).astype(np.float32))


def test_signed(installed, dataset, to_bytes):
    pixels = image().astype(np.int16) - np.int16(2000)
    stream = encode(pixels.view(np.uint16))
    read = read_mammogram(in_file(stream, dataset, to_bytes, pixels)).signal
    np.testing.assert_array_equal(read, pixels.astype(np.float32))


@pytest.mark.parametrize("precision", range(2, 17))
@pytest.mark.parametrize("kind", ["smooth", "noise"])
def test_every_precision_by_libjpeg_turbo(precision, kind):
    imagecodecs = pytest.importorskip("imagecodecs")
    pixels = image(precision)
    if kind == "noise":  # differences of all sizes, that of 16 bits too
        pixels = np.random.default_rng(4).integers(0, 1 << precision, pixels.shape).astype(np.uint16)
    written = pixels.astype(np.uint8) if precision <= 8 else pixels
    other = imagecodecs.jpeg8_encode(written, lossless=True, predictor=1, bitspersample=precision)
    for stream in (encode(pixels, precision=precision), bytes(other)):
        np.testing.assert_array_equal(decode_lossless_jpeg(stream, LAYOUT), pixels)


def test_what_libjpeg_turbo_is_not_asked():
    pytest.importorskip("imagecodecs")
    pixels = image()
    for stream in (encode(pixels, 2), encode(pixels, restart_rows=3), encode(pixels, shift=1)):
        assert decode_lossless_jpeg(stream, LAYOUT) is None
    assert decode_lossless_jpeg(encode(pixels), Layout(ROWS, COLUMNS, 3, 8)) is None


def test_damage_that_libjpeg_turbo_passes_over():
    """It fills up what is missing, and drops what is too much, without a word that reaches us."""
    imagecodecs = pytest.importorskip("imagecodecs")
    stream = encode(image())
    begin, end = stream.index(b"\xff\xda") + 10, len(stream) - 2
    middle = (begin + end) // 2
    damaged = {
        "missing": stream[:middle] + stream[middle + 40 : end] + stream[end:],
        "too much": stream[:end] + b"\0" + stream[end:],
        "cut short": stream[: end - 3] + stream[end:],
        # Two bits fewer in one place, two more in another: the length is right, rows between are not.
        "shifted": stream[:middle] + stream[middle + 1 : end - 20] + b"\x55" + stream[end - 20 :],
        "no code": stream[:middle] + b"\xfe\xfe\xfe" + stream[middle + 3 :],
    }
    for name, data in damaged.items():
        assert imagecodecs.jpeg8_decode(data).shape == (ROWS, COLUMNS), name
        with pytest.raises(FailedError, match=r"^BAC-DECODE-FAILED: the compressed pixels are damaged"):
            decode_lossless_jpeg(data, LAYOUT)


def test_a_version_of_jfif_that_there_is_not(dataset, to_bytes):
    """gdcm ends the process on one, so that it has to be refused before."""
    pixels = image()
    for major in (1, 2):
        jfif = b"\xff\xe0" + struct.pack(">H5s2BB2H2B", 16, b"JFIF\0", major, 1, 0, 1, 1, 0, 0)
        data = in_file(encode(pixels, application=jfif), dataset, to_bytes, pixels)
        if major == 1:
            np.testing.assert_array_equal(read_mammogram(data).signal, pixels.astype(np.float32))
        else:
            with pytest.raises(FailedError, match=r"^BAC-DECODE-FAILED: .*version of JFIF"):
                read_mammogram(data)
