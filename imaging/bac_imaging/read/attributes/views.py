"""Which breast and which projection an image shows, and the projections that are never measured."""

from __future__ import annotations

import re
from dataclasses import dataclass

from bac_imaging.read.attributes.header import Header
from bac_imaging.read.attributes.laterality import read_laterality
from bac_imaging.read.attributes.magnification import MAGNIFICATION_VIEW, support_magnification
from bac_imaging.read.attributes.view_modifiers import (
    ALL_MODIFIERS,
    MAGNIFICATION_CODES,
    SPOT_CODES,
    code_value,
    is_displaced,
    name_modified,
)
from bac_imaging.read.attributes.view_position import (
    Position,
    find_positions,
    parse_position,
    says_magnified,
    says_spot,
)
from bac_terms.errors import RefusedError
from bac_terms.measured import Laterality
from bac_terms.notices import Notice

# DICOM PS3.16 CID 4014 View for Mammography: SNOMED CT codes with their retired SNOMED RT forms.
_VIEW_CODES = {
    "399162004": "CC",
    "R-10242": "CC",
    "399368009": "MLO",
    "R-10226": "MLO",
    "399260004": "ML",
    "R-10224": "ML",
    "399352003": "LM",
    "R-10228": "LM",
    "399099002": "LMO",
    "R-10230": "LMO",
    "399196006": "FB",
    "R-10244": "FB",
    "399188001": "SIO",
    "R-102D0": "SIO",
    "441555000": "ISO",
    "R-40AAA": "ISO",
    "399192008": "XCCL",
    "R-1024A": "XCCL",
    # Retired, and to be understood: notes of the context group.
    "Y-X1770": "XCCL",
    "R-102CF": "XCC",
    "399101009": "XCCM",
    "R-1024B": "XCCM",
}
_SPECIMEN_CODES = frozenset({"127457009", "G-8310"})
_BIOPSY_TERMS = frozenset({"STEREO", "BIOPSY", "SCOUT", "PREFIRE", "POSTFIRE", "POSTBIOPSY", "POSTMARKER"})
_BIOPSY_TEXT = re.compile(r"STEREO|BIOPS|NEEDLE|LOCALI[SZ]")
_STEREO_TEXT = re.compile(r"STEREO|PRE-?FIRE|POST-?FIRE")


@dataclass(frozen=True)
class View:
    """Side and projection of an image.

    Attributes
    ----------
    laterality : {"L", "R"} or None
        Side of the breast.
    view : str or None
        CC, MLO, ML, LM, LMO, FB, SIO, ISO, XCCL or XCCM; None where the header names none. Behind it stands
        the ACR abbreviation of a modifier (``CCRL``), S or M where a text tells of spot compression or
        magnification, or `bac_imaging.read.attributes.view_modifiers.OTHER_MODIFIER`. A view with an implant
        pushed out of the field keeps the view's plain name: it is the one to count.
    """

    laterality: Laterality | None
    view: str | None


def read_view(header: Header) -> tuple[View, tuple[Notice, ...]]:
    """Read side and projection, and refuse the projections that are never measured.

    Coded terms come before ``ViewPosition``. What the code, its meaning, ``ViewPosition`` or the paddle calls
    a spot or magnification view is refused; what only the description of the series does is measured, under
    a name that is no plain view's.

    Parameters
    ----------
    header : Header
        Header of the image.

    Returns
    -------
    View
        Side and projection.
    tuple of Notice
        On unknown, contradictory or modified views, partial views and implants.

    Raises
    ------
    RefusedError
        ``BAC-VIEW-BIOPSY``, ``BAC-VIEW-SPECIMEN``, ``BAC-VIEW-MAGNIFICATION``, ``BAC-VIEW-SPOT`` or
        ``BAC-VIEW-BILATERAL``.
    """
    view_items = header.items("ViewCodeSequence")
    codes = {code.value for code in (item.code() for item in view_items) if code}
    modifiers = [
        item for holder in (header, *view_items) for item in holder.items("ViewModifierCodeSequence")
    ]
    modifiers += [item for item in view_items if code_value(item) in ALL_MODIFIERS]  # in the wrong place
    position = _position(header, view_items)
    _refuse_biopsy(header)
    _refuse_specimen(header, codes)
    meanings = [item.text("CodeMeaning") for item in (*view_items, *modifiers)]
    values = {code_value(item) for item in modifiers}
    _refuse_magnification(header, values, meanings, position)
    _refuse_spot(header, values, meanings, position)

    notices: list[Notice] = []
    named = sorted({_VIEW_CODES[code] for code in codes if code in _VIEW_CODES})
    coded = named[0] if named else None
    view = coded or position.view or None
    if view is None:
        notices.append(Notice.of("BAC-W-VIEW-UNKNOWN"))
    elif len(named) > 1:
        notices.append(Notice.of("BAC-W-VIEW-CONFLICT", f"the view is coded {' and '.join(named)}"))
    elif coded and position.view and coded != position.view:
        found = f"the view is coded {coded} but written {position.view}"
        notices.append(Notice.of("BAC-W-VIEW-CONFLICT", found))
    elif codes - ALL_MODIFIERS and not coded:
        found = f"the view's code is none that is known, and written is {view}"
        notices.append(Notice.of("BAC-W-VIEW-CONFLICT", found))
    displaced = position.displaced or any(map(is_displaced, modifiers))
    if view is not None:
        view, modified = name_modified(view, header, modifiers, position)
        notices += modified
    laterality, side_notices = read_laterality(header, position.side)
    notices += side_notices
    # PS3.3 C.8.11.7: YES or NO in both. What is neither does not say NO.
    if header.text("BreastImplantPresent") not in ("", "NO") and not displaced:
        notices.append(Notice.of("BAC-W-IMPLANT"))
    if (
        header.text("PartialView") not in ("", "NO")
        or header.items("PartialViewCodeSequence")
        or (header.text("PartialViewDescription") and not header.text("PartialView"))
    ):
        notices.append(Notice.of("BAC-W-PARTIAL-VIEW"))
    return View(laterality, view), tuple(notices)


def _position(header: Header, view_items: tuple[Header, ...]) -> Position:
    """Read the view where it is written: the first text that is understood, else what the first says."""
    written = parse_position(header.text("ViewPosition"))
    if written.view or written.magnified or written.spot:
        return written
    # A code without a value is its meaning. Digitised film sets (CBIS-DDSM) keep the view in
    # PatientOrientation.
    meanings = [item.text("CodeMeaning") for item in view_items if not code_value(item)]
    for text in (*meanings, header.text("PatientOrientation")):
        position = parse_position(text)
        if position.view:
            return position
    # Fuji's readers write the menu into it, such as L-CC, and nothing else that names the view.
    menu = find_positions(header.text("AcquisitionDeviceProcessingDescription"))
    return next(iter(menu)) if len(menu) == 1 else written


def _refuse_biopsy(header: Header) -> None:
    # Free texts about the study are left alone: a full view taken after a biopsy is a mammogram.
    terms = set(re.split(r"[ _]", header.text("ImageType")))
    if (
        terms & _BIOPSY_TERMS
        or _BIOPSY_TEXT.search(header.text("DetectorMode"))
        or _BIOPSY_TEXT.search(header.text("PaddleDescription"))
        or _BIOPSY_TEXT.search(header.text("ViewPosition"))
        or _STEREO_TEXT.search(header.text("SeriesDescription"))
        or _STEREO_TEXT.search(header.text("ProtocolName"))
    ):
        raise RefusedError("BAC-VIEW-BIOPSY")


def _refuse_specimen(header: Header, codes: set[str]) -> None:
    where = ("ViewPosition", "BodyPartExamined", "PaddleDescription", "SeriesDescription", "ProtocolName")
    texts = (header.text(keyword) for keyword in where)
    if (
        codes & _SPECIMEN_CODES
        or any("SPECIMEN" in text for text in texts)
        or header.items("SpecimenDescriptionSequence")
    ):
        raise RefusedError("BAC-VIEW-SPECIMEN")


def _refuse_magnification(
    header: Header, modifiers: set[str], meanings: list[str], position: Position
) -> None:
    factor = support_magnification(header)
    if (
        modifiers & MAGNIFICATION_CODES
        or any(map(says_magnified, meanings))
        or position.magnified
        or re.search(r"\bMAG", header.text("PaddleDescription"))
        or (factor is not None and factor >= MAGNIFICATION_VIEW)
    ):
        raise RefusedError("BAC-VIEW-MAGNIFICATION")


def _refuse_spot(header: Header, modifiers: set[str], meanings: list[str], position: Position) -> None:
    if (
        modifiers & SPOT_CODES
        or any(map(says_spot, meanings))
        or position.spot
        or "SPOT" in header.text("PaddleDescription")
    ):
        raise RefusedError("BAC-VIEW-SPOT")
