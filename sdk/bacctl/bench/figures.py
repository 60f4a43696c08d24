"""What a benchmark found, as records: figures with their spread, and the document that holds them.

``python -m bacctl.bench.figures`` writes the schema that belongs to the package.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bac_terms.json_schema import Schema, definitions, object_schema, record_schema
from bac_terms.record import Record
from bacctl.results import INTENDED_USE

SCHEMA = "bacctl.bench/1"
SCHEMA_FILE = Path(__file__).parents[1] / "schema" / "bench-1.json"


@dataclass(frozen=True)
class Spread(Record):
    """The middle of a few values and where half of them lie.

    Attributes
    ----------
    low, median, high : float
        Quartiles, by linear interpolation; of two values their extremes.
    """

    low: float
    median: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Summarise at least one value."""
        if len(values) == 1:
            return cls(values[0], values[0], values[0])
        if len(values) == 2:
            return cls(min(values), statistics.mean(values), max(values))
        low, median, high = statistics.quantiles(values, n=4, method="inclusive")
        return cls(low, median, high)


@dataclass(frozen=True)
class Figure(Record):
    """One quantity of one subject, measured a few times.

    Attributes
    ----------
    part : str
        Which part of the benchmark measured it.
    name : str
        What it is.
    at : str
        Under which condition, such as "4 in flight"; may be empty.
    unit : str
        Of the values; empty for ratios.
    subject : str
        Whose figure it is.
    values : tuple of float
        One a round, in order. Values of two subjects at one place were measured side by side.
    spread : Spread
        Their median and quartiles.
    to_this : Spread or null
        The same of the quotients, round by round, of the first subject's value and this one: how many times
        the first subject's figure is this subject's. Null for the first subject itself, and where a value is
        0.
    """

    part: str
    name: str
    at: str
    unit: str
    subject: str
    values: tuple[float, ...]
    spread: Spread
    to_this: Spread | None

    @property
    def place(self) -> tuple[str, str, str]:
        """What the figures of several subjects have in common."""
        return self.part, self.name, self.at


@dataclass(frozen=True)
class Checkout(Record):
    """What was measured.

    Attributes
    ----------
    name : str
        How the figures call it.
    version : str
        Of the package.
    revision : str or null
        Commit of the checkout, with "+" where files differ from it; null where there is none.
    weights_sha256 : str
        Digest of the network's file.
    """

    name: str
    version: str
    revision: str | None
    weights_sha256: str


@dataclass(frozen=True)
class Machine(Record):
    """Where it was measured.

    Attributes
    ----------
    cpu : str
        Name of the processor.
    cores : int
        Cores that this process may use.
    load : float
        Processes that wanted to run, averaged over the minute before the start: what other work there was.
    python, numpy : str
        Versions.
    """

    cpu: str
    cores: int
    load: float
    python: str
    numpy: str


@dataclass(frozen=True)
class Document(Record):
    """A finished run.

    Attributes
    ----------
    date : str
        When it began, UTC, ISO 8601.
    machine : Machine
        Where.
    images : tuple of str
        SHA-256 of the files that were sent.
    command : str
        What was typed.
    subjects : tuple of Checkout
        What was measured; the first is what the others are held against.
    figures : tuple of Figure
        What was found.
    """

    date: str
    machine: Machine
    images: tuple[str, ...]
    command: str
    subjects: tuple[Checkout, ...]
    figures: tuple[Figure, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the JSON document with its schema's name."""
        return {"schema": SCHEMA, "intended_use": INTENDED_USE, **self.to_dict()}


class Notebook:
    """Takes values as they are measured and makes figures of them."""

    def __init__(self, subjects: Sequence[str]) -> None:
        self._subjects = list(subjects)
        self._values: dict[tuple[str, str, str, str], dict[str, list[float]]] = {}

    def note(self, place: tuple[str, str, str], unit: str, subject: str, value: float) -> None:
        """Add a value; `place` is (part, name, condition)."""
        self._values.setdefault((*place, unit), {}).setdefault(subject, []).append(value)

    def figures(self) -> tuple[Figure, ...]:
        """Return the figures in the order in which their places were first noted."""
        return tuple(
            Figure(
                part,
                name,
                at,
                unit,
                subject,
                tuple(values),
                Spread.of(values),
                self._to_this(of, subject),
            )
            for (part, name, at, unit), of in self._values.items()
            for subject, values in of.items()
        )

    def _to_this(self, of: Mapping[str, Sequence[float]], subject: str) -> Spread | None:
        first = of.get(self._subjects[0], [])
        if subject == self._subjects[0] or len(first) != len(of[subject]) or not all(of[subject]):
            return None
        return Spread.of([own / other for own, other in zip(first, of[subject], strict=True)])


def read_document(text: str) -> Document:
    """Read what a benchmark wrote.

    Raises
    ------
    ValueError
        It is no such document, or of another version of the schema.
    """
    value = json.loads(text)
    if not isinstance(value, dict) or value.get("schema") != SCHEMA:
        raise ValueError(f"is no {SCHEMA} document")
    return Document.from_dict(value)


def bench_schema() -> Schema:
    """Return the schema of what ``bacctl bench`` writes."""
    head = {"schema": {"const": SCHEMA}, "intended_use": {"const": INTENDED_USE}}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": SCHEMA,
        "title": "Benchmark of bacctl",
        "description": "Every figure is of a subject: a checkout, a package or a peer. Research use only.",
        **object_schema({**head, **record_schema(Document)["properties"]}),
        "$defs": definitions(Spread, Figure, Checkout, Machine),
    }


if __name__ == "__main__":
    SCHEMA_FILE.write_text(json.dumps(bench_schema(), indent=2) + "\n", encoding="utf-8")
