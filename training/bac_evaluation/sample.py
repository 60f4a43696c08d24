"""The rows of an evaluation as tables of numbers, which can be drawn by woman again and again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from bac_evaluation.dataset import View, Woman
from bac_evaluation.measure import Row
from bacctl.exam.build import MASS_CATEGORIES, build_exam, mass_category
from bacctl.results.image import ImageResult

__all__ = ["CATEGORIES", "Sample", "Table", "tabulate"]

Column = npt.NDArray[Any]
Table = Mapping[str, Column]

CATEGORIES = ("0", *MASS_CATEGORIES)
_NAN = float("nan")


@dataclass(frozen=True)
class Sample:
    """What was measured, in columns. Every table has a column ``woman``: her number.

    Attributes
    ----------
    views, breasts, women : mapping of str to ndarray
        Units. All have ``is_true`` and ``is_found`` (bool), ``score`` (larger = more like BAC), ``true_mg``,
        ``mg``, ``low_mg`` and ``high_mg`` (NaN where unknown). Views also have their masks' figures, women
        the numbers ``true_category`` and ``category`` in `CATEGORIES`, -1 for none.
    vessels : mapping of str to ndarray
        True vessels; ``view`` is the number of the view.
    alarms : mapping of str to ndarray
        ``score`` and ``view`` of the candidates that are false.
    """

    views: Table
    breasts: Table
    women: Table
    vessels: Table
    alarms: Table

    def of_views(self, kept: npt.NDArray[np.bool_]) -> Sample:
        """Return some of the views with their vessels and alarms, and no breast or woman."""
        return Sample(
            views=_where(self.views, kept),
            breasts=_where(self.breasts, np.zeros(len(self.breasts["woman"]), dtype=bool)),
            women=_where(self.women, np.zeros(len(self.women["woman"]), dtype=bool)),
            vessels=_where(self.vessels, kept[self.vessels["view"]]),
            alarms=_where(self.alarms, kept[self.alarms["view"]]),
        )

    def of_vessels(self, kept: npt.NDArray[np.bool_]) -> Sample:
        """Return some of the vessels, and all else."""
        return Sample(self.views, self.breasts, self.women, _where(self.vessels, kept), self.alarms)

    def draws(self, count: int, seed: int) -> Iterator[Sample]:
        """Yield samples of as many women, drawn with replacement together with all that is theirs."""
        tables = (self.views, self.breasts, self.women, self.vessels, self.alarms)
        present = np.unique(self.views["woman"])
        rows_of = [[np.flatnonzero(table["woman"] == woman) for woman in present] for table in tables]
        rng = np.random.default_rng(seed)
        for _ in range(count):
            drawn = rng.integers(len(present), size=len(present))
            yield Sample(
                *(
                    _where(table, np.concatenate([rows[woman] for woman in drawn]))
                    for table, rows in zip(tables, rows_of, strict=True)
                )
            )


def tabulate(women: Sequence[Woman], rows: Mapping[str, Row]) -> Sample:
    """Put rows and truth into tables.

    Parameters
    ----------
    women : sequence of Woman
        Truth.
    rows : mapping of str to Row
        Measurements by the image's path, one for each view.
    """
    views: list[dict[str, Any]] = []
    breasts: list[dict[str, Any]] = []
    people: list[dict[str, Any]] = []
    vessels: list[dict[str, Any]] = []
    alarms: list[dict[str, Any]] = []
    for number, woman in enumerate(women):
        of_woman = []
        for view in woman.views:
            row = rows[view.path]
            vessels += _vessels(number, len(views), row)
            alarms += [
                {"woman": number, "view": len(views), "score": c.score} for c in row.candidates if c.false
            ]
            of_woman.append(_view(number, view, row))
            views.append(of_woman[-1])
        from_breasts, person = _exam(number, woman, rows, of_woman)
        breasts += from_breasts
        people.append(person)
    return Sample(
        _table(views, _VIEW),
        _table(breasts, _UNIT),
        _table(people, (*_UNIT, "true_category", "category", "confirmed")),
        _table(vessels, _VESSEL),
        _table(alarms, ("woman", "view", "score")),
    )


_UNIT = ("woman", "is_true", "is_found", "score", "true_mg", "mg", "low_mg", "high_mg")
_VIEW = (
    *_UNIT,
    *("found_px", "true_px", "both_px", "width_mm", "false_area_mm2", "false_vessels"),
    *(
        f"{kind}_{name}"
        for kind in ("line", "surface")
        for name in ("true", "found", "true_near", "found_near")
    ),
)
_VESSEL = ("woman", "view", "mass_mg", "area_mm2", "width_mm", "covered", "found", "dice", "hd95_mm", "score")
_TYPES = {
    **dict.fromkeys(("woman", "view", "true_category", "category"), np.int64),
    **dict.fromkeys(("is_true", "is_found", "found", "confirmed"), np.bool_),
}


def _view(woman: int, view: View, row: Row) -> dict[str, Any]:
    result = row.result
    low, high = result.get("calcium_mass_interval_mg") or (None, None)
    width = view.width_mm
    if width is None and row.true_vessels:
        areas = [vessel.area_mm2 for vessel in row.true_vessels]
        width = float(np.average([vessel.width_mm for vessel in row.true_vessels], weights=areas))
    return {
        "woman": woman,
        "is_true": row.is_true,
        "is_measured": result["status"] == "ok",
        "is_found": bool(result.get("bac_detected")),
        "score": result.get("bac_probability") or 0.0,
        "true_mg": view.mass_mg,
        "mg": result.get("calcium_mass_mg"),
        "low_mg": low,
        "high_mg": high,
        "found_px": row.overlap.found,
        "true_px": row.overlap.true,
        "both_px": row.overlap.both,
        "width_mm": width,
        "false_area_mm2": row.false_area_mm2,
        "false_vessels": sum(vessel.false for vessel in row.found_vessels),
        "line_true": row.line.true,
        "line_found": row.line.found,
        "line_true_near": row.line.true_near,
        "line_found_near": row.line.found_near,
        "surface_true": row.surface.true,
        "surface_found": row.surface.found,
        "surface_true_near": row.surface.true_near,
        "surface_found_near": row.surface.found_near,
    }


def _vessels(woman: int, view: int, row: Row) -> list[dict[str, Any]]:
    return [
        {
            "woman": woman,
            "view": view,
            "mass_mg": vessel.mass_mg,
            "area_mm2": vessel.area_mm2,
            "width_mm": vessel.width_mm,
            "covered": vessel.covered,
            "found": vessel.found,
            "dice": vessel.dice,
            "hd95_mm": vessel.hd95_mm,
            "score": score,
        }
        for vessel, score in zip(row.true_vessels, row.vessel_scores, strict=True)
    ]


def _exam(
    number: int, woman: Woman, rows: Mapping[str, Row], views: Sequence[Mapping[str, Any]]
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Put a woman's images together by the exam rules. BAC on any view is BAC of the breast and of hers."""
    exam = build_exam([_result(view, rows[view.path]) for view in woman.views], woman.name)
    breasts = []
    confirmed = False
    for side, breast in exam.breasts.items():
        own = [
            row
            for view, row in zip(woman.views, views, strict=True)
            if (view.laterality or rows[view.path].result.get("laterality")) == side
        ]
        if own:
            found = breast.calcium_mass_mg, breast.calcium_mass_interval_mg
            breasts.append(_unit(number, own, woman.breasts_mg.get(side), *found))
            measured = [view for view in own if view["is_measured"]]
            confirmed |= len(measured) > 1 and all(view["is_found"] for view in measured)
    person = _unit(number, views, woman.mass_mg, exam.calcium_mass_mg, exam.calcium_mass_interval_mg)
    true = None if woman.mass_mg is None else mass_category(woman.mass_mg, woman.mass_mg > 0)
    # Where an image without beam gives no mass, "0" is the only category there can be: none of them counts.
    found_category = exam.mass_category if exam.calcium_mass_mg is not None else None
    both = true is not None and found_category is not None
    person["true_category"] = CATEGORIES.index(str(true)) if both else -1
    person["category"] = CATEGORIES.index(str(found_category)) if both else -1
    person["confirmed"] = confirmed
    return breasts, person


def _unit(
    woman: int,
    views: Sequence[Mapping[str, Any]],
    true_mg: float | None,
    mass_mg: float | None,
    interval_mg: tuple[float, float] | None,
) -> dict[str, Any]:
    low, high = interval_mg or (None, None)
    return {
        "woman": woman,
        "is_true": any(view["is_true"] for view in views),
        "is_found": any(view["is_found"] for view in views),
        "score": max(view["score"] for view in views),
        "true_mg": true_mg,
        "mg": mass_mg,
        "low_mg": low,
        "high_mg": high,
    }


def _result(view: View, row: Row) -> ImageResult:
    """Read the result; an image that does not say its side and view is taken for what the list says."""
    listed = {"laterality": view.laterality, "view": view.view}
    given = {name: row.result.get(name) or value for name, value in listed.items()}
    return ImageResult.from_report({**row.result, **given})


def _table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> Table:
    return {
        name: np.array(
            [_NAN if row[name] is None else row[name] for row in rows], dtype=_TYPES.get(name, np.float64)
        )
        for name in columns
    }


def _where(table: Table, rows: npt.NDArray[Any]) -> Table:
    return {name: column[rows] for name, column in table.items()}
