"""From the bytes of a DICOM file to its dataset, within bounds."""

from __future__ import annotations

import io
import zlib
from typing import NamedTuple

from pydicom import Dataset, dcmread
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian

from bac_imaging.read.attributes.acceptance import MAX_FILE_BYTES
from bac_terms.errors import RefusedError

PIXEL_DATA_TAGS = (b"\xe0\x7f\x10\0", b"\x7f\xe0\0\x10")
HEADER_BYTES = 1 << 24  # of what was deflated: more than any header, and less than a small file may become
_META_LENGTH = b"\x02\0\0\0UL\x04\0"


class Head(NamedTuple):
    """What stands before the pixels, where it ends, and whether pixel data follow."""

    dataset: Dataset
    end: int
    followed: bool


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
        As for `inflated`.
    Exception
        Whatever pydicom's parser stumbles over.
    """
    return dcmread(io.BytesIO(inflated(data)), force=True, specific_tags=keywords)


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
    stream = io.BytesIO(inflated(data, most or HEADER_BYTES)[:most])
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
        Of what was deflated, no more than this many bytes from its beginning, whatever follows. Default: all.

    Returns
    -------
    bytes
        The file as it would be without; one that is not deflated as it is.

    Raises
    ------
    RefusedError
        ``BAC-FILE-NOT-IMAGE``, ``BAC-FILE-TOO-LARGE`` or ``BAC-FILE-TRUNCATED``.
    """
    start = data.find(_META_LENGTH, 0, 140)
    if start < 0 or DeflatedExplicitVRLittleEndian.encode() not in data[start : start + 4096]:
        return data
    body = start + 12 + int.from_bytes(data[start + 8 : start + 12], "little")
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        inflated = inflater.decompress(data[body:], most or MAX_FILE_BYTES)
    except zlib.error:
        raise RefusedError("BAC-FILE-NOT-IMAGE", "the deflated DICOM dataset is damaged") from None
    if most is None and inflater.unconsumed_tail:
        raise RefusedError("BAC-FILE-TOO-LARGE")
    if most is None and not inflater.eof:
        raise RefusedError("BAC-FILE-TRUNCATED")
    deflated, plain = DeflatedExplicitVRLittleEndian.encode(), ExplicitVRLittleEndian.encode()
    return data[:body].replace(deflated, plain.ljust(len(deflated), b"\0")) + inflated
