"""What a comparison of two exams gives back. ``bacctl.exam.comparison`` fills it in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from bac_terms.fields import Amount
from bac_terms.measured import Laterality
from bac_terms.notices import Notice
from bac_terms.record import KEY, Condition, Record, read
from bacctl.results.exam import SIDES, BreastResult, ExamResult, Views, read_software

Verdict = Literal["progressed", "regressed", "within_limit", "not_comparable"]
Obstacle = Literal["no_common_view", "no_mass", "other_basis", "no_interval", "no_area", "too_few_views"]


@dataclass(frozen=True, slots=True)
class Change(Record):
    """How one amount changed from the prior exam to the current one.

    Attributes
    ----------
    prior, current : float or None
        The amount in each exam, from the views that both have; for a mass, of those of equal basis where
        there are any. None where there is none.
    difference : float or None
        Current less prior.
    limit : float or None
        Repeatability limit. It follows from published reproducibility and the intervals; an artery that was
        missed or wrongly outlined is not in it: look at both overlays.
    verdict : {"progressed", "regressed", "within_limit", "not_comparable"}
        Whether the difference goes beyond the limit, and where.
    reason : str or None
        Why there is no verdict: "no_common_view" (of a breast), "no_mass" (in one of the exams),
        "other_basis" (calibrated against estimated), "no_interval", "no_area", "too_few_views" (for a limit
        of area).
    """

    condition: ClassVar[Condition | None] = Condition(
        "verdict",
        "not_comparable",
        known=("reason",),
        null=("difference", "limit"),
        otherwise_known=("prior", "current", "difference", "limit"),
        otherwise_null=("reason",),
    )

    prior: Amount | None = None
    current: Amount | None = None
    difference: float | None = None
    limit: Amount | None = None
    verdict: Verdict = "not_comparable"
    reason: Obstacle | None = None


@dataclass(frozen=True, slots=True)
class BreastComparison(Record):
    """How one breast changed.

    Attributes
    ----------
    laterality : {"L", "R"}
        Which breast.
    views : tuple of str
        Of "CC" and "MLO", those that both exams have; only they are compared, and of their masses those of
        equal basis.
    calcium_mass_mg, area_mm2 : Change
        Of the mean of these views.
    """

    laterality: Laterality = field(metadata=KEY)
    views: Views
    calcium_mass_mg: Change
    area_mm2: Change


@dataclass(frozen=True, slots=True)
class ExamComparison(Record):
    """How a woman changed between two exams.

    Attributes
    ----------
    prior, current : ExamResult
        The exams.
    breasts : mapping
        "L" and "R" to BreastComparison, always both.
    calcium_mass_mg, area_mm2 : Change
        Of left plus right.
    notices : tuple of Notice
        What should be known about this comparison.
    """

    prior: ExamResult
    current: ExamResult
    breasts: Mapping[Laterality, BreastComparison]
    calcium_mass_mg: Change
    area_mm2: Change
    notices: tuple[Notice, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the comparison as it stands in ``schema/comparison-1.json``, without its head."""
        return {**Record.to_dict(self), "prior": _summary(self.prior), "current": _summary(self.current)}

    @classmethod
    def from_dict(cls, value: Any) -> ExamComparison:
        """Read a comparison of ``schema/comparison-1.json``, as `to_dict` wrote it.

        Parameters
        ----------
        value : mapping
            The object, with or without its head.

        Returns
        -------
        ExamComparison
            Its exams have what the document says of them: the woman's values, no breasts and no images.

        Raises
        ------
        ValueError
            It does not follow the schema.
        """
        if not isinstance(value, Mapping):
            raise ValueError("no comparison")
        prior, current = (_read_summary(value.get(which)) for which in ("prior", "current"))
        return read(cls, value, prior=prior, current=current)


SUMMARY = (
    "study_instance_uid",
    "complete",
    "calcium_mass_mg",
    "calcium_mass_interval_mg",
    "mass_category",
    "area_mm2",
    "area_class",
    "csbi_grade",
    "missing_views",
    "alarms",
    "min_probability",
)
"""Fields of an exam that its place in a comparison keeps."""


def _summary(exam: ExamResult) -> dict[str, Any]:
    whole = exam.to_dict()
    return {**{name: whole[name] for name in SUMMARY}, "software": dict(exam.software)}


def _read_summary(value: Any) -> ExamResult:
    needed = {*SUMMARY, "software"} - {"min_probability"}
    if not isinstance(value, Mapping) or not needed <= set(value):
        raise ValueError("no summary of an exam")
    given = {"min_probability": 0.0, **value}  # older releases reported every find
    unknown = {side: BreastResult(side) for side in SIDES}
    return read(ExamResult, given, partial=True, breasts=unknown, software=read_software(value["software"]))
