"""One declaration of a field is enough for JSON, reading, schema and tables."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from bac_terms.beam import Beam
from bac_terms.fields import (
    Amount,
    Code,
    Count,
    Identifier,
    Interval,
    Line,
    Name,
    Percent,
    Pixels,
    Share,
    Size,
)
from bac_terms.json_schema import definitions, record_schema
from bac_terms.json_text import parse_json
from bac_terms.record import KEY, LATER, UNWRITTEN, Record, as_columns, read
from bac_terms.report import ImageReport
from bacctl.results import ImageResult, columns
from bacctl.testing import make_report


@dataclass(frozen=True, slots=True)
class Tomorrow(ImageResult):
    """What was found on one image, and one thing more.

    Attributes
    ----------
    skin_mm : float or None
        Thickness of the skin.
    """

    skin_mm: Amount | None = field(default=None, metadata=LATER)


def test_one_declaration_is_enough() -> None:
    measured = Tomorrow.from_report(make_report(skin_mm=1.5))
    written = json.loads(json.dumps(measured.to_dict()))
    assert written["skin_mm"] == 1.5
    assert Tomorrow.from_dict(written) == measured
    with pytest.raises(ValueError, match="skin_mm"):
        Tomorrow.from_dict({**written, "skin_mm": -1.5})
    schema = record_schema(Tomorrow)
    assert schema["properties"]["skin_mm"] == {
        "type": ["number", "null"],
        "minimum": 0,
        "description": "Thickness of the skin.",
    }
    assert "skin_mm" not in schema["required"]  # documents of before go on being valid
    del written["skin_mm"]
    assert Tomorrow.from_dict(written).skin_mm is None
    assert {"skin_mm", "area_mm2"} <= {name for entry in columns._columns(Tomorrow) for name in entry.names}


def test_a_list_that_no_table_knows_is_told_at_once() -> None:
    @dataclass(frozen=True, slots=True)
    class Listing(Record):
        places: tuple[Beam, ...] = ()

    @dataclass(frozen=True, slots=True)
    class Box(Record):
        box: tuple[Count, Count, Count, Count] = (0, 0, 0, 0)

    for record in (Listing, Box):
        with pytest.raises(TypeError, match="as_columns"):
            columns._columns(record)


def test_the_docstring_tells_the_fields_of_both() -> None:
    told = Tomorrow.__doc__ or ""
    assert told.startswith("What was found on one image, and one thing more.\n")
    assert told.index("\nbac_probability : ") < told.index("\nmask : ") < told.index("\nskin_mm : ")
    assert told.count("----------") == 1


@dataclass(frozen=True, slots=True)
class Part(Record):
    """A part.

    Attributes
    ----------
    side : str
        Where.
    size : float
        How large.
    """

    side: str = field(metadata=KEY)
    size: Size


@dataclass(frozen=True, slots=True)
class Whole(Record):
    """All kinds of fields.

    Attributes
    ----------
    share, percent, count, pixels : number
        Numbers.
    code, line, name, identifier : str
        Texts.
    pair : tuple of float
        An interval.
    parts : mapping
        By side.
    path : Path or None
        A path.
    """

    share: Share = 0.5
    percent: Percent = 50.0
    count: Count = 0
    pixels: Pixels = 1
    code: Code = "BAC-X"
    line: Line = "a line"
    name: Name = "a name\nof two lines"
    identifier: Identifier = "1.2.3"
    pair: Interval = (1.0, 2.0)
    parts: Mapping[str, Part] = field(default_factory=dict, metadata=as_columns())
    path: Path | None = None
    hidden: Any = field(default=None, metadata=UNWRITTEN)


def test_what_is_written_is_read() -> None:
    whole = Whole(parts={"left": Part("left", 1.0)}, path=Path("a/b"), hidden=object())
    written = whole.to_dict()
    assert written["parts"] == {"left": {"size": 1.0}}
    assert (written["path"], "hidden" in written) == ("a/b", False)
    assert Whole.from_dict(json.loads(json.dumps(written))) == Whole(parts=whole.parts, path=Path("a/b"))
    jsonschema.validate(written, {**record_schema(Whole), "$defs": definitions(Whole)})


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("share", 1.5, False),
        ("share", True, False),
        ("share", "0.5", False),
        ("percent", 100, True),
        ("percent", 100.5, False),
        ("count", -1, False),
        ("count", 1.5, False),
        ("count", True, False),
        ("pixels", 0, False),
        ("code", "bac", False),
        ("line", "two\nlines", False),
        ("line", "", False),
        ("name", "", False),
        ("pair", [1.0], False),
        ("pair", [0, 0], True),
        ("parts", {"left": {"size": 0}}, False),
        ("parts", {"left": {}}, False),
        ("parts", [], False),
        ("path", 1, False),
    ],
)
def test_reading_and_schema_agree(name: str, value: object, allowed: bool) -> None:
    given = {**Whole().to_dict(), name: value}
    valid = jsonschema.Draft202012Validator({**record_schema(Whole), "$defs": definitions(Whole)})
    assert valid.is_valid(given) is allowed
    if allowed:
        assert Whole.from_dict(given).to_dict() == given
    else:
        with pytest.raises(ValueError, match=name):
            Whole.from_dict(given)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("pair", [2.0, 1.0]),
        ("share", float("nan")),
        ("percent", float("inf")),
        ("percent", 10**400),
        ("identifier", "DOE^JANE"),
        ("identifier", "19500101"),
    ],
)
def test_reading_knows_what_no_schema_says(name: str, value: object) -> None:
    with pytest.raises(ValueError, match=name) as told:
        Whole.from_dict({**Whole().to_dict(), name: value})
    assert str(value) not in str(told.value)


def test_what_is_missing_has_its_default_only_where_that_is_asked_for() -> None:
    assert read(Whole, {"share": 1.0}, partial=True) == Whole(share=1.0)
    with pytest.raises(ValueError, match="percent, count"):
        Whole.from_dict({"share": 1.0})
    with pytest.raises(ValueError, match="size"):
        read(Whole, {"parts": {"left": {}}}, partial=True)
    assert read(Beam, {"kvp": 28}, partial=True) == Beam(kvp=28.0)


def test_values_that_contradict_each_other_are_no_record() -> None:
    refused = ImageReport("refused", "BAC-VIEW-SPOT", "a spot view").to_dict()
    assert ImageReport.from_dict(refused).code == "BAC-VIEW-SPOT"
    for wrong in ({"code": None}, {"bac_detected": True}, {"status": "ok"}, {"mass_reference": "bone"}):
        with pytest.raises(ValueError, match=r"status|mass_reference"):
            ImageReport.from_dict({**refused, **wrong})


@pytest.mark.parametrize("data", [b"{", b"NaN", b"[-Infinity]", b"[" * 100_000, b"\xff"])
def test_what_is_no_json(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        parse_json(data)
