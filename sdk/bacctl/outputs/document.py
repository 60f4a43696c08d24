"""The document of a run (``analysis.json``) and its rows (``analysis.csv``), and that of a comparison."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

from bacctl._version import __version__
from bacctl.results import COMPARISON_SCHEMA, INTENDED_USE, SCHEMA, ExamComparison, ExamResult, ImageResult
from bacctl.results.columns import IMAGE_COLUMNS, image_row

# What the rows have called otherwise from the first on.
_NAMES = {"vessel_count": "vessels"}
CSV_COLUMNS = tuple(_NAMES.get(name, name) for name in IMAGE_COLUMNS)


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
    server = server or {}
    return {
        "schema": SCHEMA,
        "software": {
            "bacctl": __version__,
            "model": server.get("model"),
            "triton": server.get("triton"),
            "probability_map": server.get("probability_map"),
        },
        "intended_use": INTENDED_USE,
        "skipped": skipped,
        "images": [image.to_dict() for image in images],
        "exams": [exam.to_dict() for exam in exams],
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


def analysis_csv(images: Sequence[ImageResult]) -> str:
    """Write a header and one row an image; masses in mg of calcium, empty where not assessed."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    writer.writerows(image_row(image).values() for image in images)
    return stream.getvalue()
