"""Windows: rows and columns of a grid that are looked at, where the rest is empty."""

from __future__ import annotations

from collections.abc import Iterable

from bac_imaging.grid.working_grid import Window


def inside(part: Window, window: Window) -> Window:
    """Return where a part of a grid lies in a window that holds it."""
    rows, columns = (slice(p.start - w.start, p.stop - w.start) for p, w in zip(part, window, strict=True))
    return rows, columns


def outside(part: Window, window: Window) -> Window:
    """Return where a part of a window lies in the window's grid."""
    rows, columns = (slice(p.start + w.start, p.stop + w.start) for p, w in zip(part, window, strict=True))
    return rows, columns


def widened(window: Window, margin: int, shape: tuple[int, ...]) -> Window:
    """Return a window with a margin on each side, as far as the grid goes."""
    rows, columns = (
        slice(max(0, part.start - margin), min(size, part.stop + margin))
        for part, size in zip(window, shape, strict=True)
    )
    return rows, columns


def enclosing(windows: Iterable[Window]) -> Window:
    """Return the smallest window that holds all of these, of which there is at least one."""
    rows, columns = (
        slice(min(part.start for part in parts), max(part.stop for part in parts))
        for parts in zip(*windows, strict=True)
    )
    return rows, columns
