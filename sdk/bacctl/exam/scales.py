"""The published scales of a woman's exam, and how sure they are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from bac_terms.report import AreaEstimate
from bacctl.results.exam import AreaClass, CategoryBasis, CsbiGrade, MassCategory

MASS_EDGES_MG = (20.0, 40.0, 60.0, 80.0)
MASS_CATEGORIES: tuple[MassCategory, ...] = ("0-20", "20-40", "40-60", "60-80", ">80")
AREA_EDGES_MM2 = (10.0, 25.0)
AREA_CLASSES: tuple[AreaClass, ...] = ("0-10", "10-25", ">25")
# From this many calcified vessels on the Canadian Society of Breast Imaging calls them severe.
SEVERE_VESSELS = 3
NORMAL_95 = 1.959964  # a 95 % interval ends this many standard deviations from its centre

Interval = tuple[float, float]


def mass_category(mass_mg: float | None, bac_detected: bool | None) -> MassCategory | None:
    """Return the woman's category of calcium mass.

    Parameters
    ----------
    mass_mg : float or None
        Left plus right.
    bac_detected : bool or None
        Whether BAC was found in any accepted image; None where a breast has none.

    Returns
    -------
    str or None
        "0" exactly where no BAC was found; otherwise 20 mg is "0-20", 20.1 mg is "20-40".
    """
    if bac_detected is False:
        return "0"
    if bac_detected is None or mass_mg is None:
        return None
    return MASS_CATEGORIES[_bin(mass_mg, MASS_EDGES_MG)]


def area_class(area_mm2: float | None, bac_detected: bool | None) -> AreaClass | None:
    """Return the woman's class of calcified area (the scale of the Emory and Mayo outcome study).

    Parameters
    ----------
    area_mm2 : float or None
        Left plus right.
    bac_detected : bool or None
        Whether BAC was found in any accepted image; None where a breast has none.

    Returns
    -------
    str or None
        "0", "0-10", "10-25" or ">25"; an upper edge belongs to the lower class.
    """
    if bac_detected is False:
        return "0"
    if bac_detected is None or area_mm2 is None:
        return None
    return AREA_CLASSES[_bin(area_mm2, AREA_EDGES_MM2)]


def csbi_grade(vessel_count: int | None, bac_detected: bool | None) -> CsbiGrade | None:
    """Estimate the woman's grade on the scale of the Canadian Society of Breast Imaging (2023).

    Readers give 0 for none, 1 for few punctate calcifications, 2 for coarse or tram-track ones in fewer than
    three vessels, 3 for severe ones in three or more.

    Parameters
    ----------
    vessel_count : int or None
        Calcified stretches of artery, left plus right.
    bac_detected : bool or None
        Whether BAC was found in any accepted image; None where a breast has none.

    Returns
    -------
    {0, 2, 3} or None
        Never 1: whatever is outlined is a stretch of artery, and few punctate calcifications are none.
    """
    if bac_detected is False:
        return 0
    if bac_detected is None or vessel_count is None:
        return None
    return 3 if vessel_count >= SEVERE_VESSELS else 2


def category_probabilities(mass_mg: float | None, interval_mg: Interval | None) -> dict[str, float] | None:
    """Return how likely each category above "0" is, given that BAC is there.

    Parameters
    ----------
    mass_mg : float or None
        Median.
    interval_mg : tuple of float or None
        (low, high), 95 %.

    Returns
    -------
    dict or None
        Probabilities that sum to 1, from two half normal distributions that meet in the mass and fit the
        interval, cut off at 0 mg. Where the interval itself was cut off at 0, its upper half tells the
        spread on both sides.
    """
    if mass_mg is None or interval_mg is None:
        return None
    low, high = interval_mg
    above = high - mass_mg
    beneath = mass_mg - low if low > 0.0 else max(mass_mg - low, above)
    floor = _below(0.0, mass_mg, beneath, above) if mass_mg > 0.0 or high > 0.0 else 0.0
    return _shares(floor, [_below(edge, mass_mg, beneath, above) for edge in MASS_EDGES_MG])


def _area_probabilities(found: AreaEstimate) -> dict[str, float]:
    """Do the same in the logarithm of the mass: an estimate from an area is off by factors."""
    low, high = found.interval_mg
    median = math.log(found.central_mg)
    above = math.log(high) - median
    beneath = median - math.log(low) if low > 0.0 else above
    return _shares(0.0, [_below(math.log(edge), median, beneath, above) for edge in MASS_EDGES_MG])


def _below(x: float, median: float, beneath: float, above: float) -> float:
    """Return the probability of less than x: two half normal distributions, 95 % within their reaches."""
    spread = (beneath if x < median else above) / NORMAL_95
    if spread <= 0.0:
        return 0.0 if x < median else 1.0
    return 0.5 * (1.0 + math.erf((x - median) / (spread * math.sqrt(2.0))))


def _shares(floor: float, below_edges: Sequence[float]) -> dict[str, float]:
    shares = [(upper - lower) / (1.0 - floor) for lower, upper in pairwise([floor, *below_edges, 1.0])]
    return {str(name): share for name, share in zip(MASS_CATEGORIES, shares, strict=True)}


def category_odds(
    mass_mg: float | None, interval_mg: Interval | None, from_area: AreaEstimate | None
) -> tuple[dict[str, float] | None, CategoryBasis | None]:
    """Return how likely each category above "0" is, and whether that follows from a mass or from an area.

    Parameters
    ----------
    mass_mg, interval_mg : float and tuple of float, or None
        As for `category_probabilities`.
    from_area : AreaEstimate or None
        What takes their place where there is no mass.

    Returns
    -------
    dict or None
        As of `category_probabilities`; of an estimate from the area in the logarithm of the mass, since it is
        off by factors.
    {"mass", "area"} or None
    """
    odds = category_probabilities(mass_mg, interval_mg)
    if odds is not None:
        return odds, "mass"
    if mass_mg is not None or from_area is None or from_area.central_mg <= 0.0:
        return None, None
    return _area_probabilities(from_area), "area"


def standard_deviation(amount: float, interval: Interval) -> float:
    """Return the standard deviation that a 95 % interval stands for, by its wider half.

    The lower half may have been cut off at 0.
    """
    low, high = interval
    return max(amount - low, high - amount) / NORMAL_95


def _bin(value: float, edges: Sequence[float]) -> int:
    return sum(value > edge for edge in edges)
