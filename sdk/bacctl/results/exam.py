"""What an exam gives back: one record a breast, one a woman. ``bacctl.exam.build`` fills them in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

from bac_terms.fields import (
    Amount,
    Count,
    Digest,
    Identifier,
    Interval,
    Name,
    Share,
    Text,
    Unique,
    Words,
    one_of,
)
from bac_terms.measured import Laterality, MassBasis
from bac_terms.notices import Notice
from bac_terms.record import KEY, LATER, UNWRITTEN, Record, as_columns, read
from bac_terms.report import AreaEstimate
from bacctl.results.image import ImageResult

if TYPE_CHECKING:
    from bacctl.results.frames import Library

MassCategory = Literal["0", "0-20", "20-40", "40-60", "60-80", ">80"]
AreaClass = Literal["0", "0-10", "10-25", ">25"]
CsbiGrade = Literal[0, 2, 3]
CategoryBasis = Literal["mass", "area"]

SIDES: tuple[Laterality, ...] = ("L", "R")
VIEWS = ("CC", "MLO")

View = Annotated[str, one_of(*VIEWS)]
Views = Annotated[tuple[View, ...], Unique()]
SideAndView = Annotated[str, one_of(*(side + view for side in SIDES for view in VIEWS))]
# Documents hold no others, though their schema allows any name.
CategoryName = Annotated[str, Text(one_of(*get_args(MassCategory)).pattern, {})]


@dataclass(frozen=True, slots=True)
class ViewResult(Record):
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

    sop_instance_uids: tuple[Identifier, ...] = ()
    bac_detected: bool = False
    calcium_mass_mg: Amount | None = None
    calcium_mass_interval_mg: Interval | None = None
    mass_basis: MassBasis = "none"
    area_mm2: Amount | None = None
    vessel_count: Count | None = None
    area_estimate: AreaEstimate | None = field(default=None, metadata=LATER)


@dataclass(frozen=True, slots=True)
class BreastResult(Record):
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

    laterality: Laterality = field(metadata=KEY)
    views: Views = field(default=(), metadata=as_columns())
    mass_views: Views = field(default=(), metadata=as_columns())
    bac_detected: bool | None = None
    calcium_mass_mg: Amount | None = None
    calcium_mass_interval_mg: Interval | None = None
    mass_basis: MassBasis = "none"
    area_mm2: Amount | None = None
    vessel_count: Count | None = None
    area_estimate: AreaEstimate | None = field(default=None, metadata=LATER)
    by_view: Mapping[View, ViewResult] = field(default_factory=dict)

    def check(self) -> None:
        """Raise ValueError where the views are not those that are listed."""
        weighed = tuple(view for view, result in self.by_view.items() if result.calcium_mass_mg is not None)
        if self.views != tuple(self.by_view) or self.mass_views != weighed:
            raise ValueError("the views do not fit together")


@dataclass(frozen=True, slots=True)
class ExamResult(Record):
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

    study_instance_uid: Identifier | None
    complete: bool
    breasts: Mapping[Laterality, BreastResult]
    calcium_mass_mg: Amount | None = None
    calcium_mass_interval_mg: Interval | None = None
    mass_category: MassCategory | None = None
    category_probabilities: Mapping[CategoryName, Share] | None = None
    area_mm2: Amount | None = None
    area_class: AreaClass | None = None
    csbi_grade: CsbiGrade | None = None
    missing_views: Annotated[tuple[SideAndView, ...], Unique()] = ()
    alarms: tuple[Notice, ...] = ()
    software: Mapping[str, str | None] = field(default_factory=dict, metadata=UNWRITTEN)
    files: Mapping[str, Words] = field(default_factory=dict)
    images: tuple[ImageResult, ...] = field(default=(), repr=False, metadata=UNWRITTEN)
    folder: Name | None = field(default=None, metadata=LATER)
    groups: tuple[tuple[Words, ...], ...] = field(default=(), metadata={**LATER, **as_columns()})
    min_probability: Share | None = field(default=None, metadata=LATER)
    category_basis: CategoryBasis | None = field(default=None, metadata={**LATER, **as_columns()})
    area_estimate: AreaEstimate | None = field(default=None, metadata=LATER)

    @property
    def bac_detected(self) -> bool | None:
        """Whether BAC was found in either breast; None where none was and a breast was not assessed."""
        found = [breast.bac_detected for breast in self.breasts.values()]
        return True if True in found else None if None in found else False

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
        if not isinstance(value, Mapping):
            raise ValueError("no exam")
        given = {"min_probability": 0.0, **value}  # older releases reported every find
        if given.get("category_probabilities") is not None:
            given.setdefault("category_basis", "mass")  # there was nothing else
        return read(cls, given, software={} if software is None else read_software(software))

    def to_frame(self, *, library: Library = "pandas") -> Any:
        """Put the images of this exam into a table; `bacctl.to_frame` makes tables of exams too."""
        from bacctl.results.frames import to_frame

        return to_frame(self.images, library=library)


@dataclass(frozen=True, slots=True)
class Software(Record):
    """What put an exam together and measured it.

    Attributes
    ----------
    bacctl : str or None
        Version of the client.
    model : str or None
        SHA-256 of the weights; null when no server could be reached.
    probability_map : str or None
        SHA-256 of the map that made probabilities of scores; null without one.
    """

    bacctl: Words | None
    model: Digest | None
    probability_map: Digest | None = field(default=None, metadata=LATER)


def read_software(software: Mapping[str, str | None]) -> dict[str, str | None]:
    """Read what a document says of its software; ValueError where it is something else."""
    known = Software.from_dict(software).to_dict()
    return {name: value for name, value in known.items() if name in software}
