"""A look at compressed pixels before a decoder touches them.

The decoders are C and C++ code that trusts its input: on a damaged stream some abort the process, allocate
gigabytes, or return half an image without a word. So the stream's own markers are walked first: it must
describe the image that the DICOM header describes, use only what its transfer syntax allows, and be complete.

References: ITU-T T.81 (JPEG), T.87 (JPEG-LS), T.800 (JPEG 2000).
"""

from __future__ import annotations

import re
import struct
from typing import Literal

from bac_imaging.read.attributes.acceptance import Layout
from bac_imaging.read.pixels.streams.jpeg2000 import check_jpeg2000
from bac_terms.errors import FailedError, RefusedError

Family = Literal["jpeg", "jpeg-lossless", "jpeg-ls", "jpeg2000"]

_SOI, _EOI, _SOS, _DHT, _DRI = 0xD8, 0xD9, 0xDA, 0xC4, 0xDD
_FRAMES: dict[Family, frozenset[int]] = {
    "jpeg": frozenset({0xC0, 0xC1}),
    "jpeg-lossless": frozenset({0xC3}),
    "jpeg-ls": frozenset({0xF7}),
}
_COD, _SOT = 0x52, 0x90
_WAVELET = 9  # place of the transformation in a coding style: Scod, four of SGcod, four of SPcod before it
_QUANTISATION, _LS_PARAMETERS, _COMMENT = 0xDB, 0xF8, 0xFE
_ADOBE, _JFIF = 0xEE, 0xE0
_APPLICATION = frozenset(range(0xE0, 0xF0))
_TABLES: dict[Family, frozenset[int]] = {
    "jpeg": frozenset({_DHT, _DRI, _QUANTISATION, _COMMENT}) | _APPLICATION,
    "jpeg-lossless": frozenset({_DHT, _DRI, _COMMENT}) | _APPLICATION,
    "jpeg-ls": frozenset({_DRI, _LS_PARAMETERS, _COMMENT}) | _APPLICATION,
}
# In entropy-coded data FF is followed by 00 (JPEG) or a bit 0 (JPEG-LS); else a marker or restart follows.
_MARKER = re.compile(rb"\xff+[^\x00\xd0-\xd7\xff]", re.DOTALL)
_LS_MARKER = re.compile(rb"\xff[\x80-\xcf\xd8-\xff]", re.DOTALL)
_LARGEST_TABLE_INDEX = 3
_BASELINE_BITS = 8  # of lossy JPEG, all that the decoder reads


def check_codestream(stream: bytes, family: Family, expected: Layout) -> tuple[str, ...]:
    """Make sure that a compressed frame is complete and is the image that the header describes.

    Parameters
    ----------
    stream : bytes
        One compressed frame.
    family : {"jpeg", "jpeg-lossless", "jpeg-ls", "jpeg2000"}
        What the transfer syntax says it is.
    expected : Layout
        What the DICOM header says.

    Returns
    -------
    tuple of str
        What is allowed but more likely damage; empty for nearly all.

    Raises
    ------
    RefusedError
        ``BAC-FILE-TRUNCATED`` if the stream ends early, ``BAC-CODEC-UNSUPPORTED`` for a depth that no decoder
        here reads.
    FailedError
        ``BAC-DECODE-FAILED`` if it is damaged or describes another image.
    """
    try:
        if family == "jpeg2000":
            return check_jpeg2000(stream, expected)
        _check_jpeg(stream, family, expected)
    except (struct.error, IndexError):
        raise RefusedError("BAC-FILE-TRUNCATED") from None
    return ()


def loses(stream: bytes, family: Family) -> bool:
    """Tell whether a compressed frame says of itself that it lost something.

    Parameters
    ----------
    stream : bytes
        One frame that `check_codestream` has passed.
    family : {"jpeg", "jpeg-lossless", "jpeg-ls", "jpeg2000"}
        What it is.

    Returns
    -------
    bool
        True for an irreversible wavelet (T.800 A.6.1) and a near-lossless scan (T.87 C.2.3).
    """
    if family == "jpeg":
        return True
    if family not in ("jpeg-ls", "jpeg2000"):
        return False
    position = stream.find(b"\xff\x4f\xff\x51") + 2 if family == "jpeg2000" else 2
    while position + 4 <= len(stream):
        marker, length = stream[position + 1], struct.unpack_from(">H", stream, position + 2)[0]
        body = stream[position + 4 : position + 2 + length]
        if family == "jpeg2000" and marker == _COD:
            return len(body) > _WAVELET and body[_WAVELET] == 0
        if family == "jpeg-ls" and marker == _SOS:
            return body[1 + 2 * body[0]] != 0
        if marker == _SOT:
            break
        position += 2 + length
    return False


def _damaged(found: str) -> FailedError:
    return FailedError("BAC-DECODE-FAILED", f"the compressed pixels are damaged ({found})")


def _check_jpeg(stream: bytes, family: Family, expected: Layout) -> None:
    if stream[:2] != b"\xff\xd8":
        raise _damaged("no start of image")
    position, has_frame, has_scan = 2, False, False
    while True:
        marker, start = _next_marker(stream, position)
        if marker == _EOI:
            break
        length = struct.unpack_from(">H", stream, start)[0]
        body = stream[start + 2 : start + length]
        if length < 2 or len(body) != length - 2:
            raise RefusedError("BAC-FILE-TRUNCATED")
        position = start + length
        if marker in _FRAMES[family] and not has_frame:
            _check_frame(body, family, expected)
            has_frame = True
        elif marker == _SOS and has_frame:
            _check_scan(body, family, expected)
            has_scan = True
            position = _end_of_scan(stream, position, family)
        elif marker == _DHT:
            _check_huffman(body, family)
        elif marker not in _TABLES[family]:
            raise _damaged("unexpected marker")
        elif family == "jpeg-lossless" and marker == _ADOBE and body[:5] == b"Adobe" and body[11] != 0:
            # gdcm ends the process on colour transforms that lossless JPEG does not have.
            raise _damaged("colour transform")
        elif family == "jpeg-lossless" and marker == _JFIF and body[:5] == b"JFIF\0" and body[5] != 1:
            # And on a version of JFIF that there never was.
            raise _damaged("version of JFIF")
    if not has_scan:
        raise _damaged("no scan")
    if stream[start:].strip(b"\0\xff"):
        raise _damaged("data after the end of image")


def _next_marker(stream: bytes, position: int) -> tuple[int, int]:
    if stream[position] != 0xFF:
        raise _damaged("no marker where one is due")
    while stream[position] == 0xFF:
        position += 1
    return stream[position], position + 1


def _end_of_scan(stream: bytes, position: int, family: Family) -> int:
    found = (_LS_MARKER if family == "jpeg-ls" else _MARKER).search(stream, position)
    if found is None:
        raise RefusedError("BAC-FILE-TRUNCATED")
    return found.start()


def _check_frame(body: bytes, family: Family, expected: Layout) -> None:
    precision, rows, columns, components = struct.unpack_from(">BHHB", body)
    if len(body) != 6 + 3 * components or components != expected.samples:
        raise _damaged("another number of components than the header says")
    if (rows, columns) != (expected.rows, expected.columns):
        raise _damaged("another size than the header says")
    if not 2 <= precision <= expected.bits_allocated:
        raise _damaged("another bit depth than the header says")
    if family == "jpeg" and precision != _BASELINE_BITS:
        raise RefusedError(
            "BAC-CODEC-UNSUPPORTED", f"JPEG Extended with {precision} bits a pixel is not supported"
        )
    if any(body[7 + 3 * i] != 0x11 for i in range(components)) and components == 1:
        raise _damaged("a subsampled single component")


def _check_scan(body: bytes, family: Family, expected: Layout) -> None:
    components = body[0]
    if not 1 <= components <= expected.samples or len(body) != 4 + 2 * components:
        raise _damaged("scan header")
    first, last, approximation = body[1 + 2 * components :]
    selectors = body[2 : 1 + 2 * components : 2]
    if family == "jpeg-lossless" and not (
        1 <= first <= 7
        and last == 0
        and approximation < 16
        and all(selector >> 4 <= _LARGEST_TABLE_INDEX and selector & 15 == 0 for selector in selectors)
    ):
        raise _damaged("scan header")


def _check_huffman(body: bytes, family: Family) -> None:
    position = 0
    while position < len(body):
        where, counts = body[position], body[position + 1 : position + 17]
        values = body[position + 17 : position + 17 + sum(counts)]
        position += 17 + len(values)
        codes = sum(count << (16 - length) for length, count in enumerate(counts, start=1))
        if (
            len(counts) != 16
            or len(values) != sum(counts)
            or not values
            or codes > 1 << 16
            or where & 15 > _LARGEST_TABLE_INDEX
            or where >> 4 > 1
            or (family == "jpeg-lossless" and max(values) > 16)
        ):
            raise _damaged("Huffman table")
