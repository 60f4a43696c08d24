"""Where a find lies, as readers say it: side of the nipple, third of the depth, distance to the nipple.

The nipple is taken to be where the breast's outline is farthest from the chest wall, and the chest wall to be
the edge of the image that the breast hangs from. Where the outline leaves either in doubt, nothing is said.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bac_imaging.context import Context
from bac_imaging.grid.breast import EDGE_MARGIN_MM, SKIN_MARGIN_MM
from bac_terms.measured import Depth, Laterality, Side

BoolArray = npt.NDArray[np.bool_]

_AT_EDGE_MM = EDGE_MARGIN_MM + 1.5  # the mask ends this far from the border where the breast goes on beyond
_HANGS_SHARE = 0.3  # of the image's height that the breast takes along its chest wall, at the least
_HANGS_MORE = 3.0  # times as much as on the other side
_TIP_MM = 1.0  # what lies no deeper than this below the farthest point may be the nipple as well
_WIDEST_TIP_MM = 40.0  # a flatter outline does not tell where the nipple is
_FROM_END_MM = 10.0  # a tip nearer to the first or last row is one that the image cuts off
_ONE_SIDE = 2 / 3
_OPPOSITE = {"L": "R", "R": "L", "A": "P", "P": "A", "H": "F", "F": "H"}


@dataclass(frozen=True)
class Nipple:
    """Where the nipple is, in the detector's plane.

    Attributes
    ----------
    row_mm, column_mm : float
        From the first edge of the image.
    depth_mm : float
        From the chest wall's edge of the image.
    wall_is_left : bool
        Whether the chest wall is at the first column.
    """

    row_mm: float
    column_mm: float
    depth_mm: float
    wall_is_left: bool


@dataclass(frozen=True)
class Position:
    """Where a find lies, in the words of `bac_terms.report.Vessel`; None where the image does not tell."""

    side: Side | None = None
    depth: Depth | None = None
    nipple_distance_mm: float | None = None


def find_nipple(context: Context) -> Nipple | None:
    """Find the nipple on the outline of the breast.

    Parameters
    ----------
    context : Context
        Of the image.

    Returns
    -------
    Nipple or None
        None where the view is neither CC nor MLO, where the breast hangs from no edge or another than the
        header says, where it reaches the opposite edge or its tip an end, or where the outline has several
        tips or a flat one.
    """
    if context.view not in ("CC", "MLO"):
        return None
    breast, (row_mm, column_mm) = context.breast_mask, context.working_spacing_mm
    left = _wall_is_left(breast, row_mm, column_mm, context.orientation)
    if left is None:
        return None
    width = breast.shape[1] * column_mm
    rows = np.flatnonzero(breast.any(axis=1))
    facing = breast if left else breast[:, ::-1]
    # Outer edge of the last pixel, and what was taken off inside the skin line.
    reach = (breast.shape[1] - facing[rows, ::-1].argmax(axis=1)) * column_mm + SKIN_MARGIN_MM
    deepest = float(reach.max())
    tip = rows[reach >= deepest - _TIP_MM]
    row = float(tip.mean() + 0.5) * row_mm
    height = breast.shape[0] * row_mm
    gaps = np.diff(tip) * row_mm
    if (
        deepest - SKIN_MARGIN_MM > width - _AT_EDGE_MM
        or not _FROM_END_MM < row < height - _FROM_END_MM
        or (gaps.size and gaps.max() > _TIP_MM)
        or np.ptp(tip) * row_mm > _WIDEST_TIP_MM
    ):
        return None
    return Nipple(row, deepest if left else width - deepest, deepest, left)


def _wall_is_left(
    breast: BoolArray, row_mm: float, column_mm: float, orientation: tuple[str, str] | None
) -> bool | None:
    """Tell the side of the chest wall, where outline and header do not contradict each other."""
    edge = math.ceil(_AT_EDGE_MM / column_mm)
    left, right = (float(side.any(axis=1).sum()) for side in (breast[:, :edge], breast[:, -edge:]))
    most, least = max(left, right), min(left, right)
    if most < _HANGS_SHARE * breast.any(axis=1).sum() or most < _HANGS_MORE * least:
        return None
    is_left = left > right
    if orientation is not None:
        # Columns lead away from the chest wall, or towards it.
        told = {"A": True, "P": False}.get(orientation[0][0])
        if told is not is_left:
            return None
    return is_left


def locate(
    pixels: tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]], nipple: Nipple | None, context: Context
) -> Position:
    """Say where a find lies.

    Parameters
    ----------
    pixels : tuple of ndarray
        Rows and columns of its pixels in the stored matrix.
    nipple : Nipple or None
        Of the image.
    context : Context
        Of the image.

    Returns
    -------
    Position
    """
    if nipple is None or not pixels[0].size:
        return Position()
    rows = (pixels[0] + 0.5) * context.pixel_spacing_mm[0]
    columns = (pixels[1] + 0.5) * context.pixel_spacing_mm[1]
    distance = float(np.hypot(rows - nipple.row_mm, columns - nipple.column_mm).min())
    from_wall = columns if nipple.wall_is_left else context.columns * context.pixel_spacing_mm[1] - columns
    thirds = np.clip((from_wall / nipple.depth_mm * 3.0).astype(np.intp), 0, 2)
    names: tuple[Depth, Depth, Depth] = ("posterior", "middle", "anterior")
    depth = names[int(np.bincount(thirds, minlength=3).argmax())]
    below = float((rows > nipple.row_mm).mean())
    side = _side(below, context.view, context.laterality, context.orientation)
    return Position(side, depth, round(distance / context.magnification, 1))


def _side(
    below: float,
    view: str | None,
    laterality: Laterality | None,
    orientation: tuple[str, str] | None,
) -> Side | None:
    """Name the side of the nipple that a find lies on, where the header tells which way rows lead."""
    share = max(below, 1.0 - below)
    if orientation is None or laterality is None or share < _ONE_SIDE:
        return None
    letters = orientation[1]
    towards = letters if below > 0.5 else "".join(_OPPOSITE[letter] for letter in letters)
    if view == "MLO":
        return "lower" if "F" in towards else "upper" if "H" in towards else None
    if view == "CC":
        if laterality in towards:
            return "outer"
        return "inner" if _OPPOSITE[laterality] in towards else None
    return None
