"""Which breast an image shows."""

from __future__ import annotations

from typing import Literal

from bac_imaging.read.attributes.header import Header
from bac_imaging.read.attributes.view_position import find_positions
from bac_terms.errors import RefusedError
from bac_terms.measured import Laterality
from bac_terms.notices import Notice

_Side = Literal["L", "R", "B", ""]

_ATTRIBUTES = ("ImageLaterality", "FrameLaterality", "Laterality")
# PS3.3 C.8.11.7.1.2: R, L and B, for both. Words are met too; what is none of these tells nothing.
_WRITTEN: dict[str, _Side] = {
    **dict.fromkeys(("L", "LEFT", "LT"), "L"),
    **dict.fromkeys(("R", "RIGHT", "RT"), "R"),
    **dict.fromkeys(("B", "BOTH", "BILATERAL"), "B"),
}
# PS3.16 CID 4013 and 244, SNOMED CT codes with their retired SNOMED RT forms: breasts, and sides of the body.
_REGIONS: dict[str, _Side] = {
    **dict.fromkeys(("80248007", "T-04030"), "L"),
    **dict.fromkeys(("73056007", "T-04020"), "R"),
    **dict.fromkeys(("63762007", "T-04080"), "B"),
}
_SIDES: dict[str, _Side] = {
    **dict.fromkeys(("7771000", "G-A101"), "L"),
    **dict.fromkeys(("24028007", "G-A100"), "R"),
    **dict.fromkeys(("51440002", "G-A102"), "B"),
}


def read_laterality(header: Header, in_view: str) -> tuple[Laterality | None, tuple[Notice, ...]]:
    """Read which breast an image shows.

    Parameters
    ----------
    header : Header
        Header of the image.
    in_view : {"L", "R", ""}
        Side that the text of the view names.

    Returns
    -------
    {"L", "R"} or None
        The side. The attributes of laterality come first, then the text of the view, then the coded region.
    tuple of Notice
        On an unknown side, or two of them.

    Raises
    ------
    RefusedError
        ``BAC-VIEW-BILATERAL``.
    """
    described = _described(header)
    written = [side for side in (_WRITTEN.get(header.text(name), "") for name in _ATTRIBUTES) if side]
    region = _region(header)
    first = written[0] if written else in_view or region
    if first == "B":
        raise RefusedError("BAC-VIEW-BILATERAL")
    if first not in ("L", "R"):
        return None, (Notice.of("BAC-W-LATERALITY-UNKNOWN"),)
    side: Laterality = "L" if first == "L" else "R"
    other = "R" if side == "L" else "L"
    if other in written or region == other:
        return side, (Notice.of("BAC-W-VIEW-CONFLICT", f"the header names both sides; {side} is used"),)
    if other in (in_view, described):
        found = f"the side is {side} but the view is written for {other}"
        return side, (Notice.of("BAC-W-VIEW-CONFLICT", found),)
    return side, ()


def _described(header: Header) -> _Side:
    """Read the side from the series' description, where it names the views of one side alone."""
    sides: set[_Side] = {position.side for position in find_positions(header.text("SeriesDescription"))}
    sides.discard("")
    return sides.pop() if len(sides) == 1 else ""


def _region(header: Header) -> _Side:
    """Read the side from the coded region of the body, or from what modifies it (PS3.3 C.8.11.7, 10.5)."""
    items = header.items("AnatomicRegionSequence")
    modifiers = (sub for item in items for sub in item.items("AnatomicRegionModifierSequence"))
    sides = {_REGIONS.get(code.value, "") for code in (item.code() for item in items) if code}
    sides |= {_SIDES.get(code.value, "") for code in (item.code() for item in modifiers) if code}
    sides.discard("")
    return sides.pop() if len(sides) == 1 else ""
