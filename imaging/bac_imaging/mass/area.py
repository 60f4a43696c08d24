"""What the area of calcified artery says of its calcium mass, on images that allow no measurement.

Images made for viewing have no known exposure scale, so that nothing on them can be weighed. How much
calcium goes with an area is known from phantoms, with its spread: an estimate with a wide interval, and not a
measurement. The figures are ``data/area_mass.json``, written by
``python -m bac_evaluation.area.study``; ``docs/mass.md`` has what it reaches.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING, Literal

from bac_terms.report import AreaEstimate

if TYPE_CHECKING:  # exams are put together where SciPy need not be installed
    from bac_imaging.context import Context

Level = Literal["view", "breast", "woman"]

# Images with one of these are not what phantoms show: their area may not be that of the whole artery, or not
# be in mm2.
_OUTSIDE = frozenset(
    {
        "BAC-W-SPACING-OVERRIDDEN",
        "BAC-W-SPACING-DETECTOR-ASSUMED",
        "BAC-W-SIZE-UNUSUAL",
        "BAC-W-PARTIAL-VIEW",
        "BAC-W-IMPLANT",
        "BAC-W-LOSSY",
    }
)


@dataclass(frozen=True)
class AreaDensity:
    """Calcium for each mm2 of calcified artery.

    Attributes
    ----------
    low_mg_per_mm2, central_mg_per_mm2, high_mg_per_mm2 : float
        The middle, and the ends of what 95 % hold.
    least_mm2, most_mm2 : float
        Smallest and largest area that it was fitted on.
    """

    low_mg_per_mm2: float
    central_mg_per_mm2: float
    high_mg_per_mm2: float
    least_mm2: float
    most_mm2: float


@dataclass(frozen=True)
class AreaFit:
    """Mass from area, for views, breasts and women.

    Attributes
    ----------
    name : str
        Names this fit: ``area-`` and the start of a digest of all that is in its file.
    weights_sha256 : str
        The network that measured the areas it was fitted on.
    spacing_mm : tuple of float
        Smallest and largest pixel of the images that it was fitted on, at the detector.
    levels : mapping of str to AreaDensity
        For "view", "breast" and "woman"; empty where areas by this network stand for no mass.
    """

    name: str
    weights_sha256: str
    spacing_mm: tuple[float, float]
    levels: Mapping[str, AreaDensity]

    def estimate(self, area_mm2: float, level: Level) -> AreaEstimate | None:
        """Estimate the mass of calcium from the area alone.

        Parameters
        ----------
        area_mm2 : float
            Area between the outer walls of calcified arteries, in their plane: of a view; of a breast, the
            mean of its views; of a woman, left plus right.
        level : {"view", "breast", "woman"}
            Which of these.

        Returns
        -------
        AreaEstimate or None
            With the name of this fit; 0 mg for no area. The interval of an area smaller than all that it was
            fitted on runs from 0 to the upper end of the smallest. None for an area larger than all.
        """
        density = self.levels[level]
        if area_mm2 > density.most_mm2:
            return None
        low, high = density.low_mg_per_mm2 * area_mm2, density.high_mg_per_mm2 * area_mm2
        if 0.0 < area_mm2 < density.least_mm2:
            low, high = 0.0, density.high_mg_per_mm2 * density.least_mm2
        central = round(density.central_mg_per_mm2 * area_mm2, 4)
        return AreaEstimate(central, (round(low, 4), round(high, 4)), "area", self.name)

    def fits(self, context: Context, weights_sha256: str) -> bool:
        """Tell whether an image is of the kind that this was fitted on.

        Parameters
        ----------
        context : Context
            Of the image.
        weights_sha256 : str
            Digest of the network that measured its area.

        Returns
        -------
        bool
            True for a plain CC or MLO view FOR PRESENTATION of a whole breast whose header tells the pixel's
            size at the detector, measured with the network of this fit.
        """
        least, most = self.spacing_mm
        return (
            bool(self.levels)
            and context.presentation_intent == "FOR PRESENTATION"
            and context.view in ("CC", "MLO")
            and weights_sha256 == self.weights_sha256
            and all(0.99 * least <= mm <= 1.01 * most for mm in context.pixel_spacing_mm)
            and not _OUTSIDE & {warning.code for warning in context.warnings}
        )


def estimate_of(context: Context, weights_sha256: str | None, area_mm2: float) -> AreaEstimate | None:
    """Estimate the calcium mass of one image from its area.

    Parameters
    ----------
    context : Context
        Of the image.
    weights_sha256 : str or None
        Digest of the network that measured its area. Without it there is no estimate.
    area_mm2 : float
        Area of calcified artery, in its plane.

    Returns
    -------
    AreaEstimate or None
        As of `AreaFit.estimate`; None for an image that the fit does not hold for.
    """
    if weights_sha256 is None:
        return None
    fit = area_fit()
    return fit.estimate(area_mm2, "view") if fit.fits(context, weights_sha256) else None


def read_fit(text: str) -> AreaFit:
    """Read a fit as ``python -m bac_evaluation.area.study`` writes it.

    Parameters
    ----------
    text : str
        Content of its file.
    """
    content = json.loads(text)
    least, most = content["spacing_mm"]
    names = AreaDensity.__dataclass_fields__
    return AreaFit(
        content["name"],
        content["fitted_on"]["weights_sha256"],
        (least, most),
        {
            level: AreaDensity(**{name: found[name] for name in names})
            for level, found in content["levels"].items()
        },
    )


@lru_cache(maxsize=1)
def area_fit() -> AreaFit:
    """Return the fit that belongs to this release."""
    return read_fit((files("bac_imaging") / "data" / "area_mass.json").read_text(encoding="utf-8"))
