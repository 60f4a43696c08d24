"""From images to a woman: the exam rules, as pure functions of results. ``docs/exam.md`` gives the reasons.

Rules
-----
* Images whose headers contradict that they are of one woman and one visit have no sum
  (`bacctl.exam.identity`), nor have repeats of a view that nothing ties to one exam.
* Images that were measured at different operating points have no sum either: what one leaves out, another
  counts.
* An image is *accepted* when its status is "ok", its side is known, its view is CC or MLO and it shows the
  whole view (a partial view, "BAC-W-PARTIAL-VIEW", holds an unknown share of the arteries). Other views
  never enter a sum.
* Of several accepted images of one side and view the one of strongest mass basis counts (a study often
  holds the same exposure both for processing and for presentation), then the one without an implant in the
  way. The same SOP instance twice is one image; where its content differs, it is two (`bacctl.exam.choice`).
  Of the repeats that remain the latest counts, by the time of
  exposure, then by the instance number; the mean of those that neither tells apart. An alarm says so, and
  also where an image counts that is not the latest, because later ones have a weaker basis.
* Breast = mean of CC and MLO: they show the same arteries twice. A view without a mass leaves the mass to
  the other view alone.
* Woman = left + right. A breast without an accepted image leaves the woman without mass, area and category.
* Where no mass was measured, the estimate from the area takes its place in the probabilities of the
  categories, and nowhere else; only where every image that counts has one.
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

import os
from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean

from bac_terms.measured import Laterality, MassBasis
from bac_terms.notices import Notice
from bacctl._version import __version__
from bacctl.exam.alarms import earlier_view, inconsistencies, mixed, repeated_view, untied
from bacctl.exam.area import estimate
from bacctl.exam.choice import STRENGTH, Choice, choose, study_of, view_of, warns, with_repeated_uids
from bacctl.exam.identity import contradiction
from bacctl.exam.scales import (
    MASS_CATEGORIES,
    Interval,
    area_class,
    category_odds,
    csbi_grade,
    mass_category,
)
from bacctl.results.exam import SIDES, VIEWS, BreastResult, ExamResult, ViewResult
from bacctl.results.image import ImageResult

__all__ = ["MASS_CATEGORIES", "build_exam", "build_exams", "mass_category"]


def build_exams(results: Sequence[ImageResult], *, per_folder: bool = False) -> list[ExamResult]:
    """Put results together by study, or by folder.

    Parameters
    ----------
    results : sequence of ImageResult
        In any order; those that were refused or failed show in ``missing_views``.
    per_folder : bool, optional
        Take the images that lie in one folder for one exam, whatever study their headers name or do not name.

    Returns
    -------
    list of ExamResult
        One a study or folder, in the order of first appearance. Results without a study, or without a path,
        are in none.
    """
    groups: dict[object, list[ImageResult]] = {}
    for result in with_repeated_uids(results):
        key = _folder(result) if per_folder else study_of(result)
        if key is not None:
            groups.setdefault(key, []).append(result)
    if not per_folder:
        return [build_exam(images, images[0].study_instance_uid) for images in groups.values()]
    return [
        build_exam(images, only_study(images), folder=None if path is None else str(path.parent))
        for images in groups.values()
        for path in [images[0].path]
    ]


def only_study(images: Sequence[ImageResult]) -> str | None:
    """Return the study that images name, None where they name several or none that can be shown."""
    studies = {study_of(image) for image in images} - {None}
    if len(studies) != 1:
        return None
    return next(image.study_instance_uid for image in images if study_of(image) in studies)


def _folder(image: ImageResult) -> str | None:
    # A folder can be written in more than one way.
    return None if image.path is None else os.path.abspath(image.path.parent)


def build_exam(
    images: Sequence[ImageResult], study_instance_uid: str | None, *, folder: str | None = None
) -> ExamResult:
    """Put the images of one woman's exam together.

    Parameters
    ----------
    images : sequence of ImageResult
        All of one woman and one exam.
    study_instance_uid : str or None
        The study they belong to.
    folder : str, optional
        The folder that says that they belong together.

    Returns
    -------
    ExamResult
        Without any sum, and with the alarm "BAC-W-EXAM-MIXED" or "BAC-W-EXAM-UNTIED", where headers
        contradict that the images are of one woman and one visit, or nothing says so of a view that is there
        twice; with "BAC-W-EXAM-POINTS" where they were measured at different operating points.
    """
    images = with_repeated_uids(images)
    contradicted, groups = _contradicted(images)
    of_all = _of_all_images(images)
    if contradicted:
        return _without_sum(images, study_instance_uid, folder, [*contradicted, *of_all], groups)
    if len(_points(images)) > 1:
        points = Notice.of("BAC-W-EXAM-POINTS")
        return _without_sum(images, study_instance_uid, folder, [points, *of_all])
    chosen = {(side, view): choose(images, side, view) for side in SIDES for view in VIEWS}
    loose = [side + view for (side, view), choice in chosen.items() if not choice.tied]
    if loose:
        return _without_sum(images, study_instance_uid, folder, [untied(loose), *of_all])
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
    from_area = estimate(area, "woman", [breast.area_estimate for breast in both])
    stretches = _total(breast.vessel_count for breast in both) if complete else None
    odds, basis = category_odds(mass, interval, from_area) if found else (None, None)
    return ExamResult(
        study_instance_uid=study_instance_uid,
        folder=folder,
        complete=complete,
        breasts=breasts,
        calcium_mass_mg=mass,
        calcium_mass_interval_mg=interval,
        mass_category=mass_category(mass, found),
        category_probabilities=odds,
        category_basis=basis,
        area_mm2=area,
        area_class=area_class(area, found),
        area_estimate=from_area,
        csbi_grade=csbi_grade(None if stretches is None else int(stretches), found),
        missing_views=tuple(side + view for (side, view), choice in chosen.items() if not choice.counted),
        alarms=(*of_all, *_repeats(chosen), *inconsistencies(breasts)),
        software=_software(images),
        images=tuple(images),
        min_probability=_point(images),
    )


def _without_sum(
    images: Sequence[ImageResult],
    study_instance_uid: str | None,
    folder: str | None,
    why: Sequence[Notice],
    groups: Sequence[Sequence[int]] = (),
) -> ExamResult:
    """Return an exam in which no image counts, since it cannot be said whose it is."""
    return ExamResult(
        study_instance_uid=study_instance_uid,
        folder=folder,
        complete=False,
        breasts={side: BreastResult(side) for side in SIDES},
        missing_views=tuple(side + view for side in SIDES for view in VIEWS),
        alarms=tuple(why),
        groups=tuple(tuple(_name(images, place) for place in group) for group in groups),
        software=_software(images),
        images=tuple(images),
        min_probability=_point(images),
    )


def _contradicted(images: Sequence[ImageResult]) -> tuple[list[Notice], list[list[int]]]:
    """Say in what images contradict each other, and give the places of those that agree."""
    measured = [place for place, image in enumerate(images) if image.status == "ok"]
    views = [view_of(images[place]) for place in measured]
    found = contradiction([images[place].origin for place in measured], views)
    if found is None:
        return [], []
    named = [[views[place] or "other" for place in group] for group in found.groups]
    return [mixed(found.about, named)], [[measured[place] for place in group] for group in found.groups]


def _of_all_images(images: Sequence[ImageResult]) -> list[Notice]:
    """Tell what is odd about the identifiers of an exam's images."""
    measured = [image for image in images if image.status == "ok"]
    notices = []
    if len({study_of(image) for image in measured} - {None}) > 1:
        notices.append(Notice.of("BAC-W-EXAM-STUDIES"))
    if any(warns(image, "BAC-W-UID-REPEATED") for image in measured):
        notices.append(Notice.of("BAC-W-UID-REPEATED"))
    # Of the map only what an operating point leaves out depends (`_points`). What was read back names none.
    if len({image.weights_sha256 for image in measured} - {None}) > 1:
        notices.append(
            Notice.of(
                "BAC-W-WEIGHTS-DIFFER", "the images of this exam were not all measured by the same weights"
            )
        )
    return notices


def _name(images: Sequence[ImageResult], place: int) -> str:
    image = images[place]
    return image.sop_instance_uid or (f"image {place + 1}" if image.path is None else str(image.path))


def _repeats(chosen: Mapping[tuple[Laterality, str], Choice]) -> list[Notice]:
    notices = []
    for (side, view), choice in chosen.items():
        if len(choice.equals) > 1:
            notices.append(repeated_view(side + view, len(choice.equals), len(choice.counted)))
        if choice.superseded:
            notices.append(earlier_view(side + view))
    return notices


def _software(images: Sequence[ImageResult]) -> dict[str, str | None]:
    """Say what measured all images; None where that is not known or not the same."""
    measured = [image for image in images if image.status == "ok"]
    weights = {image.weights_sha256 for image in measured}
    maps = {image.map_sha256 for image in measured}
    return {
        "bacctl": __version__,
        "model": weights.pop() if len(weights) == 1 else None,
        "probability_map": maps.pop() if len(maps) == 1 else None,
    }


def _points(images: Sequence[ImageResult]) -> set[tuple[float, str | None]]:
    """Collect the operating points; what one above 0 leaves out depends on the map too."""
    return {
        (image.min_probability or 0.0, image.map_sha256 if image.min_probability else None)
        for image in images
        if image.status == "ok"
    }


def _point(images: Sequence[ImageResult]) -> float | None:
    """Return the operating point of all images, None where there are several or none."""
    points = {point for point, _ in _points(images)}
    return points.pop() if len(points) == 1 else None


def _view(images: Sequence[ImageResult]) -> ViewResult:
    weighed = [image for image in images if image.calcium_mass_mg is not None]
    area = _mean(image.area_mm2 for image in images)
    return ViewResult(
        sop_instance_uids=tuple(
            sorted({image.sop_instance_uid for image in images if image.sop_instance_uid})
        ),
        bac_detected=any(image.bac_detected for image in images),
        calcium_mass_mg=_mean(image.calcium_mass_mg for image in weighed),
        calcium_mass_interval_mg=_mean_interval(image.calcium_mass_interval_mg for image in weighed),
        mass_basis=_weakest(image.mass_basis for image in weighed),
        area_mm2=area,
        area_estimate=estimate(area, "view", [image.area_estimate for image in images]),
        vessel_count=_fewest([(image.bac_detected, image.vessel_count) for image in images]),
    )


def _breast(side: Laterality, by_view: Mapping[str, ViewResult]) -> BreastResult:
    weighed = {view: result for view, result in by_view.items() if result.calcium_mass_mg is not None}
    area = _mean(result.area_mm2 for result in by_view.values())
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
        area_mm2=area,
        area_estimate=estimate(area, "breast", [result.area_estimate for result in by_view.values()]),
        vessel_count=_fewest([(result.bac_detected, result.vessel_count) for result in by_view.values()]),
        by_view=dict(by_view),
    )


def _weakest(bases: Iterable[MassBasis]) -> MassBasis:
    return min(bases, key=STRENGTH.__getitem__, default="none")


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
