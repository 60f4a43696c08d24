"""Results as a table of pandas or polars, neither of which bacctl needs otherwise."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from typing import Any, Literal

from bac_terms.errors import ClientUsageError, from_catalogue
from bacctl.results import ExamResult, ImageResult
from bacctl.results.columns import EXAM_COLUMNS, IMAGE_COLUMNS, exam_row, image_row

Library = Literal["pandas", "polars"]

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
    rows = [exam_row(r) if isinstance(r, ExamResult) else image_row(r) for r in given]
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
