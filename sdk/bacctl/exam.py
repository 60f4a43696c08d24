"""From images to a woman: the exam rules, as pure functions of results.

Rules
-----
* An image is *accepted* when its status is "ok", its side is known, its view is CC or MLO and it shows the
  whole view (a partial view, "BAC-W-PARTIAL-VIEW", holds an unknown share of the arteries). Other views
  never enter a sum.
* Of several accepted images of one side and view the one of strongest mass basis counts (a study often
  holds the same exposure both for processing and for presentation), then the one without an implant in the
  way; among equals their mean counts. The same SOP instance twice is one image. A repetition that remains
  raises an alarm.
* Breast = mean of CC and MLO: they show the same arteries twice. A view without a mass leaves the mass to
  the other view alone.
* Woman = left + right. A breast without an accepted image leaves the woman without mass, area and category.
* Category and class 0 mean that no BAC was found on any accepted image, whatever its mass basis.

Intervals
---------
The ends of an interval add and average like the masses. This is the width for errors that are common to all
views: the unit's calibration, the spectrum behind the coefficient, scatter, and the artery's own soft
tissue, which reads as calcium in every view and is the largest error below 20 mg. Errors of single views
(height of the artery, noise) would add in quadrature, but their share is not known per image, so that the
interval is never too narrow for this reason.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from statistics import fmean

from bac_imaging.errors import CATALOGUE
from bacctl.exam_results import AreaClass, BreastResult, ExamResult, MassCategory
from bacctl.image_result import ImageResult, Laterality, MassBasis, Notice

SIDES: tuple[Laterality, ...] = ("L", "R")
VIEWS = ("CC", "MLO")
MASS_EDGES_MG = (20.0, 40.0, 60.0, 80.0)
MASS_CATEGORIES: tuple[MassCategory, ...] = ("0-20", "20-40", "40-60", "60-80", ">80")
AREA_EDGES_MM2 = (10.0, 25.0)
AREA_CLASSES: tuple[AreaClass, ...] = ("0-10", "10-25", ">25")
_STRENGTH: dict[MassBasis, int] = {"calibrated": 2, "estimated": 1, "none": 0}
_NORMAL_95 = 1.959964  # a 95 % interval ends this many standard deviations from its centre

Interval = tuple[float, float]


def build_exams(results: Sequence[ImageResult]) -> list[ExamResult]:
    """Put results together by study.

    Parameters
    ----------
    results : sequence of ImageResult
        In any order; those that were refused or failed show in ``missing_views``.

    Returns
    -------
    list of ExamResult
        One a study, in the order of first appearance. Results without a study are in none.
    """
    studies: dict[str, list[ImageResult]] = {}
    for result in results:
        if result.study_instance_uid is not None:
            studies.setdefault(result.study_instance_uid, []).append(result)
    return [build_exam(images, uid) for uid, images in studies.items()]


def build_exam(images: Sequence[ImageResult], study_instance_uid: str | None) -> ExamResult:
    """Put the images of one woman's exam together.

    Parameters
    ----------
    images : sequence of ImageResult
        All of one woman and one exam.
    study_instance_uid : str or None
        The study they belong to.

    Returns
    -------
    ExamResult
    """
    accepted = {(side, view): _accepted(images, side, view) for side in SIDES for view in VIEWS}
    breasts = {
        side: _breast(side, {view: accepted[side, view] for view in VIEWS if accepted[side, view]})
        for side in SIDES
    }
    both = tuple(breasts.values())
    complete = all(breast.views for breast in both)
    found = any(breast.bac_detected for breast in both) if complete else None
    mass = _total(breast.calcium_mass_mg for breast in both) if complete else None
    interval = _total_interval(breast.calcium_mass_interval_mg for breast in both) if complete else None
    area = _total(breast.area_mm2 for breast in both) if complete else None
    return ExamResult(
        study_instance_uid=study_instance_uid,
        complete=complete,
        breasts=breasts,
        calcium_mass_mg=mass,
        calcium_mass_interval_mg=interval,
        mass_category=mass_category(mass, found),
        category_probabilities=category_probabilities(mass, interval) if found else None,
        area_mm2=area,
        area_class=area_class(area, found),
        csbi_grade=0 if found is False else None,
        missing_views=tuple(side + view for (side, view), images in accepted.items() if not images),
        alarms=tuple(_repeated(side, view) for (side, view), images in accepted.items() if len(images) > 1),
        images=tuple(images),
    )


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
        interval, cut off at 0 mg.
    """
    if mass_mg is None or interval_mg is None:
        return None
    low, high = interval_mg
    median = mass_mg

    def below(x: float) -> float:
        spread = (median - low if x < median else high - median) / _NORMAL_95
        if spread <= 0.0:
            return 0.0 if x < median else 1.0
        return 0.5 * (1.0 + math.erf((x - median) / (spread * math.sqrt(2.0))))

    floor = below(0.0) if median > 0.0 or high > 0.0 else 0.0
    steps = [floor, *(below(edge) for edge in MASS_EDGES_MG), 1.0]
    shares = [(upper - lower) / (1.0 - floor) for lower, upper in pairwise(steps)]
    return {str(name): share for name, share in zip(MASS_CATEGORIES, shares, strict=True)}


def _accepted(images: Sequence[ImageResult], side: Laterality, view: str) -> list[ImageResult]:
    fitting: dict[object, ImageResult] = {}
    for number, image in enumerate(images):
        whole = not _warns(image, "BAC-W-PARTIAL-VIEW")
        if image.status == "ok" and (image.laterality, image.view) == (side, view) and whole:
            fitting.setdefault(image.sop_instance_uid or number, image)
    best = max((_rank(image) for image in fitting.values()), default=None)
    return [image for image in fitting.values() if _rank(image) == best]


def _rank(image: ImageResult) -> tuple[int, bool]:
    return _STRENGTH[image.mass_basis], not _warns(image, "BAC-W-IMPLANT")


def _warns(image: ImageResult, code: str) -> bool:
    return any(notice.code == code for notice in image.warnings)


def _breast(side: Laterality, by_view: Mapping[str, list[ImageResult]]) -> BreastResult:
    views = [image for images in by_view.values() for image in images]
    weighed = {view: [i for i in images if i.calcium_mass_mg is not None] for view, images in by_view.items()}
    mass_views = tuple(view for view, images in weighed.items() if images)
    entered = [image for images in weighed.values() for image in images]
    intervals = {view: [i.calcium_mass_interval_mg for i in weighed[view]] for view in mass_views}
    return BreastResult(
        laterality=side,
        views=tuple(by_view),
        mass_views=mass_views,
        bac_detected=any(image.bac_detected for image in views) if views else None,
        calcium_mass_mg=_mean(_mean(i.calcium_mass_mg for i in weighed[view]) for view in mass_views),
        calcium_mass_interval_mg=_mean_interval(_mean_interval(pairs) for pairs in intervals.values()),
        mass_basis=min((image.mass_basis for image in entered), key=_STRENGTH.__getitem__, default="none"),
        area_mm2=_mean(_mean(i.area_mm2 for i in images) for images in by_view.values()),
    )


def _repeated(side: Laterality, view: str) -> Notice:
    code = "BAC-W-VIEW-REPEATED"
    found = f"the study holds several {side}{view} images of equal standing; their mean counts"
    return Notice(code, f"{found}; {CATALOGUE[code].hint}")


def _bin(value: float, edges: tuple[float, ...]) -> int:
    return sum(value > edge for edge in edges)


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known else None


def _mean_interval(pairs: Iterable[Interval | None]) -> Interval | None:
    known = list(pairs)
    if not known or None in known:
        return None
    ends = [pair for pair in known if pair is not None]
    return fmean(low for low, _ in ends), fmean(high for _, high in ends)


def _total(values: Iterable[float | None]) -> float | None:
    known = list(values)
    return None if None in known else sum(value for value in known if value is not None)


def _total_interval(pairs: Iterable[Interval | None]) -> Interval | None:
    known = [pair for pair in pairs if pair is not None]
    if len(known) < len(SIDES):
        return None
    return sum(low for low, _ in known), sum(high for _, high in known)
