"""From the bytes of a DICOM file to its dataset, within bounds of bytes and of elements."""

from __future__ import annotations

import io
import math
import zlib
from typing import NamedTuple

from pydicom import Dataset, dcmread
from pydicom.filereader import read_dataset
from pydicom.tag import BaseTag
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian

from bac_imaging.read.attributes.acceptance import MAX_FILE_BYTES
from bac_imaging.read.attributes.header import Header
from bac_terms.errors import RefusedError

PIXEL_DATA_TAGS = (b"\xe0\x7f\x10\0", b"\x7f\xe0\0\x10")
HEADER_BYTES = 1 << 24  # of what was deflated: more than any header, and less than a small file may become
_MOST_READS = 100_000
"""Of a header: two or three are made for an element. Some dozens of times those of a mammogram, a second."""
_META_GROUP, _META_BYTES = 2, 1 << 16
_PREAMBLE = 128


class Head(NamedTuple):
    """What stands before the pixels, where it ends, and whether pixel data follow."""

    dataset: Dataset
    end: int
    followed: bool


class _Bounded(io.BytesIO):
    """A file in memory that is read no more than so often: a file may consist of millions of elements."""

    reads_left = _MOST_READS

    def read(self, size: int | None = -1, /) -> bytes:
        self.reads_left -= 1
        if self.reads_left < 0:
            raise RefusedError(
                "BAC-FILE-NOT-IMAGE", "the DICOM header has more elements than that of any image"
            )
        if size is None or size < 0:  # only what is deflated is read to its end, to be inflated without bound
            raise RefusedError("BAC-FILE-NOT-IMAGE", "the deflated DICOM dataset is not where it should be")
        return super().read(size)


def parse(data: bytes, keywords: list[str] | None = None) -> Dataset:
    """Parse a file.

    Parameters
    ----------
    data : bytes
        The whole file, with or without preamble.
    keywords : list of str, optional
        Elements to read. Default: all.

    Raises
    ------
    RefusedError
        As for `inflated`, and ``BAC-FILE-NOT-IMAGE`` for more elements than any image has.
    Exception
        Whatever pydicom's parser stumbles over.
    """
    return dcmread(_Bounded(inflated(data)), force=True, specific_tags=keywords)


def parse_header(data: bytes, keywords: list[str] | None = None, most: int | None = None) -> Head:
    """Parse what stands before the pixels.

    Parameters
    ----------
    data, keywords
        As for `parse`.
    most : int, optional
        No more than this many bytes are looked at, of a deflated file when inflated. Default: all; of a
        deflated file 16 MiB.

    Raises
    ------
    Exception
        As for `parse`.
    """
    return _head(inflated(data, most or HEADER_BYTES)[:most], keywords)


def _head(data: bytes, keywords: list[str] | None = None) -> Head:
    stream = _Bounded(data)
    dataset = dcmread(stream, force=True, stop_before_pixels=True, specific_tags=keywords)
    end = stream.tell()
    return Head(dataset, end, stream.read(len(PIXEL_DATA_TAGS[0])) in PIXEL_DATA_TAGS)


def inflated(data: bytes, most: int | None = None) -> bytes:
    """Undo the deflated transfer syntax within bounds: pydicom would inflate without end.

    Parameters
    ----------
    data : bytes
        The whole file.
    most : int, optional
        Of what was deflated, no more than this many bytes from its beginning, whatever follows. Default: all,
        which may be 32 MiB more than the pixels that its header tells of.

    Returns
    -------
    bytes
        The file as it would be without; one that is not deflated as it is.

    Raises
    ------
    RefusedError
        ``BAC-FILE-NOT-IMAGE``, ``BAC-FILE-TOO-LARGE`` or ``BAC-FILE-TRUNCATED``.
    """
    body = _deflated_from(data)
    if body is None:
        return data
    start = data[:body].replace(
        DeflatedExplicitVRLittleEndian.encode(),
        ExplicitVRLittleEndian.encode().ljust(len(DeflatedExplicitVRLittleEndian), b"\0"),
    )
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        head = inflater.decompress(data[body:], min(most or HEADER_BYTES, HEADER_BYTES))
        if most is not None:
            return start + head
        room = HEADER_BYTES + _pixel_bytes(start + head)
        rest = inflater.decompress(inflater.unconsumed_tail, min(room, MAX_FILE_BYTES))
    except zlib.error:
        raise RefusedError("BAC-FILE-NOT-IMAGE", "the deflated DICOM dataset is damaged") from None
    if inflater.unconsumed_tail:
        raise RefusedError("BAC-FILE-TOO-LARGE")
    if not inflater.eof:
        raise RefusedError("BAC-FILE-TRUNCATED")
    return b"".join((start, head, rest))


def parse_meta(data: bytes) -> tuple[Dataset, int]:
    """Parse the file meta information alone (PS3.10 7.1), and tell where the dataset begins.

    Parameters
    ----------
    data : bytes
        The file or its first bytes, with or without preamble.

    Raises
    ------
    Exception
        Whatever pydicom's parser stumbles over.
    """
    stream = _Bounded(data)
    stream.seek(_PREAMBLE + 4 if data[_PREAMBLE : _PREAMBLE + 4] == b"DICM" else 0)
    meta = read_dataset(stream, is_implicit_VR=False, is_little_endian=True, stop_when=_is_behind_meta)
    return meta, stream.tell()


def _deflated_from(data: bytes) -> int | None:
    """Give where a deflated dataset begins, found as pydicom finds it; None where nothing is deflated."""
    if data.find(DeflatedExplicitVRLittleEndian.encode(), 0, _META_BYTES) < 0:
        return None  # as in nearly all files
    try:
        meta, body = parse_meta(data)
        syntax = meta.get("TransferSyntaxUID")
    except Exception:  # pydicom's parser will stumble over it again, before it inflates anything
        return None
    return body if syntax == DeflatedExplicitVRLittleEndian else None


def _is_behind_meta(tag: BaseTag, _vr: str | None, _length: int) -> bool:
    return tag.group != _META_GROUP


def _pixel_bytes(data: bytes) -> int:
    try:
        header = _head(data).dataset
        frames = Header(header).number("NumberOfFrames") or 1
        return int(min((bytes_needed(header) or 0) * max(frames, 1), MAX_FILE_BYTES))
    except RefusedError:
        raise
    except (
        Exception
    ):  # pydicom raises whatever its parser stumbles over, NaN is no whole number, and will do so again
        return 0


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
