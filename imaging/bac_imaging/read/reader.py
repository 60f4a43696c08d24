"""Tells kinds of files apart and hands each to its reader."""

from __future__ import annotations

import math
from collections.abc import Sequence

from bac_imaging.read.attributes.acceptance import MAX_FILE_BYTES
from bac_imaging.read.mammogram import Mammogram
from bac_terms.errors import FailedError, RefusedError

__all__ = ["is_dicom", "read_mammogram", "refuse_header"]

_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8\xff"
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
# A dataset without preamble starts with group 0002 or 0008, whose first elements are low.
_BARE_DICOM = (
    b"\x02\0\0\0",
    b"\x02\0\x02\0",
    b"\x08\0\0\0",
    b"\x08\0\x05\0",
    b"\x08\0\x08\0",
    b"\x08\0\x16\0",
)
_BARE_DICOM_BIG_ENDIAN = (b"\0\x08\0\0", b"\0\x08\0\x05", b"\0\x08\0\x08", b"\0\x08\0\x16")


def read_mammogram(data: bytes, pixel_spacing_mm: Sequence[float] | None = None) -> Mammogram:
    """Read a DICOM, PNG, TIFF or JPEG file that holds one mammogram.

    Parameters
    ----------
    data : bytes
        The whole file.
    pixel_spacing_mm : (float, float), optional
        Spacing at the detector (or film) between rows and between columns, in mm. Used where the file
        has none; where it has one, the two must agree within 1 %.

    Returns
    -------
    Mammogram
        Signal, geometry and what the header tells.

    Raises
    ------
    RefusedError
        If the file can never be measured as it is.
    FailedError
        If it could not be decoded here.
    """
    data = bytes(data)
    if not data:
        raise RefusedError("BAC-FILE-EMPTY")
    if len(data) > MAX_FILE_BYTES:
        raise RefusedError("BAC-FILE-TOO-LARGE")
    given = _checked_spacing(pixel_spacing_mm)
    # The readers bring pydicom or Pillow with them: each is loaded only for its own kind of file.
    try:
        if is_dicom(data):
            from bac_imaging.read.dicom_reader import read_dicom

            return read_dicom(data, given)
        if data.startswith((_PNG, _JPEG, *_TIFF)):
            from bac_imaging.read.plain_reader import read_plain

            return read_plain(data, given)
    except MemoryError:
        raise FailedError("BAC-DECODE-FAILED", "there is not enough memory to decode the image") from None
    raise RefusedError("BAC-FILE-NOT-IMAGE")


def refuse_header(data: bytes, pixel_spacing_mm: Sequence[float] | None = None) -> None:
    """Refuse what `read_mammogram` would refuse for its header alone, without a look at any pixel.

    So that whoever sends images need not send what no server will measure, such as hundreds of megabytes of
    tomosynthesis. What passes is judged once more when it is read.

    Parameters
    ----------
    data : bytes
        The whole file.
    pixel_spacing_mm : (float, float), optional
        As for `read_mammogram`.

    Raises
    ------
    RefusedError
        If the file can never be measured as it is.
    """
    given = _checked_spacing(pixel_spacing_mm)
    # The header first: it says better than the size what is wrong with the file.
    if is_dicom(data):
        from bac_imaging.read.dicom_header import refuse_dicom_header

        refuse_dicom_header(data, given)
    elif data.startswith((_PNG, _JPEG, *_TIFF)):
        from bac_imaging.read.plain_header import refuse_plain_header

        refuse_plain_header(data)
    if len(data) > MAX_FILE_BYTES:
        raise RefusedError("BAC-FILE-TOO-LARGE")


def is_dicom(data: bytes) -> bool:
    """Tell whether a file begins as DICOM does, with or without preamble."""
    return data[128:132] == b"DICM" or data.startswith((*_BARE_DICOM, *_BARE_DICOM_BIG_ENDIAN))


def _checked_spacing(given: Sequence[float] | None) -> tuple[float, float] | None:
    if given is None:
        return None
    try:
        row, column = (float(value) for value in given)
    except (TypeError, ValueError, OverflowError):
        raise RefusedError("BAC-SPACING-INVALID", "the spacing given is not a pair of numbers") from None
    if not (math.isfinite(row) and math.isfinite(column) and row > 0 and column > 0):
        raise RefusedError("BAC-SPACING-INVALID", "the spacing given is not positive")
    return row, column
