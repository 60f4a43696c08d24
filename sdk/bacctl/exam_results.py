"""What an exam gives back: one record a breast, one a woman. ``bacctl.exam`` fills them in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from bacctl.image_result import ImageResult, Laterality, MassBasis, Notice

MassCategory = Literal["0", "0-20", "20-40", "40-60", "60-80", ">80"]
AreaClass = Literal["0", "0-10", "10-25", ">25"]


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
    """

    laterality: Laterality
    views: tuple[str, ...] = ()
    mass_views: tuple[str, ...] = ()
    bac_detected: bool | None = None
    calcium_mass_mg: float | None = None
    calcium_mass_interval_mg: tuple[float, float] | None = None
    mass_basis: MassBasis = "none"
    area_mm2: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object."""
        interval = self.calcium_mass_interval_mg
        return {
            "views": list(self.views),
            "mass_views": list(self.mass_views),
            "bac_detected": self.bac_detected,
            "calcium_mass_mg": self.calcium_mass_mg,
            "calcium_mass_interval_mg": None if interval is None else list(interval),
            "mass_basis": self.mass_basis,
            "area_mm2": self.area_mm2,
        }


@dataclass(frozen=True, slots=True)
class ExamResult:
    """One woman's exam: the images of one study.

    Attributes
    ----------
    study_instance_uid : str or None
        None only for images whose headers name no study.
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
    area_class : str or None
        "0", "0-10", "10-25" or ">25" mm2, edges as for the mass.
    csbi_grade : int or None
        0 where no BAC is found, else None: grades 1 to 3 rest on the form of the calcification and on whole
        vessels, neither of which is measured here.
    missing_views : tuple of str
        Of "LCC", "LMLO", "RCC", "RMLO", those without an accepted image.
    alarms : tuple of Notice
        What does not fit together in this exam.
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
    csbi_grade: int | None = None
    missing_views: tuple[str, ...] = ()
    alarms: tuple[Notice, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    images: tuple[ImageResult, ...] = field(default=(), repr=False)

    def to_dict(self) -> dict[str, Any]:
        """Return the exam object of ``schema/analysis-1.json``."""
        interval = self.calcium_mass_interval_mg
        odds = self.category_probabilities
        return {
            "study_instance_uid": self.study_instance_uid,
            "complete": self.complete,
            "breasts": {side: breast.to_dict() for side, breast in self.breasts.items()},
            "calcium_mass_mg": self.calcium_mass_mg,
            "calcium_mass_interval_mg": None if interval is None else list(interval),
            "mass_category": self.mass_category,
            "category_probabilities": None if odds is None else dict(odds),
            "area_mm2": self.area_mm2,
            "area_class": self.area_class,
            "csbi_grade": self.csbi_grade,
            "missing_views": list(self.missing_views),
            "alarms": [alarm.to_dict() for alarm in self.alarms],
            "files": dict(self.files),
        }
