"""The estimate from the area, for what an exam puts together: views, breasts and the woman."""

from __future__ import annotations

from collections.abc import Sequence

from bac_imaging.mass.area import Level, area_fit
from bac_terms.report import AreaEstimate


def estimate(
    area_mm2: float | None, level: Level, parts: Sequence[AreaEstimate | None]
) -> AreaEstimate | None:
    """Estimate the mass of a view, a breast or a woman from the area that the exam rules give.

    Parameters
    ----------
    area_mm2 : float or None
        Area in the plane of the artery.
    level : {"view", "breast", "woman"}
        What it is the area of.
    parts : sequence of AreaEstimate or None
        Estimates of the images, views or breasts that it was put together from.

    Returns
    -------
    AreaEstimate or None
        None where a part has none, or one by another fit than this release's, as of another server: areas by
        another network may mean another mass.
    """
    if area_mm2 is None or not parts or any(part is None for part in parts):
        return None
    fit = area_fit()
    if any(part is not None and part.fit != fit.name for part in parts):
        return None
    return fit.estimate(area_mm2, level)
