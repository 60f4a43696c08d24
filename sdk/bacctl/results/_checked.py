"""Values out of a JSON document that anybody may have written: each is what it should be, or a ValueError."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from re import Pattern
from typing import Any, NoReturn, TypeVar

T = TypeVar("T")


def parsed(data: bytes) -> Any:
    """Parse JSON, without the numbers that are none and Python reads nevertheless.

    Raises
    ------
    ValueError
        It is no JSON.
    """
    try:
        return json.loads(data, parse_constant=_no_number)
    except RecursionError:
        raise ValueError("brackets within brackets without end") from None


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def table(value: Any) -> Mapping[str, Any]:
    """Return a JSON object."""
    return value if isinstance(value, Mapping) else _wrong(value)


def items(value: Any) -> list[Any]:
    """Return a list."""
    return value if isinstance(value, list) else _wrong(value)


def flag(value: Any) -> bool:
    """Return true or false."""
    return value if isinstance(value, bool) else _wrong(value)


def one_of(value: Any, allowed: Sequence[T]) -> T:
    """Return the one of the allowed values that it is."""
    for entry in allowed:
        if type(entry) is type(value) and entry == value:  # True equals 1, and is none
            return entry
    return _wrong(value)


def text(value: Any, pattern: Pattern[str]) -> str:
    """Return a text that follows a pattern from end to end."""
    return value if isinstance(value, str) and pattern.fullmatch(value) else _wrong(value)


def count(value: Any) -> int:
    """Return a whole number from 0 on."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else _wrong(value)


def amount(value: Any) -> float:
    """Return a finite number from 0 on."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return _wrong(value)
    try:
        number = float(value)
    except OverflowError:
        return _wrong(value)
    return number if math.isfinite(number) and number >= 0.0 else _wrong(value)


def interval(value: Any) -> tuple[float, float]:
    """Return (low, high)."""
    ends = [amount(end) for end in items(value)]
    return (ends[0], ends[1]) if len(ends) == 2 and ends[0] <= ends[1] else _wrong(value)


def finite(value: Any) -> float:
    """Return a finite number of either sign."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return _wrong(value)
    return math.copysign(amount(abs(value)), value)


def known(value: Any, read: Callable[[Any], T]) -> T | None:
    """Return null as None, and what else it is as `read` gives it."""
    return None if value is None else read(value)


def share(value: Any) -> float:
    """Return a number from 0 to 1."""
    number = amount(value)
    return number if number <= 1.0 else _wrong(value)


def size(value: Any) -> float:
    """Return a finite number above 0."""
    number = amount(value)
    return number if number > 0.0 else _wrong(value)


def _wrong(value: Any) -> NoReturn:
    raise ValueError(f"a {type(value).__name__} that does not belong there")
