"""Packets of JPEG 2000, as OpenJPEG writes them: whole ones fill their tile, others are seen."""

from __future__ import annotations

import struct

import imagecodecs
import numpy as np
import pytest

from bac_imaging.read.attributes.acceptance import Layout
from bac_imaging.read.pixels.streams.jpeg2000 import check_jpeg2000
from bac_imaging.read.pixels.streams.packets import Coding, Span, check_packets
from bac_terms.errors import BacctlError, FailedError

ROWS, COLUMNS = 201, 150
LAYOUT = Layout(ROWS, COLUMNS, 1, 16)
SOT, SOD = b"\xff\x90\x00\x0a", b"\xff\x93"
DOUBT = ("a part of its compressed pixels has one value, as if lost",)


def encoded(**options):
    noise = np.random.default_rng(2).normal(0, 20, (ROWS, COLUMNS))
    pixels = (2000 + 300 * np.sin(np.arange(COLUMNS) / 20) + noise).astype(np.uint16)
    return imagecodecs.jpeg2k_encode(pixels, codecformat="j2k", **options)


def with_body(stream, change):
    """Change what is behind the header of the only tile-part, whose length is mended."""
    start, first, end = stream.index(SOT), stream.index(SOD) + 2, stream.rindex(b"\xff\xd9")
    body = change(bytearray(stream[first:end]))
    length = struct.pack(">I", first - start + len(body))
    return stream[: start + 6] + length + stream[start + 10 : first] + bytes(body) + stream[end:]


LOSSLESS = {"level": 0, "reversible": True}


@pytest.mark.parametrize(
    "options",
    [
        LOSSLESS,
        {**LOSSLESS, "resolutions": 2},
        {"level": 60, "reversible": False},
        {"level": 45, "reversible": False, "resolutions": 3},
    ],
)
def test_whole_streams_pass(options):
    stream = encoded(**options)
    assert check_jpeg2000(stream, LAYOUT) == ()
    assert check_jpeg2000(with_body(stream, lambda body: body), LAYOUT) == ()


def test_images_without_noise_pass():
    rows, columns = np.ogrid[:ROWS, :COLUMNS]
    steps = 500 * (1 + rows // 40) + 0 * columns
    wedge = 500 + 10 * rows + 0 * columns
    inserted = np.where((rows % 50 < 4) & (columns > 30), 900, 1000)
    for drawn in (steps, wedge, inserted, steps + (columns * rows) % 7):
        stream = imagecodecs.jpeg2k_encode(drawn.astype(np.uint16), codecformat="j2k", **LOSSLESS)
        assert check_jpeg2000(stream, LAYOUT) == ()


@pytest.mark.parametrize("place", [0.3, 0.9])
def test_bytes_too_many_or_too_few(place):
    def cut(body):
        at = int(place * len(body))
        return body[:at] + body[at + 3 :]

    def added(body):
        at = int(place * len(body))
        return body[:at] + b"\x12\x34\x56" + body[at:]

    for change in (cut, added):
        with pytest.raises(BacctlError) as caught:
            check_jpeg2000(with_body(encoded(**LOSSLESS), change), LAYOUT)
        assert caught.value.code in ("BAC-DECODE-FAILED", "BAC-FILE-TRUNCATED")


def test_zeros_where_coded_data_were():
    def lost(body):
        at = len(body) - 900  # within code blocks of the last packet
        body[at : at + 64] = bytes(64)
        return body

    assert check_jpeg2000(with_body(encoded(**LOSSLESS), lost), LAYOUT) == DOUBT


def test_headers_that_were_lost():
    def lost(body):
        return bytes(40) + body[40:]

    with pytest.raises(BacctlError) as caught:
        check_jpeg2000(with_body(encoded(**LOSSLESS), lost), LAYOUT)
    assert caught.value.code in ("BAC-DECODE-FAILED", "BAC-FILE-TRUNCATED")


def test_a_length_of_very_many_bits():
    """One code block, one pass; then ones without end, which ask for a longer and longer number."""
    coding = Coding(0, 1, 0, (6, 6), ((15, 15),), (10,), has_ends=False)
    ones = b"\xef" + b"\xff\x7f" * 100
    with pytest.raises(FailedError, match="the length of a code block"):
        check_packets(ones, Span(0, 0, 64, 64), coding)
