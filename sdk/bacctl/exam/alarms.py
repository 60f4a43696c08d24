"""What does not fit together in one exam.

A pair of views, or of breasts, is called unusual where it lies outside the 99 % limits that follow from the
published reproducibility of calcium mass in 39 women (Molloi et al., Academic Radiology 2009), widened by the
intervals of the two masses: those of a normal law, not what was counted in other women. They are for
calibrated masses only, since the published ones came from raw images.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bac_terms.measured import Laterality
from bac_terms.notices import Notice
from bacctl.exam.scales import standard_deviation
from bacctl.results.exam import BreastResult, ViewResult

NORMAL_99 = 2.575829
NO_SUM = frozenset({"BAC-W-EXAM-MIXED", "BAC-W-EXAM-POINTS", "BAC-W-EXAM-UNTIED"})
"""Alarms of an exam in which no image counts."""
_TOLD_GROUPS = 6


@dataclass(frozen=True)
class Relation:
    """How one mass follows from another: ``slope * other + offset_mg``, with a standard error of estimation.

    Attributes
    ----------
    slope : float
        Without unit.
    offset_mg, error_mg : float
        Offset and standard error in mg.
    """

    slope: float
    offset_mg: float
    error_mg: float


CC_FROM_MLO = Relation(0.82, 0.27, 3.44)
LEFT_FROM_RIGHT = Relation(0.86, -0.06, 4.30)


def repeated_view(view: str, found: int, counted: int) -> Notice:
    """Say that a view was taken more than once.

    Parameters
    ----------
    view : str
        Side and view, such as "LCC".
    found : int
        How many images of it have equal standing.
    counted : int
        How many of them may be the latest, and so count.

    Returns
    -------
    Notice
    """
    which = "the latest counts"
    if counted > 1:
        which = f"which of {counted} is the latest is not told, and their mean counts"
    return Notice.of(
        "BAC-W-VIEW-REPEATED", f"the study holds {found} {view} images of equal standing; {which}"
    )


def earlier_view(view: str) -> Notice:
    """Say that a view was taken again later, and that the earlier image counts nevertheless.

    Parameters
    ----------
    view : str
        Side and view, such as "LCC".

    Returns
    -------
    Notice
    """
    return Notice.of(
        "BAC-W-VIEW-REPEATED",
        f"an {view} image taken later does not count, since the earlier one alone gives the better mass",
    )


def mixed(about: Sequence[str], groups: Sequence[Sequence[str]]) -> Notice:
    """Say that images cannot be of one woman and one visit.

    Parameters
    ----------
    about : sequence of str
        In what their headers differ, in words.
    groups : sequence of sequence of str
        Side and view of the images that agree.

    Returns
    -------
    Notice
        No value of a header is in it.
    """
    named = "; ".join(
        f"group {number}: {_listed(group)}" for number, group in enumerate(groups[:_TOLD_GROUPS], 1)
    )
    more = f"; {len(groups) - _TOLD_GROUPS} more groups" if len(groups) > _TOLD_GROUPS else ""
    return Notice.of(
        "BAC-W-EXAM-MIXED",
        f"the headers of these images differ in {', '.join(about)}, so that they are not of one woman and "
        f"one visit, and no sum is given ({named}{more})",
    )


def untied(views: Sequence[str]) -> Notice:
    """Say that nothing ties repeats of a view to one exam.

    Parameters
    ----------
    views : sequence of str
        Side and view of each.

    Returns
    -------
    Notice
    """
    return Notice.of(
        "BAC-W-EXAM-UNTIED",
        f"there are several images of {', '.join(views)}, and no study UID and no patient's identifier says "
        f"that they are of one woman's exam, so that no sum is given",
    )


def _listed(views: Sequence[str]) -> str:
    """List views, those that are there several times with their number."""
    return ", ".join(
        f"{count} x {view}" if count > 1 else view for view, count in sorted(Counter(views).items())
    )


def inconsistencies(breasts: Mapping[Laterality, BreastResult]) -> list[Notice]:
    """Compare the two views of each breast, and the two breasts.

    Parameters
    ----------
    breasts : mapping
        "L" and "R" to BreastResult.

    Returns
    -------
    list of Notice
        At most two a breast and one for the two of them. Nothing is corrected.
    """
    notices = []
    for side, breast in breasts.items():
        cc, mlo = breast.by_view.get("CC"), breast.by_view.get("MLO")
        if cc is not None and mlo is not None:
            notices.append(_one_view(side, cc, mlo))
            notices.append(
                _unusual("BAC-W-CC-MLO-DIFFER", CC_FROM_MLO, (f"{side}CC", cc), (f"{side}MLO", mlo))
            )
    left, right = breasts["L"], breasts["R"]
    # The CC view shows less than the MLO view, so that only like can be held against like.
    if left.mass_views == right.mass_views:
        notices.append(_unusual("BAC-W-LEFT-RIGHT-DIFFER", LEFT_FROM_RIGHT, ("left", left), ("right", right)))
    return [notice for notice in notices if notice is not None]


def _one_view(side: Laterality, cc: ViewResult, mlo: ViewResult) -> Notice | None:
    if cc.bac_detected == mlo.bac_detected:
        return None
    seen, other = ("CC", "MLO") if cc.bac_detected else ("MLO", "CC")
    return Notice.of("BAC-W-ONE-VIEW", f"BAC was found on {side}{seen} and none on {side}{other}")


def _unusual(
    code: str,
    relation: Relation,
    one: tuple[str, ViewResult | BreastResult],
    other: tuple[str, ViewResult | BreastResult],
) -> Notice | None:
    (name, mass, sd), (other_name, other_mass, other_sd) = (_calibrated(*pair) for pair in (one, other))
    if mass is None or other_mass is None:
        return None
    expected = relation.slope * other_mass + relation.offset_mg
    reach = NORMAL_99 * math.hypot(relation.error_mg, sd, relation.slope * other_sd)
    if abs(mass - expected) <= reach:
        return None
    return Notice.of(
        code,
        f"{name} reads {mass:.1f} mg beside {other_mass:.1f} mg {other_name}, outside the 99 % limits of "
        f"{max(0.0, expected - reach):.1f} and {expected + reach:.1f} mg that follow from 39 published "
        "women",
    )


def _calibrated(name: str, result: ViewResult | BreastResult) -> tuple[str, float | None, float]:
    mass, interval = result.calcium_mass_mg, result.calcium_mass_interval_mg
    if result.mass_basis != "calibrated" or mass is None or interval is None:
        return name, None, 0.0
    return name, mass, standard_deviation(mass, interval)
