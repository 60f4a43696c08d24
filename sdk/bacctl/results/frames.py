"""Results as a table of pandas or polars, neither of which bacctl needs otherwise."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib import import_module
from typing import Any, Literal

from bac_terms.errors import ClientUsageError, from_catalogue
from bacctl.results import INTENDED_USE, ExamResult, ImageResult

Library = Literal["pandas", "polars"]
Row = dict[str, Any]

IMAGE_COLUMNS: Mapping[str, type] = {
    "path": str,
    "sop_instance_uid": str,
    "study_instance_uid": str,
    "laterality": str,
    "view": str,
    "status": str,
    "code": str,
    "reason": str,
    "bac_detected": bool,
    "bac_probability": float,
    "probability_prevalence": float,
    "min_probability": float,
    "calcium_mass_mg": float,
    "calcium_mass_low_mg": float,
    "calcium_mass_high_mg": float,
    "mass_basis": str,
    "area_mm2": float,
    "length_mm": float,
    "area_estimate_mg": float,
    "area_estimate_low_mg": float,
    "area_estimate_high_mg": float,
    "breast_area_mm2": float,
    "area_percent_of_breast": float,
    "length_mm_per_cm2_of_breast": float,
    "vessel_count": int,
    "rows": int,
    "columns": int,
    "row_spacing_mm": float,
    "column_spacing_mm": float,
    "spacing_source": str,
    "magnification": float,
    "warnings": str,
    "intended_use": str,
}
"""Columns of a table of images. Masses are of calcium, in mg; lengths, areas and masses are in the plane of
the artery, the spacing is at the detector; ``warnings`` are codes with blanks between."""
_OF_EXAM: Mapping[str, type] = {
    "study_instance_uid": str,
    "folder": str,
    "complete": bool,
    "calcium_mass_mg": float,
    "calcium_mass_low_mg": float,
    "calcium_mass_high_mg": float,
    "mass_category": str,
    "area_mm2": float,
    "area_class": str,
    "area_estimate_mg": float,
    "area_estimate_low_mg": float,
    "area_estimate_high_mg": float,
    "csbi_grade": int,
    "min_probability": float,
}
_OF_BREAST: Mapping[str, type] = {
    "bac_detected": bool,
    "calcium_mass_mg": float,
    "calcium_mass_low_mg": float,
    "calcium_mass_high_mg": float,
    "mass_basis": str,
    "area_mm2": float,
    "area_estimate_mg": float,
    "area_estimate_low_mg": float,
    "area_estimate_high_mg": float,
    "vessel_count": int,
}
_SIDES = {"left": "L", "right": "R"}
EXAM_COLUMNS: Mapping[str, type] = {
    **_OF_EXAM,
    **{f"{side}_{name}": kind for side in _SIDES for name, kind in _OF_BREAST.items()},
    "missing_views": str,
    "alarms": str,
    "images": int,
    "intended_use": str,
}
"""Columns of a table of exams: the woman, then each breast."""

# Types that have a place for what was not assessed.
_PANDAS = {str: "string", float: "float64", int: "Int64", bool: "boolean"}
_POLARS = {str: "String", float: "Float64", int: "Int64", bool: "Boolean"}


def to_frame(results: Iterable[ImageResult] | Iterable[ExamResult], *, library: Library = "pandas") -> Any:
    """Put results into a table, one row each.

    Parameters
    ----------
    results : iterable of ImageResult or of ExamResult
        Refused and failed images have a row too, in which nothing is assessed.
    library : {"pandas", "polars"}, optional
        Whose table. It has to be installed.

    Returns
    -------
    pandas.DataFrame or polars.DataFrame
        With the columns `IMAGE_COLUMNS` or `EXAM_COLUMNS`, in their order and of their types. What was not
        assessed is missing, never zero.

    Raises
    ------
    ClientUsageError
        BAC-CLIENT-OPTIONS: the library is not installed or not known, or the results are of both kinds.
    """
    if library not in ("pandas", "polars"):
        raise from_catalogue("BAC-CLIENT-OPTIONS", f"there is no table of {library!r}, only pandas or polars")
    given: list[ImageResult | ExamResult] = list(results)
    kinds = {type(result) for result in given}
    if len(kinds) > 1:
        raise from_catalogue("BAC-CLIENT-OPTIONS", "a table is of images or of exams, not of both")
    columns = EXAM_COLUMNS if ExamResult in kinds else IMAGE_COLUMNS
    rows = [_exam_row(r) if isinstance(r, ExamResult) else _image_row(r) for r in given]
    try:
        made_by = import_module(library)
    except ModuleNotFoundError:
        raise ClientUsageError(
            "BAC-CLIENT-OPTIONS", f"{library} is not installed", f"run: pip install {library}"
        ) from None
    if library == "polars":
        return made_by.DataFrame(
            {name: [row[name] for row in rows] for name in columns},
            schema={name: getattr(made_by, _POLARS[kind]) for name, kind in columns.items()},
        )
    return made_by.DataFrame(
        {
            name: made_by.Series([row[name] for row in rows], dtype=_PANDAS[kind])
            for name, kind in columns.items()
        }
    )


def _image_row(image: ImageResult) -> Row:
    entry = _with_ends(image.to_dict())
    between_rows, between_columns = entry["pixel_spacing_mm"] or (None, None)
    more = {
        "row_spacing_mm": between_rows,
        "column_spacing_mm": between_columns,
        "vessel_count": len(image.vessels) if image.status == "ok" else None,
        "warnings": " ".join(notice.code for notice in image.warnings),
        "intended_use": INTENDED_USE,
    }
    return {name: more[name] if name in more else entry[name] for name in IMAGE_COLUMNS}


def _exam_row(exam: ExamResult) -> Row:
    entry = _with_ends(exam.to_dict())
    row = {name: entry[name] for name in _OF_EXAM}
    for name, side in _SIDES.items():
        breast = _with_ends(entry["breasts"][side])
        row.update({f"{name}_{column}": breast[column] for column in _OF_BREAST})
    row["missing_views"] = " ".join(exam.missing_views)
    row["alarms"] = " ".join(alarm.code for alarm in exam.alarms)
    row["images"] = len(exam.images)
    row["intended_use"] = INTENDED_USE
    return row


def _with_ends(entry: Row) -> Row:
    low, high = entry["calcium_mass_interval_mg"] or (None, None)
    estimate = entry["area_estimate"] or {"central_mg": None, "interval_mg": (None, None)}
    least, most = estimate["interval_mg"]
    return {
        **entry,
        "calcium_mass_low_mg": low,
        "calcium_mass_high_mg": high,
        "area_estimate_mg": estimate["central_mg"],
        "area_estimate_low_mg": least,
        "area_estimate_high_mg": most,
    }
