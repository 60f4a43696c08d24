"""JSON that anybody may have written."""

from __future__ import annotations

import json
from typing import Any, NoReturn


def parse_json(data: bytes) -> Any:
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
