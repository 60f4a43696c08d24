"""Which breast and which projection an image shows, and the projections that are never measured."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from bac_imaging.errors import Notice, RefusedError
from bac_imaging.header import Header
from bac_imaging.magnification import MAGNIFICATION_VIEW, support_magnification
from bac_imaging.view_position import Position, parse_position

Laterality = Literal["L", "R"]

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
# CID 4015 View Modifier for Mammography.
_MAGNIFICATION_CODES = frozenset({"399163009", "R-102D6"})
_SPOT_CODES = frozenset({"399055006", "R-102D7"})
_DISPLACED_CODES = frozenset({"399209000", "R-102D5"})
# The other modifiers show another part of the breast, or turn it; named after the view, as ACR does.
# The nipple in profile (NP) is none of them: it is a full view.
_MODIFIER_CODES = {
    "399197002": "RL",
    "R-102D3": "RL",
    "399226006": "RM",
    "R-102D4": "RM",
    "414493004": "RI",
    "R-102CA": "RI",
    "415670009": "RS",
    "R-102C9": "RS",
    "399110001": "TAN",
    "R-102C2": "TAN",
    "399011000": "AT",
    "R-102D1": "AT",
    "442580003": "AX",
    "R-40AB2": "AX",
    "399161006": "CV",
    "R-102D2": "CV",
    "441752004": "AC",
    "P2-00161": "AC",
    "442593008": "IMF",
    "R-40ABE": "IMF",
}

_LATERALITIES = ("ImageLaterality", "FrameLaterality", "Laterality")
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
        CC, MLO, ML, LM, LMO, FB, SIO, ISO, XCCL or XCCM, with the ACR abbreviation of a modifier
        appended (``CCRL``); None where the header names none. A view with an implant pushed out of the
        field keeps the view's plain name: it is the one to count.
    """

    laterality: Laterality | None
    view: str | None


def read_view(header: Header) -> tuple[View, tuple[Notice, ...]]:
    """Read side and projection, and refuse the projections that are never measured.

    Coded terms come before ``ViewPosition``.

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
        ``BAC-VIEW-BIOPSY``, ``BAC-VIEW-SPECIMEN``, ``BAC-VIEW-MAGNIFICATION`` or ``BAC-VIEW-SPOT``.
    """
    view_items = header.items("ViewCodeSequence")
    codes = {code.value for code in (item.code() for item in view_items) if code}
    modifiers = {
        code.value
        for holder in (header, *view_items)
        for code in (item.code() for item in holder.items("ViewModifierCodeSequence"))
        if code
    }
    modifiers |= codes & (_MAGNIFICATION_CODES | _SPOT_CODES)  # written in the wrong place
    # Digitised film sets (CBIS-DDSM) keep the view in PatientOrientation.
    position = parse_position(header.text("ViewPosition") or header.text("PatientOrientation"))
    _refuse_biopsy(header)
    _refuse_specimen(header, codes)
    _refuse_magnification(header, modifiers, position)
    _refuse_spot(header, modifiers, position)

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
    elif codes and not coded:
        found = f"the view's code is none that is known, and written is {view}"
        notices.append(Notice.of("BAC-W-VIEW-CONFLICT", found))
    suffixes = {_MODIFIER_CODES.get(code, "") for code in modifiers} | {position.modifier}
    if view is not None and any(suffixes):
        view += "".join(sorted(suffixes))
        notices.append(Notice.of("BAC-W-VIEW-MODIFIED", f"the view is a modified one, {view}"))
    laterality = _laterality(header, position, notices)
    displaced = position.displaced or bool(modifiers & _DISPLACED_CODES)
    if header.text("BreastImplantPresent") == "YES" and not displaced:
        notices.append(Notice.of("BAC-W-IMPLANT"))
    if header.text("PartialView") == "YES":
        notices.append(Notice.of("BAC-W-PARTIAL-VIEW"))
    return View(laterality, view), tuple(notices)


def _laterality(header: Header, position: Position, notices: list[Notice]) -> Laterality | None:
    sides = [text for text in map(header.text, _LATERALITIES) if text]
    written = sides[0] if sides else ""
    if written == "B":
        raise RefusedError("BAC-DIMENSIONS", "the image shows both breasts")
    side: Laterality | None = "L" if written == "L" else "R" if written == "R" else position.side or None
    if side is None:
        notices.append(Notice.of("BAC-W-LATERALITY-UNKNOWN"))
    elif set(sides) >= {"L", "R"}:
        notices.append(Notice.of("BAC-W-VIEW-CONFLICT", f"the header names both sides; {side} is used"))
    elif position.side and position.side != side:
        found = f"the side is {side} but the view is written for {position.side}"
        notices.append(Notice.of("BAC-W-VIEW-CONFLICT", found))
    return side


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
    texts = (header.text(keyword) for keyword in ("ViewPosition", "BodyPartExamined", "PaddleDescription"))
    if (
        codes & _SPECIMEN_CODES
        or any("SPECIMEN" in text for text in texts)
        or header.items("SpecimenDescriptionSequence")
    ):
        raise RefusedError("BAC-VIEW-SPECIMEN")


def _refuse_magnification(header: Header, modifiers: set[str], position: Position) -> None:
    factor = support_magnification(header)
    if (
        modifiers & _MAGNIFICATION_CODES
        or position.magnified
        or re.search(r"\bMAG", header.text("PaddleDescription"))
        or (factor is not None and factor >= MAGNIFICATION_VIEW)
    ):
        raise RefusedError("BAC-VIEW-MAGNIFICATION")


def _refuse_spot(header: Header, modifiers: set[str], position: Position) -> None:
    if modifiers & _SPOT_CODES or position.spot or "SPOT" in header.text("PaddleDescription"):
        raise RefusedError("BAC-VIEW-SPOT")
