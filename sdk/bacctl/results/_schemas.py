"""The JSON schemas, made from the records that write the documents.

Keys, types and what may be null come from the annotations, descriptions from the docstrings; only what
neither says, such as the smallest value, stands here. ``python -m bacctl.results._schemas`` writes the files.
"""

from __future__ import annotations

import inspect
import json
import re
import types
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from bacctl.results import COMPARISON_SCHEMA, INTENDED_USE, SCHEMA
from bacctl.results.comparison import SUMMARY, BreastComparison, Change, ExamComparison
from bacctl.results.exam import VIEWS, BreastResult, ExamResult, ViewResult
from bacctl.results.image import LATER, ImageResult
from bacctl.results.parts import AreaEstimate, Beam, Notice, Vessel

Schema = dict[str, Any]

_FOLDER = Path(__file__).parents[1] / "schema"
_PLAIN: Mapping[Any, Schema] = {
    str: {"type": "string"},
    Path: {"type": "string"},
    bool: {"type": "boolean"},
    int: {"type": "integer", "minimum": 0},
    float: {"type": "number", "minimum": 0},
}
_NAMES: Mapping[type, str] = {
    Notice: "notice",
    Vessel: "vessel",
    Beam: "beam",
    AreaEstimate: "area_estimate",
    ImageResult: "image",
    ViewResult: "view",
    BreastResult: "breast",
    ExamResult: "exam",
    Change: "change",
    BreastComparison: "breast",
}
_CODE = {"pattern": "^BAC-[A-Z0-9-]+$"}
_UID = {"minLength": 1}
_ONE_LINE = {"pattern": r"^[^\n\r]+$"}
_VIEWS = {"items": {"enum": list(VIEWS)}, "uniqueItems": True}
_MISSING = {"items": {"enum": ["LCC", "LMLO", "RCC", "RMLO"]}, "uniqueItems": True}
_POSITIVE: Schema = {"minimum": None, "exclusiveMinimum": 0}
_DIGEST = {"type": ["string", "null"], "pattern": "^[0-9a-f]{64}$"}
# What an annotation does not say. None takes something away.
_MORE: Mapping[tuple[type, str], Schema] = {
    (Notice, "code"): _CODE,
    (Notice, "text"): {"minLength": 1},
    (ImageResult, "sop_instance_uid"): _UID,
    (ImageResult, "study_instance_uid"): _UID,
    (ImageResult, "view"): _UID,
    (ImageResult, "rows"): {"minimum": 1},
    (ImageResult, "columns"): {"minimum": 1},
    (ImageResult, "code"): _CODE,
    (ImageResult, "reason"): _ONE_LINE,
    (Vessel, "probability"): {"maximum": 1},
    (ImageResult, "bac_probability"): {"maximum": 1},
    (ImageResult, "probability_prevalence"): {"maximum": 1},
    (ImageResult, "min_probability"): {"maximum": 1},
    (ImageResult, "area_percent_of_breast"): {"maximum": 100},
    (ImageResult, "pixel_spacing_mm"): {"items": _POSITIVE},
    (ImageResult, "magnification"): _POSITIVE,
    (ViewResult, "sop_instance_uids"): {"items": _UID},
    (BreastResult, "views"): _VIEWS,
    (BreastResult, "mass_views"): _VIEWS,
    (BreastResult, "by_view"): {
        "additionalProperties": False,
        "properties": {view: {"$ref": "#/$defs/view"} for view in VIEWS},
    },
    (ExamResult, "study_instance_uid"): _UID,
    (ExamResult, "folder"): _UID,
    (ExamResult, "min_probability"): {"maximum": 1},
    (ExamResult, "missing_views"): _MISSING,
    (ExamResult, "category_probabilities"): {"additionalProperties": {"maximum": 1}},
    (Change, "difference"): {"minimum": None},
    (BreastComparison, "views"): _VIEWS,
}
# Fields of the records that are not in their JSON, and what is there instead.
_LEFT_OUT: Mapping[type, frozenset[str]] = {
    ImageResult: frozenset({"mask", "density", "weights_sha256", "map_sha256", "origin"}),
    BreastResult: frozenset({"laterality"}),
    ExamResult: frozenset({"software", "images"}),
    BreastComparison: frozenset({"laterality"}),
}
_ADDED: Mapping[type, Schema] = {
    ImageResult: {
        "mass_reference": {"const": "calcium", "description": "Mass of calcium, not of hydroxyapatite."}
    },
}
# Fields that came after the first documents of this schema, which stay valid without them.
_LATER: Mapping[type, frozenset[str]] = {
    Vessel: frozenset({"probability"}),
    ImageResult: LATER,
    ViewResult: frozenset({"area_estimate"}),
    BreastResult: frozenset({"area_estimate"}),
    ExamResult: frozenset({"folder", "groups", "min_probability", "area_estimate", "category_basis"}),
}
_CONDITIONS: Mapping[type, Schema] = {
    ImageResult: {
        "if": {"properties": {"status": {"const": "ok"}}},
        "then": {
            "properties": {
                "code": {"type": "null"},
                "reason": {"type": "null"},
                "rows": {"type": "integer"},
                "columns": {"type": "integer"},
                "bac_detected": {"type": "boolean"},
                "bac_probability": {"type": "number"},
            }
        },
        "else": {
            "properties": {
                "code": {"type": "string"},
                "reason": {"type": "string"},
                "bac_detected": {"type": "null"},
                "calcium_mass_mg": {"type": "null"},
            }
        },
    },
    Change: {
        "if": {"properties": {"verdict": {"const": "not_comparable"}}},
        "then": {
            "properties": {
                "reason": {"type": "string"},
                "difference": {"type": "null"},
                "limit": {"type": "null"},
            }
        },
        "else": {
            "properties": {
                "prior": {"type": "number"},
                "current": {"type": "number"},
                "difference": {"type": "number"},
                "limit": {"type": "number"},
                "reason": {"type": "null"},
            }
        },
    },
}


def analysis_schema() -> Schema:
    """Return the schema of what ``bacctl analyze --json`` prints."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": SCHEMA,
        "title": "Analysis of mammograms by bacctl",
        "description": "Coordinates are (row, column). Pixel spacing is at the detector; area, length, width "
        "and mass are in the plane of the artery. Masses are of calcium. Research use only.",
        **_object(
            {
                "schema": {"const": SCHEMA},
                "software": {
                    "type": "object",
                    "required": ["bacctl", "model", "triton"],
                    "properties": {
                        "bacctl": {"type": "string", "description": "Version of the client."},
                        "model": {
                            **_DIGEST,
                            "description": "SHA-256 of the weights; null when no server could be reached.",
                        },
                        "triton": {"type": ["string", "null"]},
                        "probability_map": {
                            **_DIGEST,
                            "description": "SHA-256 of the map that made probabilities of scores; null "
                            "without one.",
                        },
                    },
                },
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
        "$defs": _definitions(
            Notice, Vessel, AreaEstimate, Beam, ImageResult, ViewResult, BreastResult, ExamResult
        ),
    }


def comparison_schema() -> Schema:
    """Return the schema of what ``bacctl compare --json`` prints."""
    exam = _record(ExamResult)["properties"]
    software = {"bacctl": {"type": ["string", "null"]}, "model": _DIGEST, "probability_map": _DIGEST}
    of_exam = _object(software)
    summary = _object({**{name: exam[name] for name in SUMMARY}, "software": of_exam})
    # Later than the first documents of this schema, too.
    of_exam["required"].remove("probability_map")
    summary["required"].remove("min_probability")
    whole = _record(ExamComparison)["properties"]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": COMPARISON_SCHEMA,
        "title": "Comparison of two exams of one woman by bacctl",
        "description": "Masses are of calcium, in mg; areas are in mm2 in the plane of the artery. Research "
        "use only.",
        **_object(
            {
                "schema": {"const": COMPARISON_SCHEMA},
                "software": _object({"bacctl": {"type": "string", "description": "Version that compared."}}),
                "intended_use": {"const": INTENDED_USE},
                **whole,
            }
        ),
        "$defs": {
            **_definitions(Notice, Change, BreastComparison),
            "exam": {"description": f"As in {SCHEMA}.", **summary},
        },
    }


def write() -> None:
    """Write the files that belong to the package."""
    for name, schema in (("analysis-1.json", analysis_schema()), ("comparison-1.json", comparison_schema())):
        (_FOLDER / name).write_text(text_of(schema), encoding="utf-8")


def text_of(schema: Schema) -> str:
    """Return a schema as its file has it."""
    return json.dumps(schema, indent=2) + "\n"


def _definitions(*records: type) -> Schema:
    return {_NAMES[record]: _record(record) for record in records}


def _record(record: type) -> Schema:
    import numpy as np
    import numpy.typing as npt

    # Names that the module of a record knows for its type checker only.
    hints = get_type_hints(record, localns={"np": np, "npt": npt, "Origin": object})
    left_out = _LEFT_OUT.get(record, frozenset())
    meanings = _meanings(record)
    properties: Schema = {}
    for entry in fields(record):
        if entry.name in left_out:
            continue
        schema = _merged(_type(hints[entry.name]), _MORE.get((record, entry.name), {}))
        if entry.name in meanings:
            schema = {**schema, "description": meanings[entry.name]}
        properties[entry.name] = schema
    made = _object({**properties, **_ADDED.get(record, {})})
    later = _LATER.get(record, frozenset())
    made["required"] = [name for name in made["required"] if name not in later]
    return {**made, **_CONDITIONS.get(record, {})}


def _object(properties: Schema) -> Schema:
    return {
        "type": "object",
        "additionalProperties": False,
        "required": list(properties),
        "properties": properties,
    }


def _type(hint: Any) -> Schema:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        (inner,) = (argument for argument in arguments if argument is not type(None))
        return _nullable(_type(inner))
    if origin is Literal:
        return {"enum": list(arguments)}
    if origin is tuple:
        items = _type(arguments[0])
        if arguments[-1] is ...:
            return {"type": "array", "items": items}
        return {"type": "array", "items": items, "minItems": len(arguments), "maxItems": len(arguments)}
    if isinstance(origin, type) and issubclass(origin, Mapping):
        key, value = arguments
        if get_origin(key) is Literal:
            return _object({name: _type(value) for name in get_args(key)})
        return {"type": "object", "additionalProperties": _type(value)}
    if is_dataclass(hint) and isinstance(hint, type):
        return {"$ref": f"#/$defs/{_NAMES[hint]}"}
    return dict(_PLAIN[hint])


def _nullable(schema: Schema) -> Schema:
    if "enum" in schema:
        return {"enum": [*schema["enum"], None]}
    if "$ref" in schema:
        return {"anyOf": [schema, {"type": "null"}]}
    return {**schema, "type": [schema["type"], "null"]}


def _merged(schema: Schema, more: Mapping[str, Any]) -> Schema:
    result = dict(schema)
    for key, value in more.items():
        if value is None:
            result.pop(key)
        elif isinstance(value, Mapping):
            result[key] = _merged(result.get(key, {}), value)
        else:
            result[key] = value
    return result


def _meanings(record: type) -> dict[str, str]:
    """Read what the docstring says of each field: ``name, name : type`` and the lines below it."""
    # From Python 3.13 on the docstring comes without its indent.
    _, _, section = inspect.cleandoc(record.__doc__ or "").partition("Attributes\n----------\n")
    found: dict[str, str] = {}
    names: Sequence[str] = ()
    for line in section.splitlines():
        heading = re.fullmatch(r"(\w[\w, ]*?)(?: :.*)?", line)
        if heading:
            names = heading[1].split(", ")
        elif line.strip():
            for name in names:
                found[name] = f"{found.get(name, '')} {line.strip()}".strip()
    return {name: text.replace("`", "").replace("None", "null") for name, text in found.items()}


if __name__ == "__main__":
    write()
