"""One small file for each rule of the table in docs/reading.md."""

from __future__ import annotations

import io
import struct
import time
import zlib

import numpy as np
import pydicom
import pytest
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    RLELossless,
)
from tests.imaging.damaged.corpus import (
    COLUMNS,
    PIXEL_DATA,
    ROWS,
    SPACING_MM,
    _saved,
    dicom,
    exposure,
    picture,
    shown,
)

from bac_imaging.prepare import prepare
from bac_imaging.read.reader import read_mammogram, refuse_header
from bac_terms.errors import BacctlError

DOUBTFUL = "BAC-W-PIXELS-DOUBTFUL"
SPACING = (SPACING_MM, SPACING_MM)


def code_of(data, spacing=None):
    with pytest.raises(BacctlError) as caught:
        read_mammogram(data, spacing)
    return caught.value.code


def codes(data):
    return [notice.code for notice in prepare(data).context.warnings]


def changed(data, **attributes):
    ds = pydicom.dcmread(io.BytesIO(data))
    for keyword, value in attributes.items():
        setattr(ds, keyword, value)
    return _saved(ds)


@pytest.fixture(scope="module")
def raw():
    return dicom(exposure(), ExplicitVRLittleEndian, is_raw=True)


def test_undamaged_files_are_not_doubted(raw):
    assert codes(raw) == []
    assert not prepare(raw).context.mass_in_doubt


# --- pixels -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def rle():
    return dicom(exposure(), RLELossless, is_raw=True)


@pytest.mark.parametrize("row", [5, 100, 200])
def test_a_run_of_another_length(row, rle):
    """PackBits by hand: walk to a literal run in the low bytes and make it one byte longer or shorter."""
    frame = rle.rindex(PIXEL_DATA) + 12 + 8 + 8
    at = frame + struct.unpack_from("<16L", rle, frame)[2]
    place = 0
    while place < row * COLUMNS:
        control = rle[at]
        place += control + 1 if control < 128 else 257 - control
        at += control + 2 if control < 128 else 2
    for step in (-1, 1):
        damaged = rle[:at] + bytes([(rle[at] + step) % 256]) + rle[at + 1 :]
        assert code_of(damaged) in ("BAC-DECODE-FAILED", "BAC-FILE-TRUNCATED")


@pytest.mark.parametrize("rest", [bytes(2), bytes(64), b"\xff" * 512])
def test_bytes_of_one_value_behind_the_pixels(rest, raw):
    damaged = changed(raw, PixelData=exposure().tobytes() + rest)
    assert DOUBTFUL in codes(damaged)
    assert prepare(damaged).context.mass_in_doubt


@pytest.mark.parametrize("count", [1, 16, 100])
def test_more_rows_than_the_header_says(count, raw):
    assert code_of(changed(raw, Rows=ROWS - count)) == "BAC-DIMENSIONS"


def test_fewer_columns_than_there_are(raw):
    assert code_of(changed(raw, Columns=COLUMNS - 1)) == "BAC-DIMENSIONS"


def test_the_byte_that_makes_the_length_even(raw):
    odd = shown()[:, : COLUMNS - 1][: ROWS - 1]
    data = dicom(np.ascontiguousarray(odd), ExplicitVRLittleEndian, is_raw=False)
    assert len(odd.tobytes()) % 2
    assert DOUBTFUL not in codes(data)


@pytest.mark.parametrize(("stored", "high"), [(11, 10), (10, 9), (8, 7), (12, 15)])
def test_values_beyond_bits_stored(stored, high, raw):
    damaged = changed(raw, BitsStored=stored, HighBit=high)
    try:
        found = codes(damaged)
    except BacctlError as error:
        assert error.code == "BAC-DIMENSIONS"  # noqa: PT017 - refused or doubted
    else:
        assert DOUBTFUL in found


def test_an_overlay_explains_its_bits(raw):
    drawn = exposure()
    drawn[30:60, 40:80] |= 0x4000
    ds = pydicom.dcmread(io.BytesIO(changed(raw, PixelData=drawn.tobytes())))
    ds.add_new((0x6000, 0x0100), "US", 16)
    ds.add_new((0x6000, 0x0102), "US", 14)
    assert DOUBTFUL not in codes(_saved(ds))
    del ds[0x6000, 0x0100]
    assert DOUBTFUL in codes(_saved(ds))


@pytest.mark.parametrize(
    ("top", "left", "height", "width", "value"),
    [(90, 40, 32, 32, 0), (100, 20, 16, 40, 4095), (100, 0, 6, COLUMNS, 0), (110, 30, 24, 40, 700)],
)
def test_a_lost_block(top, left, height, width, value, raw):
    pixels = exposure()
    pixels[top : top + height, left : left + width] = value
    damaged = changed(raw, PixelData=pixels.tobytes())
    assert DOUBTFUL in codes(damaged)
    assert prepare(damaged).context.mass_in_doubt


def test_what_has_one_value_and_was_not_lost(raw):
    """Saturated air, collimated borders, a label in the air, a paddle's edge and padding."""
    pixels = exposure()
    pixels[pixels > 2700] = 4095
    pixels[:8], pixels[-8:], pixels[:, -6:] = 0, 0, 0
    pixels[20:44, 190:226] = 300
    assert DOUBTFUL not in codes(changed(raw, PixelData=pixels.tobytes()))


# --- codecs -------------------------------------------------------------------------------------


@pytest.mark.slow
def test_headers_of_jpeg_2000():
    """Two bits of each byte, but for the comment: refused, doubted, or the same image, but for a few."""
    whole = dicom(exposure()[:80, :80].copy(), JPEG2000Lossless, is_raw=True)
    truth = read_mammogram(whole)
    start = whole.index(b"\xff\x4f\xff\x51")
    end = whole.index(b"\xff\x64", start)
    silent = set()
    for at in range(start, end):
        for bit in (at % 8, (at + 3) % 8):
            damaged = whole[:at] + bytes([whole[at] ^ 1 << bit]) + whole[at + 1 :]
            try:
                image = read_mammogram(damaged)
            except BacctlError:
                continue
            is_told = DOUBTFUL in [notice.code for notice in image.warnings]
            if not is_told and not np.array_equal(image.signal, truth.signal):
                silent.add((at - start, bit))
    # The order and number of layers, and the exponent of the lowest subband, may be any.
    assert len(silent) <= 8, silent


def test_what_libjpeg_remarks():
    whole = picture(shown(), "JPEG", quality=90)
    read_mammogram(whole, SPACING)
    at = whole.index(b"\xff\xda") + 3000
    # A marker in the middle of the data: libjpeg goes on with grey blocks.
    assert code_of(whole[:at] + b"\xff\xd3" + whole[at + 2 :], SPACING) == "BAC-DECODE-FAILED"


def png(pixels, rows):
    """A PNG whose header says more rows than its stream has, all sums right."""

    def chunk(name, body):
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    stream = zlib.compress(b"".join(b"\0" + row.tobytes() for row in pixels))
    header = struct.pack(">IIBBBBB", pixels.shape[1], rows, 8, 0, 0, 0, 0)
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", stream) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def test_pixels_of_a_png():
    pixels = shown()
    read_mammogram(png(pixels, ROWS), SPACING)
    assert code_of(png(pixels, ROWS + 10), SPACING) == "BAC-FILE-TRUNCATED"
    assert code_of(png(pixels, ROWS - 10), SPACING) == "BAC-DECODE-FAILED"
    whole = bytearray(png(pixels, ROWS))
    whole[len(whole) // 2] ^= 1
    assert code_of(bytes(whole), SPACING) == "BAC-DECODE-FAILED"
    read_mammogram(picture(pixels, "PNG") + bytes(100), SPACING)


@pytest.mark.parametrize("kind", ["tiff_adobe_deflate", "tiff_lzw", "packbits", None])
def test_whole_tiffs_are_read(kind):
    read_mammogram(picture(shown(), "TIFF", **({"compression": kind} if kind else {})), SPACING)


def test_a_deflated_tiff_has_sums():
    whole = bytearray(picture(shown(), "TIFF", compression="tiff_adobe_deflate"))
    whole[len(whole) // 2] ^= 1
    assert code_of(bytes(whole), SPACING) == "BAC-DECODE-FAILED"


# --- headers ------------------------------------------------------------------------------------

TINY = struct.pack("<HH2sH", 0x0029, 0x1001, b"LO", 0)
ITEM = b"\xfe\xff\x00\xe0" + bytes(4)


def sequence(many, *, is_defined):
    length = len(many) if is_defined else 0xFFFFFFFF
    head = struct.pack("<HH2sHI", 0x0054, 0x0222, b"SQ", 0, length)
    return head + many + (b"" if is_defined else b"\xfe\xff\xdd\xe0" + bytes(4))


def seconds(data):
    before = time.process_time()
    for read in (refuse_header, read_mammogram):
        try:
            read(data)
        except Exception:
            continue
    return time.process_time() - before


@pytest.mark.parametrize(
    "inserted",
    [
        TINY * 300_000,
        sequence(ITEM * 300_000, is_defined=True),
        sequence(ITEM * 300_000, is_defined=False),
        struct.pack("<HH2sHI", 0x0029, 0x1001, b"UC", 0, 4_000_000) + b"A\\" * 2_000_000,
    ],
    ids=["elements", "items", "items without length", "values"],
)
@pytest.mark.slow
def test_endless_headers_end(inserted, raw):
    at = raw.rindex(PIXEL_DATA)
    assert seconds(raw[:at] + inserted + raw[at:]) < 30


@pytest.mark.parametrize("where", ["behind", "before"])
@pytest.mark.slow
def test_what_was_deflated_is_not_inflated_without_end(where, raw):
    whole = dicom(exposure(), DeflatedExplicitVRLittleEndian, is_raw=True)
    body = 144 + int.from_bytes(whole[140:144], "little")
    plain = zlib.decompress(whole[body:], -15)
    packer = zlib.compressobj(1, zlib.DEFLATED, -15)
    parts = [plain, bytes(80_000_000)] if where == "behind" else [TINY * 4_000_000, plain]
    bomb = whole[:body] + b"".join(packer.compress(part) for part in parts) + packer.flush()
    assert seconds(bomb) < 30
    assert code_of(bomb) in ("BAC-FILE-TOO-LARGE", "BAC-FILE-NOT-IMAGE")
    # pydicom would inflate all of it where the syntax is named behind what is looked through for it.
    filler = struct.pack("<HH2sHI", 0x0002, 0x0001, b"OB", 0, 100_000) + bytes(100_000)
    assert code_of(whole[:144] + filler + bomb[144:]) == "BAC-FILE-NOT-IMAGE"
