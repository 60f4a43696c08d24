"""A mammogram as it was stored, turned into a signal of X-ray attenuation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from bac_imaging.beam import Beam
from bac_imaging.errors import FailedError, Notice, RefusedError
from bac_imaging.geometry import Geometry

__all__ = ["Mammogram", "Notice", "read_mammogram", "refuse_header"]

MAX_FILE_BYTES = 512 * 1024 * 1024
"""Largest file that is looked into. The largest mammogram, uncompressed, has a tenth of it."""

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


@dataclass(frozen=True)
class Mammogram:
    """One two-dimensional mammogram, in the matrix in which it was stored.

    Attributes
    ----------
    signal : numpy.ndarray
        float32, (rows, columns), finite everywhere. Larger means more attenuation: calcium is bright.
    valid : numpy.ndarray
        bool, (rows, columns). False on padding, on transparent pixels, and where a ``log_exposure`` image has
        no exposure left. Saturated pixels are valid: they are air, which finding the breast needs.
    signal_kind : {"log_exposure", "display"}
        ``log_exposure``: minus the natural logarithm of the exposure, up to a constant. ``display``: a
        brightness that rises with attenuation, about 0 to 1 over the range meant to be shown.
    exposure_scale_known : bool
        True where `signal` follows from the header without assumption, which a calibrated mass needs.
    presentation_intent : {"FOR PROCESSING", "FOR PRESENTATION"} or None
        As the header says; None for film and plain images.
    geometry : Geometry
        Pixel spacing at the detector and magnification.
    beam : Beam or None
        Beam and compression; None for film and plain images.
    sop_instance_uid, study_instance_uid : str or None
        Identifiers from the header.
    laterality : {"L", "R"} or None
        Side of the breast.
    view : str or None
        ``"CC"``, ``"MLO"`` or another view's name.
    warnings : tuple of Notice
        What should be known about any result from this image.
    mass_in_doubt : bool
        True where a header value that a mass rests on is not one of the standard's, or contradicts another: a
        mass is then an estimate at best, and a warning says why.
    size_known : bool
        True where the header names a unit whose image sizes are known, or the image's field of view: that an
        image was resized would have been noticed.
    """

    signal: npt.NDArray[np.float32]
    valid: npt.NDArray[np.bool_]
    signal_kind: Literal["log_exposure", "display"]
    exposure_scale_known: bool
    presentation_intent: Literal["FOR PROCESSING", "FOR PRESENTATION"] | None
    geometry: Geometry
    beam: Beam | None
    sop_instance_uid: str | None
    study_instance_uid: str | None
    laterality: Literal["L", "R"] | None
    view: str | None
    warnings: tuple[Notice, ...]
    mass_in_doubt: bool = False
    size_known: bool = False


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
            from bac_imaging.dicom_reader import read_dicom

            return read_dicom(data, given)
        if data.startswith((_PNG, _JPEG, *_TIFF)):
            from bac_imaging.film_reader import read_film

            return read_film(data, given)
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
        from bac_imaging.dicom_header import refuse_dicom_header

        refuse_dicom_header(data, given)
    elif data.startswith((_PNG, _JPEG, *_TIFF)):
        from bac_imaging.film_header import refuse_film_header

        refuse_film_header(data)
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
