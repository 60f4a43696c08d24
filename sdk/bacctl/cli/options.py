"""What several commands take, checked."""

from __future__ import annotations

import math

from bacctl.cli.guard import UsageError


def spacing_of(millimetres: float | None) -> tuple[float, float] | None:
    """Check ``--pixel-spacing``.

    Parameters
    ----------
    millimetres : float or None
        What was given.

    Returns
    -------
    tuple of float or None
        (between rows, between columns), in mm.

    Raises
    ------
    UsageError
        It is no size of a pixel.
    """
    if millimetres is None:
        return None
    if not (math.isfinite(millimetres) and millimetres > 0):
        raise UsageError("--pixel-spacing: give the size of a pixel in mm, a number above 0 such as 0.1")
    return millimetres, millimetres
