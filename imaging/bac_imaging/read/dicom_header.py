"""What the header of a DICOM file alone can tell, refusals included.

Needs neither scipy nor decoders, so that a client can judge headers before it sends pixels anywhere.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

from bac_imaging.read.attributes.acceptance import Kind, Layout, check_kind, check_layout
from bac_imaging.read.attributes.beam import read_beam
from bac_imaging.read.attributes.geometry import Geometry, read_geometry
from bac_imaging.read.attributes.header import Header
from bac_imaging.read.attributes.spacing import Spacing
from bac_imaging.read.attributes.views import View, read_view
from bac_imaging.read.dataset import parse_header
from bac_terms.beam import Beam
from bac_terms.identifiers import is_uid, names_nothing
from bac_terms.notices import Notice


@dataclass(frozen=True)
class Judged:
    """What a header tells of an image that it does not refuse."""

    kind: Kind
    view: View
    layout: Layout
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
            dataset, _, followed = parse_header(data)
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
    layout = check_layout(header)
    beam = None if kind.is_film else read_beam(header)
    geometry, scale_notices = read_geometry(
        header, layout.rows, layout.columns, given, beam.thickness_mm if beam else None
    )
    return Judged(
        kind, view, layout, beam, geometry, (*view_notices, *_identifier_notices(header), *scale_notices)
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
