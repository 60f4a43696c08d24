"""What an exam gives back: one record a breast, one a woman. ``bacctl.exam.build`` fills them in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from bac_terms.measured import Laterality, MassBasis
from bac_terms.notices import Notice
from bacctl.results.image import ImageResult, as_list
from bacctl.results.parts import AreaEstimate

if TYPE_CHECKING:
    from bacctl.results.frames import Library

MassCategory = Literal["0", "0-20", "20-40", "40-60", "60-80", ">80"]
AreaClass = Literal["0", "0-10", "10-25", ">25"]
CsbiGrade = Literal[0, 2, 3]
CategoryBasis = Literal["mass", "area"]

SIDES: tuple[Laterality, ...] = ("L", "R")
VIEWS = ("CC", "MLO")


@dataclass(frozen=True, slots=True)
class ViewResult:
    """What counts for one view of one breast: one image, or the mean of repeats none of which is the latest.

    Attributes
    ----------
    sop_instance_uids : tuple of str
        The images that count, where they have identifiers.
    bac_detected : bool
        On any of them.
    calcium_mass_mg, area_mm2 : float or None
        As for an image.
    calcium_mass_interval_mg : tuple of float or None
        (low, high), 95 %.
    mass_basis : {"calibrated", "estimated", "none"}
        How the mass came about.
    area_estimate : AreaEstimate or None
        What the area says of the mass where every image that counts is of the kind that this is known for.
    vessel_count : int or None
        Calcified stretches of artery, gaps under 2 mm bridged. None where they are not listed.
    """

    sop_instance_uids: tuple[str, ...] = ()
    bac_detected: bool = False
    calcium_mass_mg: float | None = None
    calcium_mass_interval_mg: tuple[float, float] | None = None
    mass_basis: MassBasis = "none"
    area_mm2: float | None = None
    vessel_count: int | None = None
    area_estimate: AreaEstimate | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object."""
        return {
            "sop_instance_uids": list(self.sop_instance_uids),
            "bac_detected": self.bac_detected,
            "calcium_mass_mg": self.calcium_mass_mg,
            "calcium_mass_interval_mg": as_list(self.calcium_mass_interval_mg),
            "mass_basis": self.mass_basis,
            "area_mm2": self.area_mm2,
            "vessel_count": self.vessel_count,
            "area_estimate": _or_null(self.area_estimate),
        }


@dataclass(frozen=True, slots=True)
class BreastResult:
    """One breast, from its accepted CC and MLO images.

    Attributes
    ----------
    laterality : {"L", "R"}
        Which breast.
    views : tuple of str
        Accepted views, of "CC" and "MLO".
    mass_views : tuple of str
        Those of them that entered the mass.
    bac_detected : bool or None
        On any accepted view; None where there is none.
    calcium_mass_mg, area_mm2 : float or None
        Mean of the views.
    calcium_mass_interval_mg : tuple of float or None
        (low, high), 95 %.
    mass_basis : {"calibrated", "estimated", "none"}
        The weaker of the bases of the views that entered.
    area_estimate : AreaEstimate or None
        What the area says of the mass where every view that counts is of the kind that this is known for.
    vessel_count : int or None
        Calcified stretches, of the view that shows fewer, of those that show BAC: a breast whose BAC shows on
        one view has the count of that view.
    by_view : mapping of str to ViewResult
        What counts for each accepted view.
    """

    laterality: Laterality
    views: tuple[str, ...] = ()
    mass_views: tuple[str, ...] = ()
    bac_detected: bool | None = None
    calcium_mass_mg: float | None = None
    calcium_mass_interval_mg: tuple[float, float] | None = None
    mass_basis: MassBasis = "none"
    area_mm2: float | None = None
    vessel_count: int | None = None
    area_estimate: AreaEstimate | None = None
    by_view: Mapping[str, ViewResult] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object."""
        return {
            "views": list(self.views),
            "mass_views": list(self.mass_views),
            "bac_detected": self.bac_detected,
            "calcium_mass_mg": self.calcium_mass_mg,
            "calcium_mass_interval_mg": as_list(self.calcium_mass_interval_mg),
            "mass_basis": self.mass_basis,
            "area_mm2": self.area_mm2,
            "vessel_count": self.vessel_count,
            "area_estimate": _or_null(self.area_estimate),
            "by_view": {view: result.to_dict() for view, result in self.by_view.items()},
        }


@dataclass(frozen=True, slots=True)
class ExamResult:
    """One woman's exam: the images of one study, or of one folder.

    Attributes
    ----------
    study_instance_uid : str or None
        None where the headers name no study, several, or one that is not written as a number is.
    folder : str or None
        The folder that the images lie in, where it and not the study says that they belong together.
    complete : bool
        Whether each breast has an accepted CC or MLO image.
    breasts : mapping
        "L" and "R" to BreastResult, always both.
    calcium_mass_mg, area_mm2 : float or None
        Left plus right; None where a breast has none.
    calcium_mass_interval_mg : tuple of float or None
        (low, high), 95 %.
    mass_category : str or None
        "0" (no BAC found), "0-20", "20-40", "40-60", "60-80" or ">80" mg; an upper edge belongs to the
        lower category.
    category_probabilities : mapping or None
        Probability of each category above "0" given that BAC is there; None without an interval or without
        BAC.
    category_basis : {"mass", "area"} or None
        What they follow from: the mass, or the estimate from the area where there is none.
    area_class : str or None
        "0", "0-10", "10-25" or ">25" mm2, edges as for the mass.
    area_estimate : AreaEstimate or None
        What the area says of the mass where no breast has one, and both have an estimate.
    csbi_grade : {0, 2, 3} or None
        Estimate, from counts, of the grade of the Canadian Society of Breast Imaging: 0 where no BAC is
        found, 2 for fewer than three calcified stretches in both breasts together, 3 from three on. Never 1,
        "few punctate": what is that small is not outlined, so that a 0 may be a 1. ``docs/exam.md`` has the
        reasons and the limits.
    missing_views : tuple of str
        Of "LCC", "LMLO", "RCC", "RMLO", those without an accepted image.
    alarms : tuple of Notice
        What does not fit together in this exam.
    min_probability : float or None
        The operating point of all its images; None where they have several, or none was measured.
    groups : tuple of tuple of str
        Where headers contradict that the images are of one woman and one visit, so that there is no sum: the
        images that agree, by SOP Instance UID, or by path where they have none. Empty otherwise.
    software : mapping of str to (str or None)
        What put it together and measured it: "bacctl", a version, "model", the SHA-256 of the weights, and
        "probability_map", that of the map that made probabilities of scores, None without one. Not in the
        exam's JSON, where the document says it.
    files : mapping of str to str
        Files written, by kind.
    images : tuple of ImageResult
        Every image of the study, accepted or not. Not in the exam's JSON, where images have a list of their
        own.
    """

    study_instance_uid: str | None
    complete: bool
    breasts: Mapping[Laterality, BreastResult]
    calcium_mass_mg: float | None = None
    calcium_mass_interval_mg: tuple[float, float] | None = None
    mass_category: MassCategory | None = None
    category_probabilities: Mapping[str, float] | None = None
    area_mm2: float | None = None
    area_class: AreaClass | None = None
    csbi_grade: CsbiGrade | None = None
    missing_views: tuple[str, ...] = ()
    alarms: tuple[Notice, ...] = ()
    software: Mapping[str, str | None] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    images: tuple[ImageResult, ...] = field(default=(), repr=False)
    folder: str | None = None
    groups: tuple[tuple[str, ...], ...] = ()
    min_probability: float | None = None
    category_basis: CategoryBasis | None = None
    area_estimate: AreaEstimate | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the exam object of ``schema/analysis-1.json``."""
        odds = self.category_probabilities
        return {
            "study_instance_uid": self.study_instance_uid,
            "folder": self.folder,
            "complete": self.complete,
            "breasts": {side: breast.to_dict() for side, breast in self.breasts.items()},
            "calcium_mass_mg": self.calcium_mass_mg,
            "calcium_mass_interval_mg": as_list(self.calcium_mass_interval_mg),
            "mass_category": self.mass_category,
            "category_probabilities": None if odds is None else dict(odds),
            "category_basis": self.category_basis,
            "area_mm2": self.area_mm2,
            "area_class": self.area_class,
            "area_estimate": _or_null(self.area_estimate),
            "csbi_grade": self.csbi_grade,
            "missing_views": list(self.missing_views),
            "alarms": [alarm.to_dict() for alarm in self.alarms],
            "groups": [list(group) for group in self.groups],
            "min_probability": self.min_probability,
            "files": dict(self.files),
        }

    @classmethod
    def from_dict(cls, value: Any, software: Mapping[str, str | None] | None = None) -> ExamResult:
        """Read an exam object of ``schema/analysis-1.json``, as `to_dict` wrote it.

        Parameters
        ----------
        value : mapping
            The object.
        software : mapping, optional
            That of the document it stands in.

        Returns
        -------
        ExamResult
            Without its images, which are not in the object.

        Raises
        ------
        ValueError
            It does not follow the schema.
        """
        from bacctl.results.saved import read_exam

        try:
            exam = read_exam(value, software or {"bacctl": None, "model": None})
        except KeyError as missing:
            raise ValueError(f"no exam: {missing} is missing") from None
        return exam if software is not None else replace(exam, software={})

    def to_frame(self, *, library: Library = "pandas") -> Any:
        """Put the images of this exam into a table; `bacctl.to_frame` makes tables of exams too."""
        from bacctl.results.frames import to_frame

        return to_frame(self.images, library=library)


def _or_null(estimate: AreaEstimate | None) -> dict[str, Any] | None:
    return None if estimate is None else estimate.to_dict()
