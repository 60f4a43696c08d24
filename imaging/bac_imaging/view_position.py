"""The free text in which mammography units name a view."""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from typing import Literal

VIEWS = ("CC", "MLO", "ML", "LM", "LMO", "FB", "SIO", "ISO", "XCCL", "XCCM")
MODIFIERS = ("RL", "RM", "RI", "RS", "TAN", "AT", "AX", "CV", "AC", "IMF")

_SIDES: tuple[Literal["", "L", "R"], ...] = ("", "L", "R")


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
    """Understand the value of ViewPosition.

    Parameters
    ----------
    text : str
        Upper-case text; blanks, hyphens and underscores do not count.

    Returns
    -------
    Position
        With an empty view where the text is not understood; words for magnification and spot
        compression are found also then.
    """
    known = _POSITIONS.get(re.sub(r"[ _.-]", "", text))
    return known or Position(magnified="MAG" in text, spot="SPOT" in text)


def _known_positions() -> dict[str, Position]:
    """List the labels in use: side, M for magnification, the view, then S for spot, ID or a modifier.

    The reading with the fewest parts wins, so that LM is a view and not a left magnification.
    """
    tails = ("", "S", "SPOT", "ID", "NP", "M", "MAG", *MODIFIERS)
    parts = itertools.product(_SIDES, ("", "M"), VIEWS, tails)
    known: dict[str, Position] = {}
    for side, prefix, view, tail in sorted(parts, key=lambda part: sum(map(bool, part))):
        position = Position(
            side=side,
            view=view,
            magnified=bool(prefix) or tail in ("M", "MAG"),
            spot=tail in ("S", "SPOT"),
            displaced=tail == "ID",
            modifier=tail if tail in MODIFIERS else "",
        )
        known.setdefault(side + prefix + view + tail, position)
    return known


_POSITIONS = _known_positions()
