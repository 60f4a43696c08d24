"""Check sums and lengths that PNG and TIFF files carry, and that Pillow does not look at.

Without them a damaged file gives an image: Pillow skips the sums of PNG's pixels, and where a compressed
stream ends early it leaves the rest black.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable

from PIL import Image

from bac_terms.errors import FailedError, RefusedError

_SIGNATURE = 8
_CHUNK = 12  # bytes of a chunk's length, name and sum
_PIXELS, _END, _HEADER = b"IDAT", b"IEND", b"IHDR"
_ANCILLARY = 0x20  # bit of a chunk's name: images do without it
_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by colour type
# First column and row, and their steps, of the passes of an interlaced PNG.
_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
_AT_ONCE = 1 << 20
_MOST_BYTES_A_PIXEL = 16  # of a TIFF, in padded tiles
_COMPRESSION, _DEFLATE = 259, frozenset({8, 32946})
_OFFSETS, _COUNTS = (273, 324), (279, 325)  # of strips, of tiles


def check_png(data: bytes) -> None:
    """Make sure that a PNG is whole: every sum, its end, and as many pixels as its header says.

    Parameters
    ----------
    data : bytes
        A PNG whose size was judged before.

    Raises
    ------
    RefusedError
        ``BAC-FILE-TRUNCATED``.
    FailedError
        ``BAC-DECODE-FAILED``.
    """
    at, header, parts = _SIGNATURE, b"", []
    while True:
        length = int.from_bytes(data[at : at + 4], "big")
        name, end = data[at + 4 : at + 8], at + _CHUNK + length
        if end > len(data):
            raise RefusedError("BAC-FILE-TRUNCATED")
        is_needed = not name[0] & _ANCILLARY
        if is_needed and zlib.crc32(data[at + 4 : end - 4]) != int.from_bytes(data[end - 4 : end], "big"):
            raise _damaged("a check sum of the PNG is wrong")
        if name == _HEADER:
            header = data[at + 8 : end - 4]
        elif name == _PIXELS:
            parts.append(data[at + 8 : end - 4])
        elif name == _END:
            break
        at = end
    needed = _bytes_of_png(header)
    if _inflated_length(parts, needed) < needed:
        raise RefusedError("BAC-FILE-TRUNCATED", "the file holds fewer pixels than its header says")


def _bytes_of_png(header: bytes) -> int:
    columns, rows = int.from_bytes(header[:4], "big"), int.from_bytes(header[4:8], "big")
    bits = header[8] * _SAMPLES.get(header[9], 0)
    passes = _ADAM7 if header[12] else ((0, 0, 1, 1),)
    sizes = [(-(-(columns - x) // dx), -(-(rows - y) // dy)) for x, y, dx, dy in passes]
    # Each row begins with a byte that names its filter.
    return sum(high * (1 + -(-wide * bits // 8)) for wide, high in sizes if wide > 0 and high > 0)


def check_tiff(data: bytes, image: Image.Image) -> None:
    """Make sure that the deflated strips or tiles of a TIFF are whole, by the sums that they end with.

    Parameters
    ----------
    data : bytes
        The whole file.
    image : PIL.Image.Image
        The same, opened.

    Raises
    ------
    RefusedError
        ``BAC-FILE-TRUNCATED``.
    FailedError
        ``BAC-DECODE-FAILED``.
    """
    tags = getattr(image, "tag_v2", {})
    offsets, counts = (next((tags[tag] for tag in kinds if tag in tags), ()) for kinds in (_OFFSETS, _COUNTS))
    if not isinstance(offsets, tuple) or not isinstance(counts, tuple):
        raise _damaged("the table of strips")
    room = _MOST_BYTES_A_PIXEL * image.width * image.height + _AT_ONCE
    for offset, count in zip(offsets, counts, strict=False):
        if not isinstance(offset, int) or not isinstance(count, int) or offset + count > len(data):
            raise RefusedError("BAC-FILE-TRUNCATED")
        if tags.get(_COMPRESSION) in _DEFLATE:
            room -= _inflated_length([data[offset : offset + count]], room)


def _inflated_length(parts: Iterable[bytes], most: int) -> int:
    """Inflate to the end without keeping what comes, no further than `most` bytes, and count them."""
    inflater, found = zlib.decompressobj(), 0
    try:
        for part in parts:
            rest = part
            while rest and not inflater.eof:
                found += len(inflater.decompress(rest, _AT_ONCE))
                if found > most:
                    raise _damaged("there are more pixels than its header says")
                rest = inflater.unconsumed_tail
    except zlib.error:
        raise _damaged("a check sum of the pixels is wrong") from None
    if not inflater.eof:
        raise RefusedError("BAC-FILE-TRUNCATED", "the file holds fewer pixels than its header says")
    return found


def _damaged(found: str) -> FailedError:
    return FailedError("BAC-DECODE-FAILED", f"the compressed pixels are damaged ({found})")
