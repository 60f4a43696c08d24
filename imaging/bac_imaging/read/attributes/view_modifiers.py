"""What makes a view another one than a plain view: coded modifiers, paddles, and descriptions."""

from __future__ import annotations

import re

from bac_imaging.read.attributes.header import Header
from bac_imaging.read.attributes.view_position import Position, find_positions, says_magnified, says_spot
from bac_terms.notices import Notice

# CID 4015 View Modifier for Mammography.
MAGNIFICATION_CODES = frozenset({"399163009", "R-102D6"})
SPOT_CODES = frozenset({"399055006", "R-102D7"})
_DISPLACED_CODES = frozenset({"399209000", "R-102D5"})
_IN_PROFILE_CODES = frozenset({"442581004", "R-40AB3"})  # the nipple: a full view
# The other modifiers show another part of the breast, or turn it; named after the view, as ACR does.
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

ALL_MODIFIERS = (
    MAGNIFICATION_CODES | SPOT_CODES | _DISPLACED_CODES | _IN_PROFILE_CODES | _MODIFIER_CODES.keys()
)
OTHER_MODIFIER = "-OTHER"
"""Behind the name of a view whose modifier is none that is known: a view that is not plain."""

# Texts about one image or its series, not about the study.
_DESCRIPTIONS = (
    "SeriesDescription",
    "AcquisitionDeviceProcessingDescription",
    "PaddleDescription",
    "ProtocolName",
    "ImageComments",
)
_PLAIN_VIEWS = ("CC", "MLO")
_NAMING = 2  # of these name the view itself
_SIZE = re.compile(r"(\d+(?:[.,]\d+)?) *(?:X *(\d+(?:[.,]\d+)?) *(?:CM|MM)?|CM|MM)(?![A-Z0-9])")
_SMALL_PADDLE_CM = 17.0  # the smallest for a whole breast is 18 cm x 24 cm
_IN_MM = 50.0  # no paddle has as many centimetres


def code_value(item: Header) -> str:
    """Give the code of an item of a code sequence, empty where it has none."""
    code = item.code()
    return code.value if code else ""


def is_displaced(modifier: Header) -> bool:
    """Tell whether a modifier says that an implant was pushed out of the field."""
    return code_value(modifier) in _DISPLACED_CODES or "IMPLANT DISPLACED" in modifier.text("CodeMeaning")


def name_modified(
    view: str, header: Header, modifiers: list[Header], position: Position
) -> tuple[str, list[Notice]]:
    """Name a view after what makes it another one than the plain view, and say it.

    Parameters
    ----------
    view : str
        Name of the plain view.
    header : Header
        Header of the image, for its descriptions.
    modifiers : list of Header
        Items of its modifier codes.
    position : Position
        What is written where the view is.

    Returns
    -------
    str
        The view, as `bac_imaging.read.attributes.views.View` has it.
    list of Notice
        On modified views, and on descriptions that name another view.
    """
    suffixes = {position.modifier}
    for item in modifiers:
        meaning = item.text("CodeMeaning")
        if is_displaced(item) or code_value(item) in _IN_PROFILE_CODES or meaning == "NIPPLE IN PROFILE":
            continue
        # PS3.16 CID 4015 is extensible: a modifier that is not listed is none that leaves a view plain.
        suffixes.add(_MODIFIER_CODES.get(code_value(item), OTHER_MODIFIER))
    notices = []
    texts = [header.text(keyword) for keyword in _DESCRIPTIONS]
    described = {position for text in texts[:_NAMING] for position in find_positions(text)}
    if any(map(says_magnified, texts)) or any(each.magnified for each in described):
        suffixes.add("M")
        notices.append(_not_plain("the series is described as one of magnification views"))
    if any(map(says_spot, texts)) or any(each.spot for each in described):
        suffixes.add("S")
        notices.append(_not_plain("the series is described as one of spot compression views"))
    elif _is_small(header.text("PaddleDescription")):
        suffixes.add("S")
        notices.append(_not_plain("the compression paddle is too small for a whole breast"))
    plain: set[str] = {each.view for each in described}
    if len(described) == 1 and view not in plain:
        described_view = plain.pop()
        notices.append(
            Notice.of("BAC-W-VIEW-CONFLICT", f"the view is {view} but described as {described_view}")
        )
        if described_view not in _PLAIN_VIEWS:
            suffixes.add(OTHER_MODIFIER)
            notices.append(_not_plain(f"the series is described as one of {described_view} views"))
    if len(described) == 1:
        suffixes |= {each.modifier for each in described}
    view += "".join(sorted(suffixes - {""}))
    if any(suffixes) and not any(notice.code == "BAC-W-VIEW-MODIFIED" for notice in notices):
        is_known = OTHER_MODIFIER not in suffixes
        notices.append(
            _not_plain(
                f"the view is a modified one, {view}" if is_known else "the view's modifier is not known"
            )
        )
    return view, notices


def _not_plain(found: str) -> Notice:
    return Notice.of("BAC-W-VIEW-MODIFIED", found)


def _is_small(paddle: str) -> bool:
    """Tell whether a paddle's description names one for a part of the breast."""
    sides = [float(side.replace(",", ".")) for pair in _SIZE.findall(paddle) for side in pair if side]
    if not sides:
        # Hologic's word for the small paddles that are used on the support, without magnification.
        return bool(re.search(r"\bCONTACT\b", paddle))
    largest = max(sides)
    return (largest / 10.0 if largest > _IN_MM else largest) < _SMALL_PADDLE_CM
