"""Outlines of a mask as closed lines along the borders of its pixels."""

from __future__ import annotations

from functools import partial

import numpy as np
import numpy.typing as npt
from scipy import ndimage

Line = npt.NDArray[np.float32]
_MOST_POINTS = 8_000
"""Points of one line. Of 8192 and more, GraphicData has more than 64 KiB, which readers get back as bytes."""


def outlines(mask: npt.NDArray[np.bool_], most_points: int = _MOST_POINTS) -> list[Line]:
    """Trace a mask.

    Parameters
    ----------
    mask : ndarray of bool, shape (rows, columns)
        What to outline.
    most_points : int, optional
        Longer lines are thinned to this many points.

    Returns
    -------
    list of ndarray of float32, shape (points, 2)
        Lines that are closed by their first point, repeated, as (column, row): the upper left corner of the
        image is (0, 0) and its lower right (columns, rows), as PIXEL units of presentation states have it.
        Holes have lines of their own.
    """
    lines = []
    pieces, _ = ndimage.label(mask)
    for number, place in enumerate(ndimage.find_objects(pieces), 1):
        corner = np.array([place[1].start, place[0].start], np.float32)
        lines += [_thinned(line, most_points) + corner for line in _borders(pieces[place] == number)]
    return lines


def _borders(inside: npt.NDArray[np.bool_]) -> list[Line]:
    """Follow the edges between pixels inside and outside, those inside on the right, as (column, row)."""
    padded = np.pad(inside, 1)
    steps: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for (down, right), (start, end) in {
        (-1, 0): ((0, 0), (0, 1)),
        (0, 1): ((0, 1), (1, 1)),
        (1, 0): ((1, 1), (1, 0)),
        (0, -1): ((1, 0), (0, 0)),
    }.items():
        rows, columns = np.nonzero(padded & ~np.roll(padded, (-down, -right), (0, 1)))
        for row, column in zip((rows - 1).tolist(), (columns - 1).tolist(), strict=True):
            steps.setdefault((row + start[0], column + start[1]), []).append((row + end[0], column + end[1]))
    lines = []
    while steps:
        start = next(iter(steps))
        line, here = [start], start
        before = (0, 0)
        while True:
            ways = steps[here]
            # Where two pixels touch by a corner, turn right: the line stays with its own pixel.
            way = min(ways, key=partial(_turn, before, here))
            ways.remove(way)
            if not ways:
                del steps[here]
            step = (way[0] - here[0], way[1] - here[1])
            if step == before:
                line[-1] = way
            else:
                line.append(way)
            before, here = step, way
            if here == start:
                break
        lines.append(np.array(line, np.float32)[:, ::-1])
    return lines


def _turn(before: tuple[int, int], here: tuple[int, int], end: tuple[int, int]) -> int:
    down, right = end[0] - here[0], end[1] - here[1]
    # Rows count downwards: right of (down, right) is (right, -down).
    return 0 if (down, right) == (before[1], -before[0]) else 1


def _thinned(line: Line, most: int) -> Line:
    if len(line) <= most:
        return line
    kept = np.linspace(0, len(line) - 1, most).round().astype(int)
    thinned: Line = line[kept]
    return thinned
