"""The free text in which mammography units name a view."""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from typing import Literal

VIEWS = ("CC", "MLO", "ML", "LM", "LMO", "FB", "SIO", "ISO", "XCCL", "XCCM")
MODIFIERS = ("RL", "RM", "RI", "RS", "TAN", "AT", "AX", "CV", "AC", "IMF")

_SIDES: tuple[Literal["", "L", "R"], ...] = ("", "L", "R")

MAGNIFIED = re.compile(r"(?<![A-Z])MAG(?![A-Z])|(?<![A-Z])MAGN(?!ET)|VERGR|AGRAND|INGRAND|AMPLIA")
"""Words for a magnification, in English and the languages that units are set to."""
SPOT = re.compile(r"SPOT|(?<![A-Z])CON(?:ED|E)(?![A-Z])|LOCALI[SZ]ED COMPR|FOCAL COMPR")
"""Words for a spot compression."""
_NOT_SPOT = re.compile(r"\b(?:NO|WITHOUT|W/O) SPOT")

# Spelled-out views become their ACR abbreviation; longer ones first, since the shorter ones lie within them.
_SEPARATOR = r"[ _./-]*"
_SPELLED = tuple(
    (re.compile(_SEPARATOR.join(words)), f" {short} ")
    for words, short in (
        (("EXAGG?ERATED", "CRANIO", "CAUDAL", "(?:VIEW)?", "LATERAL(?:LY|I[SZ]ED)?"), "XCCL"),
        (("EXAGG?ERATED", "CRANIO", "CAUDAL", "(?:VIEW)?", "MEDIAL(?:LY|I[SZ]ED)?"), "XCCM"),
        (("CAUDO", "CRANIAL"), "FB"),
        (("CRAN[IE]O", "CAUDA[LD][EI]?"), "CC"),
        (("KRANIO", "KAUDAL"), "CC"),
        (("MEDIO", "LATERAL[EI]?", "OBLI(?:QUE|QUA|CUA|K)"), "MLO"),
        (("LATERO", "MEDIAL[EI]?", "OBLI(?:QUE|QUA|CUA|K)"), "LMO"),
        (("MEDIO", "LATERAL[EI]?"), "ML"),
        (("LATERO", "MEDIAL[EI]?"), "LM"),
        (("IMPLANT", "DISPLACED"), "ID"),
        (("SPOT", "COMPRESSION"), "SPOT"),
        (("MAGNIFICATION",), "MAG"),
        (("(?<![A-Z])(?:RIGHT|RT|RECHTS|DROITE?|DESTRA|DERECHA)(?![A-Z])",), "R"),
        (("(?<![A-Z])(?:LEFT|LT|LINKS|GAUCHE|SINISTRA|IZQUIERDA)(?![A-Z])",), "L"),
    )
)
_LONGEST_NAME = 3  # words, such as L CC SPOT


@dataclass(frozen=True)
class Position:
    """What a text such as ``RMLO`` or ``MCC`` says.

    Attributes
    ----------
    side : {"", "L", "R"}
        Side of the breast, empty where it is not told.
    view : str
        One of `VIEWS`, empty where the text is not understood.
    magnified, spot, displaced : bool
        Magnification, spot compression, implant displaced.
    modifier : str
        One of `MODIFIERS`, or empty.
    """

    side: Literal["", "L", "R"] = ""
    view: str = ""
    magnified: bool = False
    spot: bool = False
    displaced: bool = False
    modifier: str = ""


def parse_position(text: str) -> Position:
    """Read ViewPosition, in upper case: ``RMLO``, ``CC-L``, ``LCC (ID)``, ``LEFT CRANIO-CAUDAL``.

    The view is empty where the text is not understood; words for magnification and spot compression are found
    also then.
    """
    words = _words(text)
    return _of_words(words) or Position(
        magnified="MAG" in text or says_magnified(text), spot="SPOT" in text or says_spot(text)
    )


def find_positions(text: str) -> frozenset[Position]:
    """Find the views that a longer text names, such as a series' description.

    Parameters
    ----------
    text : str
        Upper-case text.

    Returns
    -------
    frozenset of Position
        Every view that is named, each with all that stands beside it.
    """
    words, found, start = _words(text), [], 0
    while start < len(words):
        for length in range(_LONGEST_NAME, 0, -1):
            position = _of_words(words[start : start + length])
            if position is not None:
                found.append(position)
                start += length - 1
                break
        start += 1
    return frozenset(found)


def says_magnified(text: str) -> bool:
    """Tell whether an upper-case text has a word for magnification."""
    return bool(MAGNIFIED.search(text))


def says_spot(text: str) -> bool:
    """Tell whether an upper-case text has a word for spot compression."""
    return bool(SPOT.search(text)) and not _NOT_SPOT.search(text)


def _words(text: str) -> list[str]:
    for spelled, short in _SPELLED:
        text = spelled.sub(short, text)
    return re.findall(r"[A-Z0-9]+", text)


def _of_words(words: list[str]) -> Position | None:
    """Give the view that words make together, the side before or behind it."""
    position = _POSITIONS.get("".join(words))
    if position is None and len(words) > 1 and words[-1] in _SIDES:
        position = _POSITIONS.get("".join([words[-1], *words[:-1]]))
    return position


def _all_positions() -> dict[str, Position]:
    """List the labels in use: side, M for magnification, the view, then S for spot, ID or a modifier.

    The reading with the fewest parts wins, so that LM is a view and not a left magnification.
    """
    tails = ("", "S", "SPOT", "ID", "NP", "M", "MAG", *MODIFIERS)
    parts = itertools.product(_SIDES, ("", "M"), VIEWS, tails)
    positions: dict[str, Position] = {}
    for side, prefix, view, tail in sorted(parts, key=lambda part: sum(map(bool, part))):
        position = Position(
            side=side,
            view=view,
            magnified=bool(prefix) or tail in ("M", "MAG"),
            spot=tail in ("S", "SPOT"),
            displaced=tail == "ID",
            modifier=tail if tail in MODIFIERS else "",
        )
        positions.setdefault(side + prefix + view + tail, position)
    return positions


_POSITIONS = _all_positions()
