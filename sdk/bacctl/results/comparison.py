"""What a comparison of two exams gives back. ``bacctl.exam.comparison`` fills it in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from bac_terms.measured import Laterality
from bac_terms.notices import Notice
from bacctl.results._checked import amount, finite, items, known, one_of, table
from bacctl.results.exam import SIDES, VIEWS, BreastResult, ExamResult

Verdict = Literal["progressed", "regressed", "within_limit", "not_comparable"]
Obstacle = Literal["no_common_view", "no_mass", "other_basis", "no_interval", "no_area", "too_few_views"]

_VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
_OBSTACLES: tuple[Obstacle, ...] = get_args(Obstacle)


@dataclass(frozen=True, slots=True)
class Change:
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

    prior: float | None = None
    current: float | None = None
    difference: float | None = None
    limit: float | None = None
    verdict: Verdict = "not_comparable"
    reason: Obstacle | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object."""
        return {
            "prior": self.prior,
            "current": self.current,
            "difference": self.difference,
            "limit": self.limit,
            "verdict": self.verdict,
            "reason": self.reason,
        }

    @classmethod
    def from_dict(cls, value: Any) -> Change:
        """Read what `to_dict` wrote; KeyError or ValueError where it is something else."""
        entry = table(value)
        return cls(
            known(entry["prior"], amount),
            known(entry["current"], amount),
            known(entry["difference"], finite),
            known(entry["limit"], amount),
            one_of(entry["verdict"], _VERDICTS),
            known(entry["reason"], lambda reason: one_of(reason, _OBSTACLES)),
        )


@dataclass(frozen=True, slots=True)
class BreastComparison:
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

    laterality: Laterality
    views: tuple[str, ...]
    calcium_mass_mg: Change
    area_mm2: Change

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object."""
        return {
            "views": list(self.views),
            "calcium_mass_mg": self.calcium_mass_mg.to_dict(),
            "area_mm2": self.area_mm2.to_dict(),
        }

    @classmethod
    def from_dict(cls, value: Any, laterality: Laterality) -> BreastComparison:
        """Read what `to_dict` wrote of one breast; KeyError or ValueError where it is something else."""
        entry = table(value)
        return cls(
            laterality,
            tuple(one_of(view, VIEWS) for view in items(entry["views"])),
            Change.from_dict(entry["calcium_mass_mg"]),
            Change.from_dict(entry["area_mm2"]),
        )


@dataclass(frozen=True, slots=True)
class ExamComparison:
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
        return {
            "prior": _summary(self.prior),
            "current": _summary(self.current),
            "breasts": {side: breast.to_dict() for side, breast in self.breasts.items()},
            "calcium_mass_mg": self.calcium_mass_mg.to_dict(),
            "area_mm2": self.area_mm2.to_dict(),
            "notices": [notice.to_dict() for notice in self.notices],
        }

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
        try:
            entry = table(value)
            breasts = table(entry["breasts"])
            return cls(
                _read_summary(entry["prior"]),
                _read_summary(entry["current"]),
                {side: BreastComparison.from_dict(breasts[side], side) for side in SIDES},
                Change.from_dict(entry["calcium_mass_mg"]),
                Change.from_dict(entry["area_mm2"]),
                tuple(Notice.from_dict(notice) for notice in items(entry["notices"])),
            )
        except KeyError as missing:
            raise ValueError(f"no comparison: {missing} is missing") from None


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
    entry = dict(table(value))
    # What a summary leaves out: nothing is known of it.
    unknown = ExamResult(None, False, {side: BreastResult(side) for side in SIDES}).to_dict()
    unknown["min_probability"] = 0.0  # older releases reported every find
    return ExamResult.from_dict({**unknown, **entry}, software=table(entry["software"]))
