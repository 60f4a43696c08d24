"""An exam read back from the document that ``bacctl analyze --json`` printed or ``--save json`` wrote.

A document may have been edited or damaged on its way, and what is read goes into verdicts and outputs:
nothing is taken that ``schema/analysis-1.json`` would not allow.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

from bac_imaging.read.attributes.identifiers import SHOWN_IDENTIFIER
from bac_terms.errors import RefusedError
from bac_terms.measured import Laterality, MassBasis
from bac_terms.notices import Notice
from bacctl.results import SCHEMA
from bacctl.results._checked import (
    amount,
    count,
    flag,
    interval,
    items,
    known,
    one_of,
    parsed,
    share,
    table,
    text,
)
from bacctl.results.exam import (
    SIDES,
    VIEWS,
    AreaClass,
    BreastResult,
    CategoryBasis,
    CsbiGrade,
    ExamResult,
    MassCategory,
    ViewResult,
)
from bacctl.results.image import ImageResult, Status
from bacctl.results.parts import AreaEstimate

_DIGEST = re.compile(r"[0-9a-f]{64}")
_ANY = re.compile(r".+", re.DOTALL)
_MASS_CATEGORIES: tuple[MassCategory, ...] = get_args(MassCategory)
_AREA_CLASSES: tuple[AreaClass, ...] = get_args(AreaClass)
_CSBI_GRADES: tuple[CsbiGrade, ...] = get_args(CsbiGrade)
_CATEGORY_BASES: tuple[CategoryBasis, ...] = get_args(CategoryBasis)
_BASES: tuple[MassBasis, ...] = get_args(MassBasis)
_STATES: tuple[Status, ...] = get_args(Status)
_VIEW_NAMES = tuple(side + view for side in SIDES for view in VIEWS)


def read_saved_exam(path: Path) -> ExamResult:
    """Read the one exam of a saved document.

    Parameters
    ----------
    path : Path
        The document.

    Returns
    -------
    ExamResult
        Its ``images`` are all of the document, with nothing but status and study; ``software`` is the
        document's.

    Raises
    ------
    RefusedError
        BAC-COMPARE-EXAM: the file is no such document, or holds no exam or several.
    OSError
        The file cannot be read.
    """
    try:
        document = parsed(path.read_bytes())
        ours = isinstance(document, Mapping) and document.get("schema") == SCHEMA
    except ValueError:  # neither text nor JSON
        ours = False
    if not ours:
        raise _not_one_exam(path, "is no result of `bacctl analyze`")
    try:
        exams = [read_exam(exam, document["software"]) for exam in items(document["exams"])]
        images = [_image(table(image)) for image in items(document["images"])]
    except (KeyError, ValueError):
        raise RefusedError(
            "BAC-COMPARE-EXAM", f"{path}: is damaged or of another release", "analyse its images again"
        ) from None
    return only_exam(exams, images, path)


def only_exam(exams: Sequence[ExamResult], images: Sequence[ImageResult], path: Path) -> ExamResult:
    """Return the exam where there is exactly one.

    Parameters
    ----------
    exams : sequence of ExamResult
        What was found.
    images : sequence of ImageResult
        All images, those included that name no study and so are in no exam.
    path : Path
        Where.

    Returns
    -------
    ExamResult
        With all these images.

    Raises
    ------
    RefusedError
        BAC-COMPARE-EXAM, which names the studies.
    """
    if len(exams) == 1:
        return replace(exams[0], images=tuple(images))
    if not exams:
        raise _not_one_exam(path, "no image in it names a study")
    names = (exam.study_instance_uid or exam.folder for exam in exams)
    studies = ", ".join(name for name in names if name is not None)
    raise _not_one_exam(path, f"holds {len(exams)} studies{f' ({studies})' if studies else ''}")


def read_exam(exam: Any, software: Any) -> ExamResult:
    """Read an exam object of ``schema/analysis-1.json``.

    Parameters
    ----------
    exam : mapping
        The object.
    software : mapping
        That of the document.

    Returns
    -------
    ExamResult
        Without its images.

    Raises
    ------
    KeyError, ValueError
        It does not follow the schema.
    """
    exam, software = table(exam), table(software)
    breasts = table(exam["breasts"])
    return ExamResult(
        study_instance_uid=known(exam["study_instance_uid"], _uid),
        complete=flag(exam["complete"]),
        breasts={side: _breast(side, table(breasts[side])) for side in SIDES},
        calcium_mass_mg=known(exam["calcium_mass_mg"], amount),
        calcium_mass_interval_mg=known(exam["calcium_mass_interval_mg"], interval),
        mass_category=known(exam["mass_category"], lambda name: one_of(name, _MASS_CATEGORIES)),
        category_probabilities=known(exam["category_probabilities"], _odds),
        area_mm2=known(exam["area_mm2"], amount),
        area_class=known(exam["area_class"], lambda name: one_of(name, _AREA_CLASSES)),
        csbi_grade=known(exam["csbi_grade"], lambda grade: one_of(grade, _CSBI_GRADES)),
        missing_views=tuple(one_of(view, _VIEW_NAMES) for view in items(exam["missing_views"])),
        alarms=tuple(Notice.from_dict(alarm) for alarm in items(exam["alarms"])),
        software={
            "bacctl": known(software["bacctl"], lambda version: text(version, _ANY)),
            "model": known(software["model"], lambda digest: text(digest, _DIGEST)),
            **{
                name: known(software[name], lambda digest: text(digest, _DIGEST))
                for name in ("probability_map",)
                if name in software  # documents of older releases do not have it
            },
        },
        files={kind: text(name, _ANY) for kind, name in table(exam["files"]).items()},
        # Documents of older releases do not have them; their categories follow from a mass.
        category_basis=known(
            exam.get("category_basis", None if exam["category_probabilities"] is None else "mass"),
            lambda basis: one_of(basis, _CATEGORY_BASES),
        ),
        area_estimate=known(exam.get("area_estimate"), AreaEstimate.from_dict),
        folder=known(exam.get("folder"), lambda name: text(name, _ANY)),
        groups=tuple(
            tuple(text(name, _ANY) for name in items(group)) for group in items(exam.get("groups", []))
        ),
        # Older releases reported every find.
        min_probability=known(exam.get("min_probability", 0.0), share),
    )


def _not_one_exam(path: Path, found: str) -> RefusedError:
    return RefusedError("BAC-COMPARE-EXAM", f"{path}: {found}")


def _uid(value: Any) -> str:
    return text(value, SHOWN_IDENTIFIER)


def _odds(value: Any) -> dict[str, float]:
    return {one_of(name, _MASS_CATEGORIES): amount(share) for name, share in table(value).items()}


def _image(image: Mapping[str, Any]) -> ImageResult:
    status = one_of(image["status"], _STATES)
    return ImageResult(status, study_instance_uid=known(image["study_instance_uid"], _uid))


def _breast(side: Laterality, breast: Mapping[str, Any]) -> BreastResult:
    by_view = {one_of(view, VIEWS): _view(table(result)) for view, result in table(breast["by_view"]).items()}
    weighed = [view for view, result in by_view.items() if result.calcium_mass_mg is not None]
    if items(breast["views"]) != list(by_view) or items(breast["mass_views"]) != weighed:
        raise ValueError("the views do not fit together")
    return BreastResult(
        laterality=side,
        views=tuple(by_view),
        mass_views=tuple(weighed),
        bac_detected=known(breast["bac_detected"], flag),
        calcium_mass_mg=known(breast["calcium_mass_mg"], amount),
        calcium_mass_interval_mg=known(breast["calcium_mass_interval_mg"], interval),
        mass_basis=one_of(breast["mass_basis"], _BASES),
        area_mm2=known(breast["area_mm2"], amount),
        vessel_count=known(breast["vessel_count"], count),
        area_estimate=known(breast.get("area_estimate"), AreaEstimate.from_dict),
        by_view=by_view,
    )


def _view(view: Mapping[str, Any]) -> ViewResult:
    return ViewResult(
        sop_instance_uids=tuple(_uid(name) for name in items(view["sop_instance_uids"])),
        bac_detected=flag(view["bac_detected"]),
        calcium_mass_mg=known(view["calcium_mass_mg"], amount),
        calcium_mass_interval_mg=known(view["calcium_mass_interval_mg"], interval),
        mass_basis=one_of(view["mass_basis"], _BASES),
        area_mm2=known(view["area_mm2"], amount),
        vessel_count=known(view["vessel_count"], count),
        area_estimate=known(view.get("area_estimate"), AreaEstimate.from_dict),
    )
