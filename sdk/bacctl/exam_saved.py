"""An exam read back from the document that ``bacctl analyze --json`` printed or ``--save json`` wrote."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bac_imaging.errors import CATALOGUE
from bacctl.errors import RefusedError
from bacctl.exam_results import BreastResult, ExamResult, ViewResult
from bacctl.image_result import Laterality, Notice
from bacctl.results import SCHEMA

_SIDES: tuple[Laterality, ...] = ("L", "R")


def read_saved_exam(path: Path) -> ExamResult:
    """Read the one exam of a saved document.

    Parameters
    ----------
    path : Path
        The document.

    Returns
    -------
    ExamResult
        Without its images; ``software`` is the document's.

    Raises
    ------
    RefusedError
        BAC-COMPARE-EXAM: the file is no such document, or holds no exam or several.
    OSError
        The file cannot be read.
    """
    try:
        document = json.loads(path.read_bytes())
        known = isinstance(document, Mapping) and document.get("schema") == SCHEMA
    except ValueError:  # neither text nor JSON
        known = False
    if not known:
        raise _not_one_exam(path, "is no result of `bacctl analyze`")
    try:
        exams = [read_exam(exam, document["software"]) for exam in document["exams"]]
    except (KeyError, TypeError, ValueError, AttributeError):
        raise RefusedError(
            "BAC-COMPARE-EXAM", f"{path}: is damaged or of another release; analyse its images again"
        ) from None
    return only_exam(exams, path)


def only_exam(exams: list[ExamResult], path: Path) -> ExamResult:
    """Return the exam where there is exactly one.

    Parameters
    ----------
    exams : list of ExamResult
        What was found.
    path : Path
        Where.

    Returns
    -------
    ExamResult

    Raises
    ------
    RefusedError
        BAC-COMPARE-EXAM, which names the studies.
    """
    if len(exams) == 1:
        return exams[0]
    if not exams:
        raise _not_one_exam(path, "no image in it names a study")
    studies = ", ".join(str(exam.study_instance_uid) for exam in exams)
    raise _not_one_exam(path, f"holds {len(exams)} studies ({studies})")


def read_exam(exam: Mapping[str, Any], software: Mapping[str, Any]) -> ExamResult:
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
    KeyError, TypeError, ValueError, AttributeError
        It does not follow the schema.
    """
    return ExamResult(
        study_instance_uid=exam["study_instance_uid"],
        complete=bool(exam["complete"]),
        breasts={side: _breast(side, exam["breasts"][side]) for side in _SIDES},
        calcium_mass_mg=_amount(exam["calcium_mass_mg"]),
        calcium_mass_interval_mg=_interval(exam["calcium_mass_interval_mg"]),
        mass_category=exam["mass_category"],
        category_probabilities=exam["category_probabilities"],
        area_mm2=_amount(exam["area_mm2"]),
        area_class=exam["area_class"],
        csbi_grade=exam["csbi_grade"],
        missing_views=tuple(exam["missing_views"]),
        alarms=tuple(Notice(str(alarm["code"]), str(alarm["text"])) for alarm in exam["alarms"]),
        software={"bacctl": software["bacctl"], "model": software["model"]},
        files=dict(exam["files"]),
    )


def _not_one_exam(path: Path, found: str) -> RefusedError:
    code = "BAC-COMPARE-EXAM"
    return RefusedError(code, f"{path}: {found}; {CATALOGUE[code].hint}")


def _breast(side: Laterality, breast: Mapping[str, Any]) -> BreastResult:
    return BreastResult(
        laterality=side,
        views=tuple(breast["views"]),
        mass_views=tuple(breast["mass_views"]),
        bac_detected=breast["bac_detected"],
        calcium_mass_mg=_amount(breast["calcium_mass_mg"]),
        calcium_mass_interval_mg=_interval(breast["calcium_mass_interval_mg"]),
        mass_basis=breast["mass_basis"],
        area_mm2=_amount(breast["area_mm2"]),
        vessel_count=breast["vessel_count"],
        by_view={view: _view(result) for view, result in breast["by_view"].items()},
    )


def _view(view: Mapping[str, Any]) -> ViewResult:
    return ViewResult(
        sop_instance_uids=tuple(view["sop_instance_uids"]),
        bac_detected=bool(view["bac_detected"]),
        calcium_mass_mg=_amount(view["calcium_mass_mg"]),
        calcium_mass_interval_mg=_interval(view["calcium_mass_interval_mg"]),
        mass_basis=view["mass_basis"],
        area_mm2=_amount(view["area_mm2"]),
        vessel_count=view["vessel_count"],
    )


def _amount(value: Any) -> float | None:
    return None if value is None else float(value)


def _interval(pair: Any) -> tuple[float, float] | None:
    if pair is None:
        return None
    low, high = pair
    return float(low), float(high)
