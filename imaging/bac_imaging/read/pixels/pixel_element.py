"""Files whose Pixel Data element is wrongly delimited though the image in it is whole.

Met are a declared length that is too short, and a file that was filled up with 0xFF. Parsers take what
follows for further elements and give up. Here the element is found in the bytes and given its true length.
"""

from __future__ import annotations

import struct

from bac_imaging.read.dataset import bytes_needed, parse_header

_ITEM, _END = b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0"
_UNDEFINED = 0xFFFFFFFF
_HEAD = 8  # bytes of tag and length of an item
_MOST_FRAGMENTS = 1 << 16  # the largest image in fragments of 2 KiB


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
    if declared < needed and is_filling(data[value + needed :]):
        length = struct.pack(f"{order}I", needed)
        return data[:at] + length + data[
            value : value + needed
        ], "the declared length of the pixels is too short"
    end = value + declared
    if needed <= declared and end < len(data) and is_filling(data[end:]):
        return data[:end], "the file goes on behind its pixels"
    return None


def are_items(value: bytes) -> bool:
    """Tell whether encapsulated pixels are items that meet end to end (PS3.5 A.4)."""
    at = 0
    for _ in range(_MOST_FRAGMENTS):
        if value[at : at + 4] != _ITEM or at + _HEAD > len(value):
            return at == len(value) or value[at : at + 4] == _END
        at += _HEAD + int.from_bytes(value[at + 4 : at + _HEAD], "little")
    return False


def _mend_fragments(data: bytes, at: int) -> tuple[bytes, str] | None:
    """Walk the items of encapsulated pixels (PS3.5 A.4); the last may be longer than it says."""
    for _ in range(_MOST_FRAGMENTS):
        if data[at : at + 4] != _ITEM or at + _HEAD > len(data):
            break
        (length,) = struct.unpack_from("<I", data, at + 4)
        after = at + _HEAD + length
        if data[after : after + 4] not in (_ITEM, _END):
            end = data.rfind(_END)
            if end <= after or not is_filling(data[end + _HEAD :]):
                return None
            length = struct.pack("<I", end - at - _HEAD)
            mended = data[: at + 4] + length + data[at + _HEAD : end + _HEAD]
            return mended, "the declared length of the compressed pixels is too short"
        at = after
    end = at + _HEAD
    if data[at : at + 4] != _END or end >= len(data) or not is_filling(data[end:]):
        return None
    return data[:end], "the file goes on behind its pixels"


def is_filling(rest: bytes) -> bool:
    """Tell whether bytes hold nothing: one value throughout."""
    return not rest or rest.count(rest[:1]) == len(rest)
