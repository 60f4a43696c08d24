"""JSON from another process, read back as the record that it was written from."""

from __future__ import annotations

from dataclasses import is_dataclass
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints


def read_as(kind: Any, value: Any) -> Any:
    """Read a JSON value as a type.

    Parameters
    ----------
    kind : type
        bool, int, float, str, a `Literal`, a tuple of these, one of them or None, or a dataclass of them.
    value : object
        What `json.loads` gives.

    Returns
    -------
    object
        Of that type. A dataclass has to have its own names and no others; a float may be written as an int.

    Raises
    ------
    ValueError
        It is of another type.
    """
    origin, parts = get_origin(kind), get_args(kind)
    if isinstance(kind, type) and is_dataclass(kind):
        hints = get_type_hints(kind)
        if isinstance(value, dict) and set(value) == set(hints):
            return kind(**{name: read_as(hint, value[name]) for name, hint in hints.items()})
    elif origin in (Union, UnionType):
        (other,) = (part for part in parts if part is not type(None))
        return None if value is None else read_as(other, value)
    elif origin is tuple and isinstance(value, list):
        kinds = [parts[0]] * len(value) if parts[1:] == (...,) else parts
        if len(kinds) == len(value):
            return tuple(map(read_as, kinds, value))
    elif origin is Literal and value in parts:
        return value
    elif type(value) is kind or (kind is float and type(value) is int):
        return kind(value)
    raise ValueError(f"no {kind}")
