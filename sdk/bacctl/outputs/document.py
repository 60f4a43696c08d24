"""The document of a run (``analysis.json``) and its rows (``analysis.csv``), and that of a comparison."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

from bacctl._version import __version__
from bacctl.results import COMPARISON_SCHEMA, INTENDED_USE, SCHEMA, ExamComparison, ExamResult, ImageResult

CSV_COLUMNS = (
    "path",
    "sop_instance_uid",
    "study_instance_uid",
    "laterality",
    "view",
    "status",
    "code",
    "reason",
    "bac_detected",
    "bac_probability",
    "probability_prevalence",
    "min_probability",
    "calcium_mass_mg",
    "calcium_mass_low_mg",
    "calcium_mass_high_mg",
    "mass_basis",
    "mass_reference",
    "area_mm2",
    "length_mm",
    "area_estimate_mg",
    "area_estimate_low_mg",
    "area_estimate_high_mg",
    "breast_area_mm2",
    "area_percent_of_breast",
    "length_mm_per_cm2_of_breast",
    "vessels",
    "rows",
    "columns",
    "row_spacing_mm",
    "column_spacing_mm",
    "spacing_source",
    "magnification",
    "warnings",
    "intended_use",
)


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
    writer = csv.DictWriter(stream, CSV_COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(_row(image) for image in images)
    return stream.getvalue()


def _row(image: ImageResult) -> dict[str, Any]:
    entry = image.to_dict()
    row = {name: entry[name] for name in CSV_COLUMNS if name in entry}
    row["calcium_mass_low_mg"], row["calcium_mass_high_mg"] = entry["calcium_mass_interval_mg"] or ("", "")
    if image.area_estimate is not None:
        row["area_estimate_mg"] = image.area_estimate.central_mg
        row["area_estimate_low_mg"], row["area_estimate_high_mg"] = image.area_estimate.interval_mg
    row["row_spacing_mm"], row["column_spacing_mm"] = entry["pixel_spacing_mm"] or ("", "")
    # Empty where nothing was assessed: 0 would say that there are none.
    row["vessels"] = len(image.vessels) if image.status == "ok" else ""
    row["warnings"] = " ".join(notice.code for notice in image.warnings)
    row["intended_use"] = INTENDED_USE
    return row
