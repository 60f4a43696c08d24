"""What should be known about a comparison of two exams, beside its verdicts."""

from __future__ import annotations

from collections.abc import Iterator

from bac_terms.notices import Notice
from bacctl.results.comparison import Change
from bacctl.results.exam import BreastResult, ExamResult


def comparison_notices(prior: ExamResult, current: ExamResult, mass: Change) -> tuple[Notice, ...]:
    """List what should be known.

    Parameters
    ----------
    prior, current : ExamResult
        The earlier exam and the later one.
    mass : Change
        Of the woman's mass.

    Returns
    -------
    tuple of Notice
    """
    return tuple(map(Notice.of, _codes(prior, current, mass)))


def _codes(prior: ExamResult, current: ExamResult, mass: Change) -> Iterator[str]:
    exams = (prior, current)
    sides = [(prior.breasts[side], current.breasts[side]) for side in prior.breasts]
    if not all(_patients(exam) and _took_place(exam) for exam in exams):
        yield "BAC-W-COMPARE-UNCHECKED"
    if _took_place(prior) > _took_place(current) > "":
        yield "BAC-W-COMPARE-ORDER"
    if any(_left_out(exam) for exam in exams):
        yield "BAC-W-COMPARE-LEFT-OUT"
    # Weights of None are those of an exam that was measured with several, or does not tell.
    if any(
        prior.software.get(name) is None or prior.software.get(name) != current.software.get(name)
        for name in ("bacctl", "model")
    ):
        yield "BAC-W-COMPARE-SOFTWARE"
    if any(_overlap(*pair) for pair in sides):
        yield "BAC-W-COMPARE-VIEWS"
    if any(other_basis(*pair, view) for pair in sides for view in pair[0].by_view) or (
        mass.reason == "no_mass" and _bases(prior) != _bases(current)
    ):
        yield "BAC-W-COMPARE-BASIS"
    if {exam.bac_detected for exam in exams} == {True, False} and mass.verdict in (
        "within_limit",
        "not_comparable",
    ):
        yield "BAC-W-COMPARE-DETECTION"


def _patients(exam: ExamResult) -> set[bytes]:
    """Return the digests of all patients that the headers of an exam name; there should be one at most."""
    named = (image.origin.patient for image in exam.images if image.origin is not None)
    return {patient for patient in named if patient is not None}


def other_basis(prior: BreastResult, current: BreastResult, view: str) -> bool:
    """Tell whether a view has a mass in both exams, and a calibrated one in one of them only."""
    pair = [breast.by_view[view] for breast in (prior, current) if view in breast.by_view]
    weighed = [result.mass_basis for result in pair if result.calcium_mass_mg is not None]
    return len(weighed) == 2 and weighed[0] != weighed[1]


def _left_out(exam: ExamResult) -> bool:
    """Tell whether images were refused, or cannot be said to be of this study."""
    strays = exam.study_instance_uid is not None
    return any(
        image.status == "refused" or (strays and image.study_instance_uid is None) for image in exam.images
    )


def _overlap(prior: BreastResult, current: BreastResult) -> bool:
    """Tell whether the exams have some views of a breast, or their masses, in common and not all."""
    pairs = ((set(prior.views), set(current.views)), (set(prior.mass_views), set(current.mass_views)))
    return any(one != other and bool(one & other) for one, other in pairs)


def _took_place(exam: ExamResult) -> str:
    taken = [image.origin.taken for image in exam.images if image.origin is not None]
    return max((moment for moment in taken if moment is not None), default="")


def _bases(exam: ExamResult) -> set[str]:
    return {result.mass_basis for breast in exam.breasts.values() for result in breast.by_view.values()}
