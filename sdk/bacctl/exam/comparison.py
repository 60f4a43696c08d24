"""Change between two exams of one woman, and how large it must be to be one. ``docs/exam.md`` derives it all.

Mass
----
The limit is 1.96 standard deviations of the difference of two exams of unchanged arteries, as far as it
follows from published reproducibility and the intervals of the masses: an artery that was missed or wrongly
outlined is not in it. In it are

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

from bac_terms.catalogue import CATALOGUE
from bac_terms.errors import RefusedError
from bac_terms.measured import Laterality
from bacctl.exam.alarms import CC_FROM_MLO, NO_SUM
from bacctl.exam.comparison_notices import comparison_notices, other_basis
from bacctl.exam.identity import different_patients
from bacctl.exam.scales import NORMAL_95, standard_deviation
from bacctl.results.comparison import BreastComparison, Change, ExamComparison, Obstacle, Verdict
from bacctl.results.exam import BreastResult, ExamResult

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
        BAC-COMPARE-SAME: both are the same study. BAC-COMPARE-PATIENT: the headers of the two exams, or of
        one of them, name different patients. BAC-COMPARE-FAILED: an image of one of them could not be
        analysed. BAC-COMPARE-EXAM: the images of one of them are not of one woman and one visit.
        BAC-COMPARE-POINT: they were measured at different operating points.
    """
    _refuse_strangers(prior, current)
    _refuse_half_measured(prior, current)
    _refuse_other_point(prior, current)
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
    notices = comparison_notices(prior, current, mass_change)
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
    weighed = [view for view in views if _weighed(prior, view) and _weighed(current, view)]
    if not weighed:
        return _Pair(reason="no_mass" if views else "no_common_view")
    alike = [view for view in weighed if not other_basis(prior, current, view)]
    if not alike:
        return _Pair(_mean_mass(prior, weighed), _mean_mass(current, weighed), reason="other_basis")
    before, after = _mean_mass(prior, alike), _mean_mass(current, alike)
    before_sd, after_sd = _mean_deviation(prior, alike), _mean_deviation(current, alike)
    if before_sd is None or after_sd is None:
        return _Pair(before, after, reason="no_interval")
    random = VIEW_SD_MG * math.sqrt(2.0 / len(alike))
    return _Pair(before, after, random=random, prior_common=before_sd, current_common=after_sd)


def _area(prior: BreastResult, current: BreastResult, factor: tuple[float, float] | None) -> _Pair:
    views = _common(prior, current)
    if not views:
        return _Pair(reason="no_common_view")
    before, after = _mean_area(prior, views), _mean_area(current, views)
    if before is None or after is None:
        return _Pair(before, after, reason="no_area")
    if before == after == 0.0:
        return _Pair(before, after)  # nothing found twice has no spread
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


def _weighed(breast: BreastResult, view: str) -> bool:
    mass = breast.by_view[view].calcium_mass_mg
    return mass is not None and math.isfinite(mass)


def _mean_mass(breast: BreastResult, views: Sequence[str]) -> float:
    masses = (breast.by_view[view].calcium_mass_mg for view in views)
    return fmean(mass for mass in masses if mass is not None)


def _mean_area(breast: BreastResult, views: Sequence[str]) -> float | None:
    areas = [breast.by_view[view].area_mm2 for view in views]
    known = [area for area in areas if area is not None and math.isfinite(area)]
    return fmean(known) if len(known) == len(areas) else None


def _mean_deviation(breast: BreastResult, views: Sequence[str]) -> float | None:
    deviations = []
    for view in views:
        mass, interval = breast.by_view[view].calcium_mass_mg, breast.by_view[view].calcium_mass_interval_mg
        if mass is None or interval is None or not all(map(math.isfinite, interval)):
            return None
        deviations.append(standard_deviation(mass, interval))
    return fmean(deviations)


def _area_factor(prior: ExamResult, current: ExamResult) -> tuple[float, float] | None:
    """Estimate a view's variance of area per mm2 of area, and Student's t for it.

    Returns None where fewer than two breasts have two views that show BAC.
    """
    breasts = [breast for exam in (prior, current) for breast in exam.breasts.values()]
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
    if different_patients([image.origin for exam in (prior, current) for image in exam.images]):
        raise _refusal("BAC-COMPARE-PATIENT")
    for name, exam in (("prior", prior), ("current", current)):
        if any(alarm.code in NO_SUM for alarm in exam.alarms):
            raise _refusal("BAC-COMPARE-EXAM", f"the {name} exam: ")


def _refuse_half_measured(prior: ExamResult, current: ExamResult) -> None:
    # What is missing by chance now would be taken for regression, or for progression the next time.
    for name, exam in (("prior", prior), ("current", current)):
        if any(image.status == "failed" for image in exam.images):
            raise _refusal("BAC-COMPARE-FAILED", f"the {name} exam: ")


def _refuse_other_point(prior: ExamResult, current: ExamResult) -> None:
    # What an operating point above 0 leaves out depends on the map from scores to probabilities.
    known = [exam for exam in (prior, current) if exam.min_probability is not None]
    points = {
        (exam.min_probability, exam.software.get("probability_map") if exam.min_probability else None)
        for exam in known
    }
    if len(points) > 1:
        raise _refusal("BAC-COMPARE-POINT")


def _refusal(code: str, where: str = "") -> RefusedError:
    return RefusedError(code, f"{where}{CATALOGUE[code].meaning}")
