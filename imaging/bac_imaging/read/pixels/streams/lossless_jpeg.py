"""Lossless JPEG by libjpeg-turbo, for the images that nearly all archives hold.

Faster than gdcm, and without its lock on the process's standard error. But libjpeg-turbo goes on after damage
with what it has, and imagecodecs, which brings it, drops its remarks. So pixels are held against the stream:
encoded again they take all of its bits and no more, and each row begins at the bit where its first difference
stands. That is known for one component, predicted from the left, in one piece. The rest is left to gdcm.

Reference: ITU-T T.81, annex H.
"""

from __future__ import annotations

import re
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from bac_imaging.read.attributes.acceptance import Layout
from bac_terms.errors import FailedError

_SOF, _DHT, _SOS, _DRI = 0xC3, 0xC4, 0xDA, 0xDD
_MARKER = re.compile(rb"\xff+[^\x00\xff]", re.DOTALL)
_CATEGORIES = 17  # of differences: 0 to 16 bits
_NO_CODE = 48  # bits, for what the table has no code for: no count comes out right with it
_STRIP = 32  # rows at a time, so that their differences stay in the cache


class _Codes(NamedTuple):
    """A Huffman table, by category."""

    code: npt.NDArray[np.uint64]
    length: npt.NDArray[np.uint8]


class _Scan(NamedTuple):
    """The only scan of a stream: precision, Huffman table, entropy-coded bytes."""

    precision: int
    codes: _Codes
    data: bytes


def decode_lossless_jpeg(stream: bytes, expected: Layout) -> npt.NDArray[np.uint16] | None:
    """Decode a frame that `bac_imaging.read.pixels.streams.codestream.check_codestream` has passed.

    Parameters
    ----------
    stream : bytes
        The frame.
    expected : Layout
        What the DICOM header says.

    Returns
    -------
    numpy.ndarray or None
        uint16, (rows, columns): all bits of the stream. None where another decoder has to read it: without
        imagecodecs, and with several components, restarts, a point transform or another predictor.

    Raises
    ------
    FailedError
        ``BAC-DECODE-FAILED`` if the stream is damaged.
    """
    try:
        import imagecodecs
    except ImportError:
        return None
    scan = _only_scan(stream) if expected.samples == 1 else None
    if scan is None:
        return None
    try:
        pixels = imagecodecs.jpeg8_decode(stream)
    except imagecodecs.Jpeg8Error:
        raise _damaged() from None
    if pixels.shape != (expected.rows, expected.columns) or pixels.dtype.kind != "u":
        raise _damaged()
    words: npt.NDArray[np.uint16] = pixels.astype(np.uint16, copy=False)
    if not _is_what_stands_there(words, scan):
        raise _damaged()
    return words


def _damaged() -> FailedError:
    return FailedError("BAC-DECODE-FAILED", "the compressed pixels are damaged")


def _only_scan(stream: bytes) -> _Scan | None:
    """Describe the scan of a complete stream; None where it is not of the usual kind."""
    precision, tables, position = 0, dict[int, _Codes](), 2
    while (found := _MARKER.match(stream, position)) is not None:
        marker, start = stream[found.end() - 1], found.end()
        position = start + int.from_bytes(stream[start : start + 2], "big")
        body = stream[start + 2 : position]
        if marker == _SOF:
            precision = body[0]
        elif marker == _DHT:
            tables |= _tables(body)
        elif marker == _DRI and any(body):
            return None
        elif marker == _SOS:
            end = stream.rfind(b"\xff\xd9", position)
            # A byte FF of the code is followed by 00, which is none of it (B.1.1.5); other FFs are markers.
            escaped = stream.count(b"\xff\0", position, end)
            is_one_piece = end >= 0 and stream.count(b"\xff", position, end) == escaped
            if not is_one_piece or body[0] != 1 or body[3:6] != b"\1\0\0" or body[2] >> 4 not in tables:
                return None
            data = stream[position:end].replace(b"\xff\0", b"\xff")
            return _Scan(precision, tables[body[2] >> 4], data)
    return None


def _tables(body: bytes) -> dict[int, _Codes]:
    """Read Huffman tables (C.2), by their numbers."""
    tables, position = {}, 0
    while position < len(body):
        number, counts = body[position], body[position + 1 : position + 17]
        position += 17
        codes, code = _Codes(np.zeros(_CATEGORIES, np.uint64), np.full(_CATEGORIES, _NO_CODE, np.uint8)), 0
        for length, count in enumerate(counts, start=1):
            for category in body[position : position + count]:
                codes.code[category], codes.length[category] = code, length
                code += 1
            position += count
            code <<= 1
        tables[number] = codes
    return tables


def _is_what_stands_there(pixels: npt.NDArray[np.uint16], scan: _Scan) -> bool:
    """Tell whether pixels, encoded again, have the length of their stream, and each row's start its place."""
    differences = np.arange(1 << 16, dtype=np.uint16).astype(np.int16)  # they wrap (H.1.2.1)
    categories = np.frexp(np.abs(differences.astype(np.float32)))[1]
    further = categories % 16  # bits behind the code; a difference of 16 bits has one value, and needs none
    bits = (scan.codes.length[categories] + further).astype(np.float32)  # added up fast, and exactly
    first = pixels[:, 0].copy()
    first[1:] -= pixels[:-1, 0]
    first[:1] -= np.uint16(1 << (scan.precision - 1))
    rows = bits[first].astype(np.int64)
    for top in range(0, len(pixels), _STRIP):
        strip = pixels[top : top + _STRIP]
        between = bits.take(strip[:, 1:] - strip[:, :-1], mode="clip")
        rows[top : top + _STRIP] += between.sum(axis=1).astype(np.int64)
    ends = rows.cumsum()
    if not 0 <= 8 * len(scan.data) - int(ends[-1]) < 8:  # the last byte is filled up
        return False
    starts = ends - rows
    data = np.frombuffer(scan.data + bytes(8), dtype=np.uint8)
    there = np.lib.stride_tricks.sliding_window_view(data, 8)[starts >> 3].view(">u8")[:, 0].astype(np.uint64)
    there = (there << (starts & 7).astype(np.uint64)) >> (64 - bits[first].astype(np.int64)).astype(np.uint64)
    # A negative difference is written as if it were one less (F.1.2.1).
    written = differences[first].astype(np.int64)
    written = (written - (written < 0)) & ((1 << further[first].astype(np.int64)) - 1)
    codes = scan.codes.code[categories[first]] << further[first].astype(np.uint64)
    return bool((there == codes | written.astype(np.uint64)).all())
