"""Results as rows of a table: which fields are columns, how they are called and in which order.

A number, a text and a truth value are a column of the field's name, an interval is two, an estimate from the
area three, the unit that took the image four, codes and views are one with blanks between; a field's metadata
may name others. A new field comes in by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, get_args, get_origin

from bac_terms.measured import Laterality
from bac_terms.notices import Notice
from bac_terms.record import Entry, Record, entries, is_record
from bac_terms.report import AreaEstimate, Vessel
from bacctl.results import INTENDED_USE, BreastResult, ExamResult, ImageResult

Row = dict[str, Any]

_SIDES: Mapping[str, Laterality] = {"left": "L", "right": "R"}


class _Columns(NamedTuple):
    """What one field gives to a row."""

    names: Sequence[str]
    kind: type
    cells: Callable[[Any], Sequence[Any]]
    """From the record."""


def image_row(image: ImageResult) -> Row:
    """Return the row of an image, refused or failed ones included; None where nothing was assessed."""
    return {**_row(_IMAGE, image), "intended_use": INTENDED_USE}


def vessel_rows(image: ImageResult) -> list[Row]:
    """Return one row for each calcified stretch of an image: which image, its number there, then itself."""
    of_image = {name: value for name, value in image_row(image).items() if name in _OF_IMAGE}
    return [
        {**of_image, "vessel": number, **_row(_VESSEL, vessel), "intended_use": INTENDED_USE}
        for number, vessel in enumerate(image.vessels, start=1)
    ]


def exam_row(exam: ExamResult) -> Row:
    """Return the row of an exam: the woman, then each breast."""
    row = _row(_EXAM, exam)
    for side, letter in _SIDES.items():
        breast = _row(_BREAST, exam.breasts[letter])
        row |= {f"{side}_{name}": value for name, value in breast.items()}
    return {**row, **_row(_LISTS, exam), "images": len(exam.images), "intended_use": INTENDED_USE}


def _row(columns: Sequence[_Columns], record: Record) -> Row:
    return {
        name: cell for names, _, cells in columns for name, cell in zip(names, cells(record), strict=True)
    }


def _kinds(columns: Sequence[_Columns]) -> dict[str, type]:
    return {name: kind for names, kind, _ in columns for name in names}


def _columns(record: type[Record], first: Sequence[str] = (), last: Sequence[str] = ()) -> list[_Columns]:
    """Return the columns of a record in the order of its fields, but for those that come first and last."""
    found = {entry.name: entry for entry in entries(record) if entry.written}
    names = (*first, *(name for name in found if name not in {*first, *last}), *last)
    return [columns for name in names if (columns := _columns_of(found[name]))]


def _columns_of(entry: Entry) -> _Columns | None:
    name, hint = entry.name, _bare(entry.hint)
    origin, parts = get_origin(hint), get_args(hint)
    named: Sequence[str] = entry.metadata.get("columns", (name,))
    if not named:
        return None
    kind = type(parts[0]) if origin is Literal else hint
    if kind in (str, bool, int, float):
        return _Columns(named, kind, lambda record: [getattr(record, name)])
    if kind is Path:
        return _Columns(named, str, lambda record: [_or_none(str, getattr(record, name))])
    if kind is AreaEstimate:
        return _Columns(
            [f"{name}_mg", f"{name}_low_mg", f"{name}_high_mg"],
            float,
            lambda record: _or_none(_mass, getattr(record, name)) or (None, None, None),
        )
    if is_record(hint) and named != (name,):
        parts_of = [one.name for one in entries(hint)]
        if len(parts_of) != len(named):
            raise TypeError(f"{name}: as_columns has to name a column for each of {', '.join(parts_of)}")
        return _Columns(
            named, str, lambda record: [getattr(getattr(record, name), part, None) for part in parts_of]
        )
    if origin is not tuple:  # of objects a row has no place for
        return None
    if parts[-1] is not ... and ("interval" in name or len(named) == len(parts)):
        ends = [name.replace("interval", end) for end in ("low", "high")]
        return _Columns(
            ends if named == (name,) else named,
            _bare(parts[0]),
            lambda record: getattr(record, name) or (None,) * len(parts),
        )
    if parts[0] is Notice:
        return _Columns(named, str, lambda record: [" ".join(one.code for one in getattr(record, name))])
    if _bare(parts[0]) is str:
        return _Columns(named, str, lambda record: [" ".join(getattr(record, name))])
    if named == (name,):
        raise TypeError(f"{name}: as_columns has to say which columns it has")
    return _Columns(named, int, lambda record: [getattr(record, named[0])])  # the record counts them


def _bare(hint: Any) -> Any:
    """Return a type without its limits, and without None."""
    if get_origin(hint) is Annotated:
        return _bare(get_args(hint)[0])
    parts = [part for part in get_args(hint) if part is not type(None)]
    return _bare(parts[0]) if type(None) in get_args(hint) else hint


def _mass(estimate: AreaEstimate) -> tuple[float, float, float]:
    return (estimate.central_mg, *estimate.interval_mg)


def _or_none(shown: Callable[[Any], Any], value: Any) -> Any:
    return None if value is None else shown(value)


_IMAGE = _columns(
    ImageResult,
    first=("path", "sop_instance_uid", "study_instance_uid", "laterality", "view"),
    last=("rows", "columns", "pixel_spacing_mm", "spacing_source", "magnification", "warnings"),
)
_BREAST = _columns(BreastResult, last=("vessel_count",))
_EXAM = _columns(
    ExamResult,
    first=("study_instance_uid", "folder"),
    last=("area_estimate", "csbi_grade", "min_probability", "missing_views", "alarms"),
)
_EXAM, _LISTS = _EXAM[:-2], _EXAM[-2:]
_VESSEL = _columns(Vessel, last=("bbox_px",))
_OF_IMAGE = ("path", "sop_instance_uid", "study_instance_uid", "laterality", "view", "mass_basis")

IMAGE_COLUMNS: Mapping[str, type] = {**_kinds(_IMAGE), "intended_use": str}
"""Columns of a table of images. Masses are of calcium, in mg; lengths, areas and masses are in the plane of
the artery, the spacing is at the detector; ``warnings`` are codes with blanks between."""
VESSEL_COLUMNS: Mapping[str, type] = {
    **{name: IMAGE_COLUMNS[name] for name in _OF_IMAGE},
    "vessel": int,
    **_kinds(_VESSEL),
    "intended_use": str,
}
"""Columns of a table of calcified stretches: their image, their number in it from 1, what was measured."""
EXAM_COLUMNS: Mapping[str, type] = {
    **_kinds(_EXAM),
    **{f"{side}_{name}": kind for side in _SIDES for name, kind in _kinds(_BREAST).items()},
    **_kinds(_LISTS),
    "images": int,
    "intended_use": str,
}
"""Columns of a table of exams: the woman, then each breast, then what there is to know."""
