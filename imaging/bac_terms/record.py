"""Records whose fields are declared once: JSON object, reading, schema and tables follow from the dataclass.

A field's annotation says what it may hold (`bac_terms.fields` has the types with bounds), the class's
docstring what it means, and its metadata what is out of the ordinary: `LATER`, `UNWRITTEN`, `REPORTED`, `KEY`
and `as_columns`. Standard library only.
"""

from __future__ import annotations

import math
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, fields
from inspect import cleandoc
from pathlib import Path
from typing import (
    Annotated,
    Any,
    ClassVar,
    Literal,
    NamedTuple,
    TypeGuard,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from bac_terms.fields import Limit

ATTRIBUTES = "Attributes\n----------\n"
"""Head of the section of a docstring that tells the fields."""

R = TypeVar("R", bound="Record")
Read = Callable[[Any, bool], Any]
Metadata = Mapping[str, Any]

LATER: Metadata = {"later": True}
"""Came after the first documents of its schema, which stay valid without it."""
UNWRITTEN: Metadata = {"written": False}
"""Is no part of the JSON object."""
REPORTED: Metadata = {"written": False, "reported": True}
"""Is no part of the JSON object, but of what a server reports."""
KEY: Metadata = {"written": False, "key": True}
"""Is the key of the mapping that holds the record."""


def as_columns(*names: str) -> Metadata:
    """Name the columns that a field has in a table; none keeps it out of tables."""
    return {"columns": names}


@dataclass(frozen=True)
class Condition:
    """What else is known and what is null as one field has a certain value or another.

    Attributes
    ----------
    field, value : str
        Which field, and the value.
    known, null : sequence of str
        Fields that are not null, and that are, where the field has the value.
    otherwise_known, otherwise_null : sequence of str
        Likewise where it has another.
    """

    field: str
    value: str
    known: Sequence[str] = ()
    null: Sequence[str] = ()
    otherwise_known: Sequence[str] = ()
    otherwise_null: Sequence[str] = ()

    def check(self, record: Record) -> None:
        """Raise ValueError for a record that contradicts it."""
        met = getattr(record, self.field) == self.value
        known, null = (self.known, self.null) if met else (self.otherwise_known, self.otherwise_null)
        wrong = [name for name in known if getattr(record, name) is None]
        wrong += [name for name in null if getattr(record, name) is not None]
        if wrong:
            raise ValueError(f"{', '.join(wrong)}: contradicts the {self.field}")


class Record:
    """Base of the records, which are frozen dataclasses."""

    __slots__ = ()
    condition: ClassVar[Condition | None] = None

    def __init_subclass__(cls) -> None:
        """Let the docstring of a record that extends another tell the fields of both."""
        head, mark, own = cleandoc(cls.__doc__ or "").partition(ATTRIBUTES)
        inherited = cleandoc(cls.__mro__[1].__doc__ or "").partition(ATTRIBUTES)[2]
        if inherited and not own.startswith(inherited):
            cls.__doc__ = f"{head}{mark}{inherited}\n{own}"

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object."""
        return {
            entry.name: _plain(getattr(self, entry.name)) for entry in entries(type(self)) if entry.written
        }

    @classmethod
    def from_dict(cls: type[R], value: Any) -> R:
        """Read what `to_dict` wrote.

        Parameters
        ----------
        value : mapping
            The JSON object. What this version does not know is left out.

        Returns
        -------
        Record

        Raises
        ------
        ValueError
            A field is missing, or is not what the schema allows.
        """
        return read(cls, value)

    def check(self) -> None:
        """Raise ValueError where fields contradict each other; asked of every record that was read."""


class Entry(NamedTuple):
    """One field, as its declaration has it."""

    name: str
    hint: Any
    read: Read
    metadata: Metadata
    written: bool
    has_default: bool
    given: bool


_ENTRIES: dict[type[Record], tuple[Entry, ...]] = {}


def entries(record: type[Record]) -> tuple[Entry, ...]:
    """Return the fields of a record that are written or read."""
    if record not in _ENTRIES:
        _ENTRIES[record] = _entries(record)
    return _ENTRIES[record]


def _entries(record: type[Record]) -> tuple[Entry, ...]:
    hints = get_type_hints(record, include_extras=True)
    return tuple(
        Entry(
            entry.name,
            hints[entry.name],
            _reader(hints[entry.name]),
            entry.metadata,
            entry.metadata.get("written", True),
            (entry.default, entry.default_factory) != (MISSING, MISSING),
            entry.init,
        )
        for entry in _fields(record)
        if entry.metadata.get("written", True) or "reported" in entry.metadata
    )


def read(record: type[R], value: Any, *, partial: bool = False, **more: Any) -> R:
    """Read a record from its JSON object, of which anybody may have written anything.

    Parameters
    ----------
    record : type
        Of which kind.
    value : mapping
        The object.
    partial : bool, default False
        Whether what is left out has the default of its field, as in the answer of another release.
    **more
        Fields that are not in the object, or not as the record has them.

    Raises
    ------
    ValueError
        It is none.
    """
    if not isinstance(value, Mapping):
        raise _wrong(value)
    values: dict[str, Any] = {}
    missing = []
    for entry in entries(record):
        if entry.name in more or not (entry.written or partial):
            continue
        if entry.name in value:
            try:
                found = entry.read(value[entry.name], partial)
            except ValueError as error:
                raise ValueError(f"{entry.name}: {error}") from None
            if entry.given:
                values[entry.name] = found
        elif not entry.has_default or not (partial or "later" in entry.metadata):
            missing.append(entry.name)
    if missing:
        raise ValueError(f"no {', '.join(missing)}")
    made = record(**{**values, **more})
    made.check()
    if record.condition is not None and not partial:
        record.condition.check(made)
    return made


def is_record(hint: Any) -> TypeGuard[type[Record]]:
    """Tell whether a type is one of a record."""
    return isinstance(hint, type) and issubclass(hint, Record)


def _fields(record: Any) -> Sequence[Field[Any]]:
    return fields(record)


def _plain(value: Any) -> Any:
    if isinstance(value, Record):
        return value.to_dict()
    if isinstance(value, tuple):
        return [_plain(part) for part in value]
    if isinstance(value, Mapping):
        return {name: _plain(part) for name, part in value.items()}
    return str(value) if isinstance(value, Path) else value


def _reader(hint: Any) -> Read:
    """Return what reads a value of a type, or raises ValueError."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _limited(_reader(arguments[0]), arguments[1:])
    if origin in (Union, types.UnionType):
        (inner,) = (_reader(argument) for argument in arguments if argument is not type(None))
        return lambda value, partial: None if value is None else inner(value, partial)
    if origin is Literal:
        return lambda value, partial: _one_of(value, arguments)
    if origin is tuple:
        return _several(arguments) if arguments[-1] is ... else _fixed(arguments)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return _mapping(*arguments)
    if is_record(hint):
        return lambda value, partial: read(hint, value, partial=partial)
    return _PLAIN[hint]


def _limited(inner: Read, limits: Sequence[Limit]) -> Read:
    def limited(value: Any, partial: bool) -> Any:
        found = inner(value, partial)
        for limit in limits:
            if not limit.allows(found):
                raise _wrong(value)
        return found

    return limited


def _fixed(hints: Sequence[Any]) -> Read:
    inner = [_reader(hint) for hint in hints]

    def fixed(value: Any, partial: bool) -> Any:
        if not isinstance(value, list) or len(value) != len(inner):
            raise _wrong(value)
        return tuple(one(part, partial) for one, part in zip(inner, value, strict=True))

    return fixed


def _several(hints: Sequence[Any]) -> Read:
    inner = _reader(hints[0])

    def several(value: Any, partial: bool) -> Any:
        if not isinstance(value, list):
            raise _wrong(value)
        return tuple(inner(part, partial) for part in value)

    return several


def _mapping(key: Any, hint: Any) -> Read:
    keys, inner = _reader(key), _reader(hint)
    needed = get_args(key) if get_origin(key) is Literal else ()
    # A record may be told which key it stands under.
    told = [entry.name for entry in _fields(hint) if "key" in entry.metadata] if is_record(hint) else []

    def mapping(value: Any, partial: bool) -> Any:
        if not isinstance(value, Mapping) or any(name not in value for name in needed):
            raise _wrong(value)
        read_keys = ((keys(name, partial), part) for name, part in value.items())
        if not told:
            return {name: inner(part, partial) for name, part in read_keys}
        return {name: read(hint, part, partial=partial, **{told[0]: name}) for name, part in read_keys}

    return mapping


def _one_of(value: Any, allowed: Sequence[Any]) -> Any:
    for entry in allowed:
        if type(entry) is type(value) and entry == value:  # True equals 1, and is none
            return entry
    raise _wrong(value)


def _number(value: Any, partial: bool) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise _wrong(value)
    try:
        number = float(value)
    except OverflowError:
        raise _wrong(value) from None
    if not math.isfinite(number):
        raise _wrong(value)
    return number


def _whole(value: Any, partial: bool) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise _wrong(value)
    return value


def _text(value: Any, partial: bool) -> str:
    if not isinstance(value, str):
        raise _wrong(value)
    return value


def _flag(value: Any, partial: bool) -> bool:
    if not isinstance(value, bool):
        raise _wrong(value)
    return value


def _path(value: Any, partial: bool) -> Path:
    if not isinstance(value, str) or not value:
        raise _wrong(value)
    return Path(value)


def _wrong(value: Any) -> ValueError:
    return ValueError(f"a {type(value).__name__} that does not belong there")


_PLAIN: Mapping[Any, Read] = {float: _number, int: _whole, str: _text, bool: _flag, Path: _path}
