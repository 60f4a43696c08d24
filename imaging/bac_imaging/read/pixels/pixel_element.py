"""Files whose Pixel Data element is wrongly delimited though the image in it is whole.

Met are a declared length that is too short, and a file that was filled up with 0xFF. Parsers take what
follows for further elements and give up. Here the element is found in the bytes and given its true length.
"""

from __future__ import annotations

import math
import struct

from pydicom.dataset import Dataset

from bac_imaging.read.attributes.header import Header
from bac_imaging.read.dataset import parse_header

_ITEM, _END = b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0"
_UNDEFINED = 0xFFFFFFFF
_HEAD = 8  # bytes of tag and length of an item


def mend_pixels(data: bytes) -> tuple[bytes, str] | None:
    """Give the Pixel Data element its true length, and cut off what fills the file up.

    Parameters
    ----------
    data : bytes
        A DICOM file that is not deflated.

    Returns
    -------
    (bytes, str) or None
        The file as it should be and what was wrong with it; None where nothing of the kind is wrong with it.
    """
    try:
        head, start, followed = parse_header(data)
        is_implicit, is_little = head.original_encoding
    except Exception:  # pydicom raises whatever its parser stumbles over
        return None
    if not followed:
        return None
    order = "<" if is_little else ">"
    at = start + (4 if is_implicit else 8)
    value = at + 4
    if value > len(data):
        return None
    (declared,) = struct.unpack_from(f"{order}I", data, at)
    if declared == _UNDEFINED:
        return _mend_fragments(data, value)
    needed = bytes_needed(head)
    if needed is None or len(data) - value < needed:
        return None
    if declared < needed and _is_filling(data[value + needed :]):
        length = struct.pack(f"{order}I", needed)
        return data[:at] + length + data[
            value : value + needed
        ], "the declared length of the pixels is too short"
    end = value + declared
    if needed <= declared and end < len(data) and _is_filling(data[end:]):
        return data[:end], "the file goes on behind its pixels"
    return None


def bytes_needed(dataset: Dataset) -> int | None:
    """Give the length of uncompressed pixels by the header, None where it does not tell."""
    header = Header(dataset)
    sides = [header.number(keyword) for keyword in ("Rows", "Columns", "BitsAllocated")]
    samples = header.number("SamplesPerPixel")
    bits = 1.0 if samples is None else samples
    for side in sides:
        bits *= math.nan if side is None else side
    if not 0 < bits < 2.0**36:  # false for NaN, too
        return None
    return int(bits) // 8


def are_items(value: bytes) -> bool:
    """Tell whether encapsulated pixels are items that meet end to end (PS3.5 A.4)."""
    at = 0
    while value[at : at + 4] == _ITEM and at + _HEAD <= len(value):
        at += _HEAD + int.from_bytes(value[at + 4 : at + _HEAD], "little")
    return at == len(value) or value[at : at + 4] == _END


def _mend_fragments(data: bytes, at: int) -> tuple[bytes, str] | None:
    """Walk the items of encapsulated pixels (PS3.5 A.4); the last may be longer than it says."""
    while data[at : at + 4] == _ITEM and at + _HEAD <= len(data):
        (length,) = struct.unpack_from("<I", data, at + 4)
        after = at + _HEAD + length
        if data[after : after + 4] not in (_ITEM, _END):
            end = data.rfind(_END)
            if end <= after or not _is_filling(data[end + _HEAD :]):
                return None
            length = struct.pack("<I", end - at - _HEAD)
            mended = data[: at + 4] + length + data[at + _HEAD : end + _HEAD]
            return mended, "the declared length of the compressed pixels is too short"
        at = after
    end = at + _HEAD
    if data[at : at + 4] != _END or end >= len(data) or not _is_filling(data[end:]):
        return None
    return data[:end], "the file goes on behind its pixels"


def _is_filling(rest: bytes) -> bool:
    """Tell whether bytes hold nothing: one value throughout."""
    return not rest or rest.count(rest[:1]) == len(rest)
