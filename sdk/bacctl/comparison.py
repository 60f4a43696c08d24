"""Change between two exams of one woman, and how large it must be to be one. ``docs/exam.md`` derives it all.

Mass
----
The limit is 1.96 standard deviations of the difference of two exams of unchanged arteries. In it are

* the published spread of one view against the other (Molloi et al., Academic Radiology 2009), which holds
  positioning, compression, projection and outline: ``M_CC = 0.82 M_MLO + 0.27 mg`` with a standard error of
  3.44 mg, so that with equal errors a view has 3.44 / sqrt(1 + 0.82^2) = 2.66 mg, a breast of two views
  2.66 / sqrt(2) = 1.88 mg, and each exam has that anew;
* the interval of each of the two masses, as if nothing in them was common to both. What is common (the same
  unit, beam and method) cancels in a difference, but how much that is, a result does not say.

Area
----
No repeatability of area was found published. The two views of a breast are the only repetition that an exam
holds, so that the spread comes from them: a view's variance is taken as proportional to the area, and its
factor from the pairs of views of both exams, with Student's t for their number. On top, each outline may be
off by half a working pixel on both sides: 7 % of the area of a vessel 1.5 mm wide.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from bac_imaging.errors import CATALOGUE
from bacctl.comparison_results import BreastComparison, Change, ExamComparison, Obstacle, Verdict
from bacctl.errors import RefusedError
from bacctl.exam_alarms import CC_FROM_MLO
from bacctl.exam_results import BreastResult, ExamResult
from bacctl.exam_scales import NORMAL_95, standard_deviation
from bacctl.image_result import Laterality, Notice

VIEW_SD_MG = CC_FROM_MLO.error_mg / math.hypot(1.0, CC_FROM_MLO.slope)
OUTLINE_SD = 0.1 / 1.5
# Two-sided 95 % points of Student's t, by the number of pairs; one pair says too little.
_STUDENT_95: Mapping[int, float] = {2: 4.303, 3: 3.182, 4: 2.776}


def compare_exams(prior: ExamResult, current: ExamResult) -> ExamComparison:
    """Compare two exams of one woman.

    Parameters
    ----------
    prior, current : ExamResult
        The earlier exam and the later one.

    Returns
    -------
    ExamComparison
        A difference beyond the repeatability limit is "progressed" or "regressed". What cannot be compared
        says why.

    Raises
    ------
    RefusedError
        BAC-COMPARE-SAME: both are the same study. BAC-COMPARE-PATIENT: the headers of the two exams name
        different patients.
    """
    _refuse_strangers(prior, current)
    factor = _area_factor(prior, current)
    pairs: dict[Laterality, tuple[_Pair, _Pair]] = {}
    breasts: dict[Laterality, BreastComparison] = {}
    for side in prior.breasts:
        before, after = prior.breasts[side], current.breasts[side]
        mass, area = _mass(before, after), _area(before, after, factor)
        pairs[side] = mass, area
        breasts[side] = BreastComparison(side, tuple(_common(before, after)), mass.change(), area.change())
    masses, areas = zip(*pairs.values(), strict=True)
    mass_change, area_change = _sum(masses).change(), _sum(areas).change()
    notices = _notices(prior, current, mass_change, breasts)
    return ExamComparison(prior, current, breasts, mass_change, area_change, notices)


@dataclass(frozen=True)
class _Pair:
    """One amount in both exams, with the parts of the standard deviation of its difference.

    ``random`` belongs to one breast alone; ``prior_common`` and ``current_common`` are shared by the breasts
    of one exam, and so add up over them. ``multiple`` makes the random part a limit.
    """

    prior: float | None = None
    current: float | None = None
    random: float = 0.0
    prior_common: float = 0.0
    current_common: float = 0.0
    multiple: float = NORMAL_95
    reason: Obstacle | None = None

    def change(self) -> Change:
        if self.reason is not None or self.prior is None or self.current is None:
            return Change(self.prior, self.current, reason=self.reason)
        common = NORMAL_95 * math.hypot(self.prior_common, self.current_common)
        limit = math.hypot(self.multiple * self.random, common)
        difference = self.current - self.prior
        verdict: Verdict = "progressed" if difference > 0.0 else "regressed"
        if abs(difference) <= limit:
            verdict = "within_limit"
        return Change(self.prior, self.current, difference, limit, verdict)


def _sum(pairs: Sequence[_Pair]) -> _Pair:
    """Add the breasts up."""
    reason = next((pair.reason for pair in pairs if pair.reason is not None), None)
    return _Pair(
        prior=_added([pair.prior for pair in pairs]),
        current=_added([pair.current for pair in pairs]),
        random=math.hypot(*(pair.random for pair in pairs)),
        prior_common=math.fsum(pair.prior_common for pair in pairs),
        current_common=math.fsum(pair.current_common for pair in pairs),
        multiple=max(pair.multiple for pair in pairs),
        reason=reason,
    )


def _added(amounts: Sequence[float | None]) -> float | None:
    known = [amount for amount in amounts if amount is not None]
    return math.fsum(known) if len(known) == len(amounts) else None


def _mass(prior: BreastResult, current: BreastResult) -> _Pair:
    views = _common(prior, current)
    weighed = [view for view in views if view in prior.mass_views and view in current.mass_views]
    if not weighed:
        reason: Obstacle = "no_mass" if views else "no_common_view"
        return _Pair(prior.calcium_mass_mg, current.calcium_mass_mg, reason=reason)
    before, after = _mean_mass(prior, weighed), _mean_mass(current, weighed)
    if any(prior.by_view[view].mass_basis != current.by_view[view].mass_basis for view in weighed):
        return _Pair(before, after, reason="other_basis")
    before_sd, after_sd = _mean_deviation(prior, weighed), _mean_deviation(current, weighed)
    if before_sd is None or after_sd is None:
        return _Pair(before, after, reason="no_interval")
    random = VIEW_SD_MG * math.sqrt(2.0 / len(weighed))
    return _Pair(before, after, random=random, prior_common=before_sd, current_common=after_sd)


def _area(prior: BreastResult, current: BreastResult, factor: tuple[float, float] | None) -> _Pair:
    views = _common(prior, current)
    if not views:
        return _Pair(prior.area_mm2, current.area_mm2, reason="no_common_view")
    before, after = _mean_area(prior, views), _mean_area(current, views)
    if before is None or after is None:
        return _Pair(before, after, reason="no_area")
    if factor is None:
        return _Pair(before, after, reason="too_few_views")
    per_mm2, multiple = factor
    return _Pair(
        before,
        after,
        random=math.sqrt(per_mm2 * (before + after) / len(views)),  # two exams of the mean of both areas
        prior_common=OUTLINE_SD * before,
        current_common=OUTLINE_SD * after,
        multiple=multiple,
    )


def _common(prior: BreastResult, current: BreastResult) -> list[str]:
    return [view for view in prior.by_view if view in current.by_view]


def _mean_mass(breast: BreastResult, views: Sequence[str]) -> float:
    masses = (breast.by_view[view].calcium_mass_mg for view in views)
    return fmean(mass for mass in masses if mass is not None)


def _mean_area(breast: BreastResult, views: Sequence[str]) -> float | None:
    areas = [breast.by_view[view].area_mm2 for view in views]
    known = [area for area in areas if area is not None]
    return fmean(known) if len(known) == len(areas) else None


def _mean_deviation(breast: BreastResult, views: Sequence[str]) -> float | None:
    deviations = []
    for view in views:
        mass, interval = breast.by_view[view].calcium_mass_mg, breast.by_view[view].calcium_mass_interval_mg
        if mass is None or interval is None:
            return None
        deviations.append(standard_deviation(mass, interval))
    return fmean(deviations)


def _area_factor(prior: ExamResult, current: ExamResult) -> tuple[float, float] | None:
    """Estimate a view's variance of area per mm2 of area, and Student's t for it.

    Returns None where fewer than two breasts have two views that show BAC. (0, 1.96) where no view of
    either exam shows any: nothing was found twice, and there is no spread.
    """
    breasts = [breast for exam in (prior, current) for breast in exam.breasts.values()]
    if not any(breast.area_mm2 for breast in breasts):
        return 0.0, NORMAL_95
    terms = []
    for breast in breasts:
        areas = [result.area_mm2 for result in breast.by_view.values() if result.area_mm2 is not None]
        if len(areas) == 2 and fmean(areas) > 0.0:
            terms.append((areas[0] - areas[1]) ** 2 / fmean(areas))
    if len(terms) not in _STUDENT_95:
        return None
    return math.fsum(terms) / (2.0 * len(terms)), _STUDENT_95[len(terms)]


def _refuse_strangers(prior: ExamResult, current: ExamResult) -> None:
    if prior.study_instance_uid is not None and prior.study_instance_uid == current.study_instance_uid:
        raise _refusal("BAC-COMPARE-SAME")
    patients = [
        {image.origin.patient for image in exam.images if image.origin is not None} - {None}
        for exam in (prior, current)
    ]
    if all(patients) and patients[0].isdisjoint(patients[1]):
        raise _refusal("BAC-COMPARE-PATIENT")


def _refusal(code: str) -> RefusedError:
    return RefusedError(code, f"{CATALOGUE[code].meaning}; {CATALOGUE[code].hint}")


def _notices(
    prior: ExamResult,
    current: ExamResult,
    mass: Change,
    breasts: Mapping[Laterality, BreastComparison],
) -> tuple[Notice, ...]:
    codes = []
    if _took_place(prior) > _took_place(current) > "":
        codes.append("BAC-W-COMPARE-ORDER")
    if any(
        prior.software.get(name)
        and current.software.get(name)
        and prior.software[name] != current.software[name]
        for name in ("bacctl", "model")
    ):
        codes.append("BAC-W-COMPARE-SOFTWARE")
    if any(_overlap(prior.breasts[side], current.breasts[side]) for side in breasts):
        codes.append("BAC-W-COMPARE-VIEWS")
    reasons = {mass.reason, *(breast.calcium_mass_mg.reason for breast in breasts.values())}
    if "other_basis" in reasons or ("no_mass" in reasons and _bases(prior) != _bases(current)):
        codes.append("BAC-W-COMPARE-BASIS")
    found = {_detected(exam) for exam in (prior, current)}
    if found == {True, False} and mass.verdict in ("within_limit", "not_comparable"):
        codes.append("BAC-W-COMPARE-DETECTION")
    return tuple(Notice(code, f"{CATALOGUE[code].meaning}; {CATALOGUE[code].hint}") for code in codes)


def _overlap(prior: BreastResult, current: BreastResult) -> bool:
    """Tell whether the exams have some views of a breast, or their masses, in common and not all."""
    pairs = ((set(prior.views), set(current.views)), (set(prior.mass_views), set(current.mass_views)))
    return any(one != other and bool(one & other) for one, other in pairs)


def _took_place(exam: ExamResult) -> str:
    taken = [image.origin.taken for image in exam.images if image.origin is not None]
    return max((moment for moment in taken if moment is not None), default="")


def _bases(exam: ExamResult) -> set[str]:
    return {result.mass_basis for breast in exam.breasts.values() for result in breast.by_view.values()}


def _detected(exam: ExamResult) -> bool | None:
    found = [breast.bac_detected for breast in exam.breasts.values()]
    return True if True in found else None if None in found else False
