"""The JSON schemas of the documents, made from the records that write them.

``python -m bacctl.results.schemas`` writes the files that belong to the package.
"""

from __future__ import annotations

import json
from pathlib import Path

from bac_terms.json_schema import Schema, definitions, object_schema, record_schema
from bac_terms.notices import Notice
from bacctl.results import COMPARISON_SCHEMA, INTENDED_USE, SCHEMA
from bacctl.results.comparison import SUMMARY, BreastComparison, ExamComparison
from bacctl.results.exam import ExamResult, Software
from bacctl.results.image import ImageResult

_FOLDER = Path(__file__).parents[1] / "schema"
_DRAFT = "https://json-schema.org/draft/2020-12/schema"


def analysis_schema() -> Schema:
    """Return the schema of what ``bacctl analyze --json`` prints."""
    software = record_schema(Software)
    # Of the run, and not only of what measured: its version is known, and more may be told.
    del software["additionalProperties"]
    software["properties"] |= {
        "bacctl": {"type": "string", "description": "Version of the client."},
        "triton": {"type": ["string", "null"], "description": "Version of Triton."},
    }
    software["required"].append("triton")
    return {
        "$schema": _DRAFT,
        "$id": SCHEMA,
        "title": "Analysis of mammograms by bacctl",
        "description": "Coordinates are (row, column). Pixel spacing is at the detector; area, length, width "
        "and mass are in the plane of the artery. Masses are of calcium. Research use only.",
        **object_schema(
            {
                "schema": {"const": SCHEMA},
                "software": software,
                "intended_use": {"const": INTENDED_USE},
                "skipped": {
                    "type": "integer",
                    "minimum": 0,
                    "description": "Files in folders that are no image.",
                },
                "images": {"type": "array", "items": {"$ref": "#/$defs/image"}},
                "exams": {"type": "array", "items": {"$ref": "#/$defs/exam"}},
            }
        ),
        "$defs": definitions(ImageResult, ExamResult),
    }


def comparison_schema() -> Schema:
    """Return the schema of what ``bacctl compare --json`` prints."""
    exam = record_schema(ExamResult)["properties"]
    summary = object_schema({**{name: exam[name] for name in SUMMARY}, "software": record_schema(Software)})
    summary["required"].remove("min_probability")  # later than the first documents here, too
    return {
        "$schema": _DRAFT,
        "$id": COMPARISON_SCHEMA,
        "title": "Comparison of two exams of one woman by bacctl",
        "description": "Masses are of calcium, in mg; areas are in mm2 in the plane of the artery. Research "
        "use only.",
        **object_schema(
            {
                "schema": {"const": COMPARISON_SCHEMA},
                "software": object_schema(
                    {"bacctl": {"type": "string", "description": "Version that compared."}}
                ),
                "intended_use": {"const": INTENDED_USE},
                **record_schema(ExamComparison)["properties"],
            }
        ),
        "$defs": {
            **definitions(Notice, BreastComparison),
            "exam": {"description": f"As in {SCHEMA}.", **summary},
        },
    }


def text_of(schema: Schema) -> str:
    """Return a schema as its file has it."""
    return json.dumps(schema, indent=2) + "\n"


def write() -> None:
    """Write the files that belong to the package."""
    for name, schema in (("analysis-1.json", analysis_schema()), ("comparison-1.json", comparison_schema())):
        (_FOLDER / name).write_text(text_of(schema), encoding="utf-8")


if __name__ == "__main__":
    write()
