"""The document of a run (``analysis.json``) and its rows (``analysis.csv``), and that of a comparison."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bacctl._version import __version__
from bacctl.outputs.exam_files import Choices
from bacctl.outputs.uids import shown_rows
from bacctl.results import COMPARISON_SCHEMA, INTENDED_USE, SCHEMA, ExamComparison, ExamResult, ImageResult
from bacctl.results.columns import (
    EXAM_COLUMNS,
    IMAGE_COLUMNS,
    VESSEL_COLUMNS,
    Row,
    exam_row,
    image_row,
    vessel_rows,
)

# What the rows have called otherwise from the first on.
_NAMES = {"vessel_count": "vessels"}
CSV_COLUMNS = tuple(_NAMES.get(name, name) for name in IMAGE_COLUMNS)
_AS_IT_IS = Choices()


def analysis_document(
    images: Sequence[ImageResult],
    exams: Sequence[ExamResult],
    *,
    skipped: int,
    server: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """Put a run into one JSON object that follows ``bacctl/schema/analysis-1.json``.

    Parameters
    ----------
    images : sequence of ImageResult
        Every image that was asked for, the refused and the failed ones included.
    exams : sequence of ExamResult
        The exams put together from them.
    skipped : int
        Files in the folders that are no image.
    server : mapping or None
        What the server told of itself, with ``"model"``, ``"triton"`` and ``"probability_map"``; None when
        none could be reached.

    Returns
    -------
    dict
        Ready for ``json.dumps``.
    """
    return {
        "schema": SCHEMA,
        "software": run_software(images, server),
        "intended_use": INTENDED_USE,
        "skipped": skipped,
        "images": [image.to_dict() for image in images],
        "exams": [exam.to_dict() for exam in exams],
    }


def run_software(images: Sequence[ImageResult], server: Mapping[str, Any] | None) -> dict[str, Any]:
    """Say what measured a run; parameters as for `analysis_document`.

    Returns
    -------
    dict
        ``"model"`` and ``"probability_map"`` are what the images name, which may be another server's than
        told of itself; None where not all are by the same.
    """
    server = server or {}
    # A result that was read back does not name them.
    known = [image for image in images if image.status == "ok" and image.weights_sha256 is not None]
    models = {image.weights_sha256 for image in known} or {server.get("model")}
    maps = {image.map_sha256 for image in known} if known else {server.get("probability_map")}
    return {
        "bacctl": __version__,
        "model": models.pop() if len(models) == 1 else None,
        "triton": server.get("triton"),
        "probability_map": maps.pop() if len(maps) == 1 else None,
    }


def comparison_document(comparison: ExamComparison) -> dict[str, Any]:
    """Put a comparison into one JSON object that follows ``bacctl/schema/comparison-1.json``.

    Parameters
    ----------
    comparison : ExamComparison
        Of two exams of one woman.

    Returns
    -------
    dict
        Ready for ``json.dumps``.
    """
    return {
        "schema": COMPARISON_SCHEMA,
        "software": {"bacctl": __version__},
        "intended_use": INTENDED_USE,
        **comparison.to_dict(),
    }


def document_text(document: Mapping[str, Any]) -> str:
    """Write a document as JSON text in ASCII, so that no locale and no odd file name can break it."""
    return json.dumps(document, indent=2, allow_nan=False) + "\n"


def analysis_csv(images: Sequence[ImageResult], choices: Choices = _AS_IT_IS) -> str:
    """Write a header and one row an image; masses in mg of calcium, empty where not assessed."""
    return _csv(CSV_COLUMNS, shown_rows(map(image_row, images), choices))


def vessels_csv(images: Sequence[ImageResult], choices: Choices = _AS_IT_IS) -> str:
    """Write a header and one row a calcified stretch of artery."""
    return _csv(VESSEL_COLUMNS, shown_rows((row for image in images for row in vessel_rows(image)), choices))


def exams_csv(exams: Sequence[ExamResult], choices: Choices = _AS_IT_IS) -> str:
    """Write a header and one row an exam; empty where not assessed."""
    return _csv(EXAM_COLUMNS, shown_rows(map(exam_row, exams), choices))


def _csv(columns: Iterable[str], rows: Iterable[Row]) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_cell(name, value) for name, value in row.items()] for row in rows)
    return stream.getvalue()


def _cell(name: str, value: Any) -> Any:
    """Keep a header's text from being taken for a formula by a spreadsheet."""
    free = name.startswith("device_") and isinstance(value, str)
    return f"'{value}" if free and value[:1] in ("=", "+", "-", "@") else value
