"""What the header of a DICOM file alone can tell, refusals included.

Needs neither scipy nor decoders, so that a client can judge headers before it sends pixels anywhere.
"""

from __future__ import annotations

import io
import warnings
import zlib
from dataclasses import dataclass

import pydicom
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian

from bac_imaging.read.attributes.acceptance import MAX_FILE_BYTES, Kind, check_kind, check_layout
from bac_imaging.read.attributes.beam import read_beam
from bac_imaging.read.attributes.codestream import Expected
from bac_imaging.read.attributes.geometry import Geometry, read_geometry
from bac_imaging.read.attributes.header import Header
from bac_imaging.read.attributes.spacing import Spacing
from bac_imaging.read.attributes.views import View, read_view
from bac_terms.beam import Beam
from bac_terms.errors import RefusedError
from bac_terms.identifiers import is_uid, names_nothing
from bac_terms.notices import Notice

PIXEL_DATA_TAGS = (b"\xe0\x7f\x10\0", b"\x7f\xe0\0\x10")
_META_LENGTH = b"\x02\0\0\0UL\x04\0"
_HEADER_BYTES = 1 << 24  # of what was deflated: more than any header, and less than a small file may become


@dataclass(frozen=True)
class Judged:
    """What a header tells of an image that it does not refuse."""

    kind: Kind
    view: View
    expected: Expected
    beam: Beam | None
    geometry: Geometry
    notices: tuple[Notice, ...]


def refuse_dicom_header(data: bytes, given: Spacing | None) -> None:
    """Refuse what the header alone can refuse, by the rules that files are read by; no pixel is looked at.

    A header that cannot be read, or that no pixels follow, is not judged: that takes the whole file.

    Parameters
    ----------
    data : bytes
        The whole file, with or without preamble.
    given : (float, float) or None
        Spacing that the caller gives, (between rows, between columns), in mm.

    Raises
    ------
    RefusedError
        If the file can never be measured as it is.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            stream = io.BytesIO(inflated(data, _HEADER_BYTES))
            dataset = pydicom.dcmread(stream, force=True, stop_before_pixels=True)
            followed = stream.read(len(PIXEL_DATA_TAGS[0])) in PIXEL_DATA_TAGS
        except Exception:  # pydicom raises whatever its parser stumbles over
            return
        if followed:
            dataset.add_new("PixelData", "OB", b"")
            judge(Header(dataset), given)


def judge(header: Header, given: Spacing | None) -> Judged:
    """Judge all that the header alone can tell.

    Parameters
    ----------
    header : Header
        Header of the object. That pixels follow shows in its PixelData.
    given : (float, float) or None
        Spacing that the caller gives, (between rows, between columns), in mm.

    Returns
    -------
    Judged

    Raises
    ------
    RefusedError
        If the file can never be measured as it is.
    """
    kind = check_kind(header)
    view, view_notices = read_view(header)
    expected = check_layout(header)
    beam = None if kind.is_film else read_beam(header)
    geometry, scale_notices = read_geometry(
        header, expected.rows, expected.columns, given, beam.thickness_mm if beam else None
    )
    return Judged(
        kind, view, expected, beam, geometry, (*view_notices, *_identifier_notices(header), *scale_notices)
    )


def _identifier_notices(header: Header) -> list[Notice]:
    """Tell of what hinders putting an exam together."""
    study, image = (header.written(keyword) for keyword in ("StudyInstanceUID", "SOPInstanceUID"))
    odd = [
        name
        for name, text in (("study", study), ("image", image))
        if not names_nothing(text) and not is_uid(text)
    ]
    notices = [Notice.of("BAC-W-STUDY-UNKNOWN")] if names_nothing(study) else []
    if odd:
        found = f"what stands for the UID of the {' and of the '.join(odd)} is none; it is taken as it is"
        notices.append(Notice.of("BAC-W-UID-INVALID", found))
    return notices


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
