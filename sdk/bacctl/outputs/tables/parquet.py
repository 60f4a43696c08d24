"""Parquet files of images, calcified stretches and exams.

Every file has the whole schema of its kind, whatever is null in it: files of several runs can be read as one.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bacctl._version import __version__
from bacctl.outputs.exam_files import Choices
from bacctl.outputs.uids import shown_rows
from bacctl.results import INTENDED_USE, ExamResult, ImageResult
from bacctl.results.columns import (
    EXAM_COLUMNS,
    IMAGE_COLUMNS,
    VESSEL_COLUMNS,
    Row,
    exam_row,
    image_row,
    vessel_rows,
)

if TYPE_CHECKING:
    import pyarrow


def parquet_tables(
    images: Sequence[ImageResult], exams: Sequence[ExamResult], choices: Choices
) -> dict[str, bytes]:
    """Write the tables of a run.

    Parameters
    ----------
    images : sequence of ImageResult
        Refused and failed ones have a row too.
    exams : sequence of ExamResult
        Put together from them.
    choices : Choices
        De-identified, UIDs are changed and paths, folders and detectors are null.

    Returns
    -------
    dict
        From the names of files to their bytes.
    """
    tables: Mapping[str, tuple[Mapping[str, type], Iterable[Row]]] = {
        "images": (IMAGE_COLUMNS, map(image_row, images)),
        "vessels": (VESSEL_COLUMNS, (row for image in images for row in vessel_rows(image))),
        "exams": (EXAM_COLUMNS, map(exam_row, exams)),
    }
    return {
        f"analysis-{name}.parquet": _parquet(name, columns, shown_rows(rows, choices))
        for name, (columns, rows) in tables.items()
    }


def arrow_schema(name: str, columns: Mapping[str, type]) -> pyarrow.Schema:
    """Return the schema of a table.

    Parameters
    ----------
    name : str
        "images", "vessels" or "exams".
    columns : mapping of str to type
        As `bacctl.results.columns` has them.

    Returns
    -------
    pyarrow.Schema
        string, float64, int64 and bool, all of them nullable.
    """
    import pyarrow as pa

    kinds = {str: pa.string(), float: pa.float64(), int: pa.int64(), bool: pa.bool_()}
    told = {"bacctl.table": f"{name}/1", "bacctl.version": __version__, "intended_use": INTENDED_USE}
    return pa.schema([pa.field(column, kinds[kind]) for column, kind in columns.items()], metadata=told)


def _parquet(name: str, columns: Mapping[str, type], rows: Iterable[Row]) -> bytes:
    import pyarrow as pa
    from pyarrow import parquet

    def cell(value: Any) -> Any:
        # Names of files may hold bytes that are no text.
        return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value

    schema = arrow_schema(name, columns)
    cells: dict[str, list[Any]] = {column: [] for column in columns}
    for row in rows:
        for column in columns:
            cells[column].append(cell(row[column]))
    stream = io.BytesIO()
    parquet.write_table(pa.table(cells, schema=schema), stream, compression="zstd")
    return stream.getvalue()
