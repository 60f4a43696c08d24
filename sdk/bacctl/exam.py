"""From images to a woman: the exam rules, as pure functions of results. ``docs/exam.md`` gives the reasons.

Rules
-----
* An image is *accepted* when its status is "ok", its side is known, its view is CC or MLO and it shows the
  whole view (a partial view, "BAC-W-PARTIAL-VIEW", holds an unknown share of the arteries). Other views
  never enter a sum.
* Of several accepted images of one side and view the one of strongest mass basis counts (a study often
  holds the same exposure both for processing and for presentation), then the one without an implant in the
  way. The same SOP instance twice is one image. Of the repeats that remain the latest counts, by the time of
  exposure, then by the instance number; the mean of those that neither tells apart. An alarm says so, and
  also where an image counts that is not the latest, because later ones have a weaker basis.
* Breast = mean of CC and MLO: they show the same arteries twice. A view without a mass leaves the mass to
  the other view alone.
* Woman = left + right. A breast without an accepted image leaves the woman without mass, area and category.
* Category, class and grade 0 mean that no BAC was found on any accepted image, whatever its mass basis.

Intervals
---------
The ends of an interval add and average like the masses. This is the width for errors that are common to all
views: the unit's calibration, the spectrum behind the coefficient, scatter, and the artery's own soft
tissue, which reads as calcium in every view and is the largest error below 20 mg. Errors of single views
(height of the artery, noise) would add in quadrature, but their share is not known per image, so that the
interval is never too narrow for this reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from bacctl._origin import latest, taken_after
from bacctl._version import __version__
from bacctl.exam_alarms import earlier_view, inconsistencies, repeated_view
from bacctl.exam_results import SIDES, VIEWS, BreastResult, ExamResult, ViewResult
from bacctl.exam_scales import (
    MASS_CATEGORIES,
    Interval,
    area_class,
    category_probabilities,
    csbi_grade,
    mass_category,
)
from bacctl.image_parts import Notice
from bacctl.image_result import ImageResult, Laterality, MassBasis

__all__ = ["MASS_CATEGORIES", "build_exam", "build_exams", "mass_category"]

_STRENGTH: dict[MassBasis, int] = {"calibrated": 2, "estimated": 1, "none": 0}


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
    chosen = {(side, view): _choose(images, side, view) for side in SIDES for view in VIEWS}
    breasts = {
        side: _breast(
            side, {view: _view(chosen[side, view].counted) for view in VIEWS if chosen[side, view].counted}
        )
        for side in SIDES
    }
    both = tuple(breasts.values())
    complete = all(breast.views for breast in both)
    found = any(breast.bac_detected for breast in both) if complete else None
    mass = _total(breast.calcium_mass_mg for breast in both) if complete else None
    interval = _total_interval(breast.calcium_mass_interval_mg for breast in both) if complete else None
    area = _total(breast.area_mm2 for breast in both) if complete else None
    stretches = _total(breast.vessel_count for breast in both) if complete else None
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
        csbi_grade=csbi_grade(None if stretches is None else int(stretches), found),
        missing_views=tuple(side + view for (side, view), choice in chosen.items() if not choice.counted),
        alarms=(*_repeats(chosen), *inconsistencies(breasts)),
        software={"bacctl": __version__, "model": _weights(images)},
        images=tuple(images),
    )


@dataclass(frozen=True)
class _Choice:
    """What counts for one view: one image, or several of which none is known to be the latest.

    ``found`` of equal standing were there; ``superseded`` is whether one of a weaker basis was taken later.
    """

    counted: list[ImageResult]
    found: int
    superseded: bool


def _choose(images: Sequence[ImageResult], side: Laterality, view: str) -> _Choice:
    fitting: dict[object, ImageResult] = {}
    for number, image in enumerate(images):
        whole = not _warns(image, "BAC-W-PARTIAL-VIEW")
        if image.status == "ok" and (image.laterality, image.view) == (side, view) and whole:
            fitting.setdefault(image.sop_instance_uid or number, image)
    best = max((_rank(image) for image in fitting.values()), default=None)
    equals = [image for image in fitting.values() if _rank(image) == best]
    counted = [equals[place] for place in latest([image.origin for image in equals])]
    # An implant is imaged twice on purpose, once displaced: such a pair is no repetition.
    weaker = (
        [image for image in fitting.values() if _rank(image)[0] < _rank(counted[0])[0]] if counted else []
    )
    later = [image for image in weaker if _rank(image)[1] == _rank(counted[0])[1]]
    superseded = any(taken_after(image.origin, [each.origin for each in counted]) for image in later)
    return _Choice(counted, len(equals), superseded)


def _rank(image: ImageResult) -> tuple[int, bool]:
    return _STRENGTH[image.mass_basis], not _warns(image, "BAC-W-IMPLANT")


def _repeats(chosen: Mapping[tuple[Laterality, str], _Choice]) -> list[Notice]:
    notices = []
    for (side, view), choice in chosen.items():
        if choice.found > 1:
            notices.append(repeated_view(side + view, choice.found, len(choice.counted)))
        if choice.superseded:
            notices.append(earlier_view(side + view))
    return notices


def _warns(image: ImageResult, code: str) -> bool:
    return any(notice.code == code for notice in image.warnings)


def _weights(images: Sequence[ImageResult]) -> str | None:
    """Return the weights that measured all images, None where they are not known or not the same."""
    weights = {image.weights_sha256 for image in images if image.status == "ok"}
    return weights.pop() if len(weights) == 1 else None


def _view(images: Sequence[ImageResult]) -> ViewResult:
    weighed = [image for image in images if image.calcium_mass_mg is not None]
    return ViewResult(
        sop_instance_uids=tuple(sorted(image.sop_instance_uid for image in images if image.sop_instance_uid)),
        bac_detected=any(image.bac_detected for image in images),
        calcium_mass_mg=_mean(image.calcium_mass_mg for image in weighed),
        calcium_mass_interval_mg=_mean_interval(image.calcium_mass_interval_mg for image in weighed),
        mass_basis=_weakest(image.mass_basis for image in weighed),
        area_mm2=_mean(image.area_mm2 for image in images),
        vessel_count=_fewest([(image.bac_detected, _stretches(image)) for image in images]),
    )


def _breast(side: Laterality, by_view: Mapping[str, ViewResult]) -> BreastResult:
    weighed = {view: result for view, result in by_view.items() if result.calcium_mass_mg is not None}
    return BreastResult(
        laterality=side,
        views=tuple(by_view),
        mass_views=tuple(weighed),
        bac_detected=any(result.bac_detected for result in by_view.values()) if by_view else None,
        calcium_mass_mg=_mean(result.calcium_mass_mg for result in weighed.values()),
        calcium_mass_interval_mg=_mean_interval(
            result.calcium_mass_interval_mg for result in weighed.values()
        ),
        mass_basis=_weakest(result.mass_basis for result in weighed.values()),
        area_mm2=_mean(result.area_mm2 for result in by_view.values()),
        vessel_count=_fewest([(result.bac_detected, result.vessel_count) for result in by_view.values()]),
        by_view=dict(by_view),
    )


def _weakest(bases: Iterable[MassBasis]) -> MassBasis:
    return min(bases, key=_STRENGTH.__getitem__, default="none")


def _stretches(image: ImageResult) -> int | None:
    """Count the calcified stretches of an image; None where some were found but are not listed."""
    return len(image.vessels) if image.vessels or not image.bac_detected else None


def _fewest(found: Sequence[tuple[bool | None, int | None]]) -> int | None:
    """Return the smallest count of those that show BAC; of all where none does.

    What only one of two views shows is often no artery, but BAC that was found is at least one stretch.
    """
    shown = [count for detected, count in found if detected] or [count for _, count in found]
    return None if None in shown else min((count for count in shown if count is not None), default=None)


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
