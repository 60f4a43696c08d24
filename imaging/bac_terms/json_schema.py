"""The JSON schema of a record: keys, types, bounds and what may be null, with what its docstring says."""

from __future__ import annotations

import re
import types
from collections.abc import Iterator, Mapping, Sequence
from inspect import cleandoc
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from bac_terms.record import ATTRIBUTES, Condition, Record, entries, is_record

Schema = dict[str, Any]

_PLAIN: Mapping[Any, str] = {str: "string", Path: "string", bool: "boolean", int: "integer", float: "number"}
_NULL: Schema = {"type": "null"}


def record_schema(record: type[Record]) -> Schema:
    """Return the schema of a record's JSON object; other records in it are references into ``$defs``."""
    meanings = _meanings(record)
    written = [entry for entry in entries(record) if entry.written]
    properties = {
        entry.name: {**_schema(entry.hint), "description": meanings[entry.name]} for entry in written
    }
    made = object_schema(properties)
    made["required"] = [entry.name for entry in written if "later" not in entry.metadata]
    return {**made, **({} if record.condition is None else _conditions(record.condition))}


def definitions(*records: type[Record]) -> Schema:
    """Return the schemas of records, and of those that they are made of, by name."""
    found: Schema = {}
    for record in records:
        for entry in entries(record):
            found |= definitions(*_records_in(entry.hint))
        found[_name(record)] = record_schema(record)
    return found


def object_schema(properties: Schema) -> Schema:
    """Return the schema of an object that has these properties, all of them and no others."""
    return {
        "type": "object",
        "additionalProperties": False,
        "required": list(properties),
        "properties": properties,
    }


def _name(record: type) -> str:
    stem = re.sub("(Result|Comparison)$", "", record.__name__)
    return re.sub("(?<=[a-z])(?=[A-Z])", "_", stem).lower()


def _records_in(hint: Any) -> Iterator[type[Record]]:
    if is_record(hint):
        yield hint
    for argument in get_args(hint):
        yield from _records_in(argument)


def _schema(hint: Any) -> Schema:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        made = _schema(arguments[0])
        for limit in arguments[1:]:
            made |= limit.schema
        return made
    if origin in (Union, types.UnionType):
        (inner,) = (argument for argument in arguments if argument is not type(None))
        return _nullable(_schema(inner))
    if origin is Literal:
        return {"const": arguments[0]} if len(arguments) == 1 else {"enum": list(arguments)}
    if origin is tuple:
        return _list(arguments)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return _mapping(*arguments)
    return {"$ref": f"#/$defs/{_name(hint)}"} if is_record(hint) else {"type": _PLAIN[hint]}


def _list(hints: Sequence[Any]) -> Schema:
    made = {"type": "array", "items": _schema(hints[0])}
    return made if hints[-1] is ... else {**made, "minItems": len(hints), "maxItems": len(hints)}


def _mapping(key: Any, hint: Any) -> Schema:
    keys, value = _schema(key), _schema(hint)
    if "enum" not in keys:
        return {"type": "object", "additionalProperties": value}
    made = object_schema(dict.fromkeys(keys["enum"], value))
    if get_origin(key) is not Literal:  # any of them, where a Literal means all
        del made["required"]
    return made


def _nullable(schema: Schema) -> Schema:
    if "enum" in schema:
        return {"enum": [*schema["enum"], None]}
    if "$ref" in schema:
        return {"anyOf": [schema, _NULL]}
    return {**schema, "type": [schema["type"], "null"]}


def _conditions(condition: Condition) -> Schema:
    return {
        "if": {"properties": {condition.field: {"const": condition.value}}},
        "then": _states(condition.known, condition.null),
        "else": _states(condition.otherwise_known, condition.otherwise_null),
    }


def _states(known: Sequence[str], null: Sequence[str]) -> Schema:
    return {"properties": {**{name: {"not": _NULL} for name in known}, **dict.fromkeys(null, _NULL)}}


def _meanings(record: type) -> dict[str, str]:
    """Read what the docstring says of each field: ``name, name : type`` and the lines below it."""
    section = cleandoc(record.__doc__ or "").partition(ATTRIBUTES)[2]
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
