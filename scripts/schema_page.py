"""Make docs/schema.md from the schemas that are checked in: one table an object, one row a field.

With ``--check`` nothing is written; it leaves with 1 where the page is not that of the schemas.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).resolve().parents[1]
_SCHEMAS = _ROOT / "sdk" / "bacctl" / "schema"
_PAGE = _ROOT / "docs" / "schema.md"
_INTRODUCTION = """# JSON schemas

Research use only. Made by `python scripts/schema_page.py` from the schemas that the package carries; the
number after the slash is the version.
"""

Schema = dict[str, Any]


def make_page() -> str:
    """Return the page.

    Returns
    -------
    str
        Markdown.
    """
    schemas = {
        path.name: json.loads(path.read_text(encoding="utf-8")) for path in sorted(_SCHEMAS.glob("*.json"))
    }
    return "\n".join([_INTRODUCTION, *(_Chapter(name, schemas).text() for name in schemas)])


class _Chapter:
    """The tables of one schema."""

    def __init__(self, file: str, schemas: dict[str, Schema]) -> None:
        self._file = file
        self._schemas = schemas
        self._schema = schemas[file]

    def text(self) -> str:
        schema, kind = self._schema, _kind(self._file)
        folder = _SCHEMAS.relative_to(_ROOT).as_posix()
        lines = [f"## {schema['properties']['schema']['const']}", ""]
        lines += [f"{schema['title']}. {schema['description']}", ""]
        lines += [f"[{self._file}](../{folder}/{self._file})", "", f"### The {kind} document", ""]
        lines += self._table(schema)
        for name, entry in schema["$defs"].items():
            if "properties" in entry:  # what is simpler stands where it is used
                lines += [f"### {name} of {kind}", ""]
                if "description" in entry:
                    lines += [entry["description"], ""]
                lines += self._table(entry)
        return "\n".join(lines)

    def _table(self, entry: Schema) -> list[str]:
        rows = [f"| `{name}` | {what} | {text} |" for name, what, text in self._fields(entry, "")]
        return ["| field | type | meaning |", "|---|---|---|", *rows, ""]

    def _fields(self, entry: Schema, prefix: str) -> Iterator[tuple[str, str, str]]:
        properties = dict(entry["properties"])
        for variant in entry.get("oneOf", ()):
            for name, value in variant["properties"].items():
                properties.setdefault(name, value)
        for name, value in properties.items():
            optional = "" if name in entry.get("required", ()) else ", may be absent"
            yield prefix + name, self._type(value) + optional, self._text(value)
            if "properties" in value:
                yield from self._fields(value, f"{prefix}{name}.")

    def _text(self, entry: Schema) -> str:
        own: str = entry.get("description", "")
        if not own and "$ref" in entry:
            target = self._target(entry)[2]
            return "" if "properties" in target else self._text(target)
        if not own and "items" in entry:
            return self._text(entry["items"])
        return _cell(own)

    def _type(self, entry: Schema) -> str:
        if "$ref" in entry:
            return self._reference(entry)
        if "anyOf" in entry:
            return " or ".join(self._type(one) for one in entry["anyOf"])
        if "const" in entry:
            return f"`{_cell(json.dumps(entry['const']))}`"
        if "enum" in entry:
            return ", ".join(f"`{_cell(json.dumps(value))}`" for value in entry["enum"])
        return " or ".join(self._named(entry, name) for name in _names(entry))

    def _named(self, entry: Schema, name: str) -> str:
        if name == "array" and "items" in entry:
            size = f" of {entry['minItems']}" if entry.get("minItems", 0) == entry.get("maxItems") else ""
            return f"list{size}: {self._type(entry['items'])}"
        if name == "object" and isinstance(entry.get("additionalProperties"), dict):
            return f"object, by name: {self._type(entry['additionalProperties'])}"
        return name + (_range(entry) if name in ("number", "integer") else "")

    def _reference(self, entry: Schema) -> str:
        file, keys, target = self._target(entry)
        if "properties" not in target:
            return self._type(target)
        # Only definitions have a table of their own; other objects are rows of their document's.
        anchor = f"{keys[-1]}-of-{_kind(file)}" if keys[0] == "$defs" else f"the-{_kind(file)}-document"
        return f"[{keys[-1]}](#{anchor})" + (" or null" if "null" in _names(target) else "")

    def _target(self, entry: Schema) -> tuple[str, list[str], Schema]:
        file, _, pointer = entry["$ref"].partition("#/")
        keys = pointer.split("/")
        target: Any = self._schemas[file or self._file]
        for key in keys:
            target = target[key]
        return file or self._file, keys, target


def _kind(file: str) -> str:
    return file.partition("-")[0]


def _names(entry: Schema) -> list[str]:
    names = entry.get("type", "anything")
    return [names] if isinstance(names, str) else list(names)


def _range(entry: Schema) -> str:
    low, above, high = (entry.get(name) for name in ("minimum", "exclusiveMinimum", "maximum"))
    words = []
    if low is not None:
        words.append(f"from {low}")
    if above is not None:
        words.append(f"above {above}")
    if high is not None:
        words.append(f"to {high}")
    return f" {' '.join(words)}" if words else ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def main(arguments: list[str]) -> int:
    """Write the page, or check it."""
    page = make_page()
    if arguments == ["--check"]:
        if _PAGE.read_text(encoding="utf-8") == page:
            return 0
        print(f"{_PAGE.relative_to(_ROOT)} is stale; run: python scripts/schema_page.py", file=sys.stderr)
        return 1
    _PAGE.write_text(page, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
