"""What a caller may ask for beside the image."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bac_terms.errors import RefusedError

_NO_PAIR = "pixel_spacing_mm is not a pair of numbers"


@dataclass(frozen=True)
class Options:
    """What a caller asks for.

    Attributes
    ----------
    pixel_spacing_mm : (float, float) or None
        Spacing at the detector, (between rows, between columns), for images without one.
    min_probability : float
        Operating point, 0 to 1: vessels of a lower probability are not reported.
    mask : tuple of (int, int, str) or None
        Rows, columns and packed bits (`bac_imaging.given`) of an outline to weigh in place of what is found.
    """

    pixel_spacing_mm: tuple[float, float] | None = None
    min_probability: float = 0.0
    mask: tuple[int, int, str] | None = None

    def mask_for(self, shape: tuple[int, ...]) -> str | None:
        """Return the bits of the mask, for an image of this shape.

        Raises
        ------
        RefusedError
            BAC-MASK-SIZE: it is of another.
        """
        if self.mask is None:
            return None
        rows, columns, bits = self.mask
        if (rows, columns) != shape:
            found = f"the mask has {rows} x {columns} pixels, the image {shape[0]} x {shape[1]}"
            raise RefusedError("BAC-MASK-SIZE", found)
        return bits


def read_options(options: Mapping[str, Any] | None) -> Options:
    """Read the options of a request, by the names of `Options`; None and what is left out stand for defaults.

    Raises
    ------
    RefusedError
        ``BAC-OPTIONS-INVALID``.
    """
    if options is None:
        return Options()
    if not isinstance(options, Mapping):
        raise _invalid("the options are no object with names")
    unknown = set(options) - {"pixel_spacing_mm", "min_probability", "mask"}
    if unknown:
        raise _invalid(f"unknown option {', '.join(sorted(map(_shown, unknown)))}")
    point = options.get("min_probability")
    point = 0.0 if point is None else point
    # NaN, which Python's JSON reads, is in no range.
    if not _is_number(point) or not 0.0 <= point <= 1.0:
        raise _invalid("min_probability is not a number from 0 to 1")
    mask = _mask(options.get("mask"))
    spacing = options.get("pixel_spacing_mm")
    if spacing is None:
        return Options(min_probability=float(point), mask=mask)
    if not isinstance(spacing, list | tuple) or len(spacing) != 2 or not all(map(_is_number, spacing)):
        raise _invalid(_NO_PAIR)
    try:
        return Options((float(spacing[0]), float(spacing[1])), float(point), mask)
    except OverflowError:  # an integer that no float holds
        raise _invalid(_NO_PAIR) from None


def _mask(given: object) -> tuple[int, int, str] | None:
    """Read ``{"rows": 3000, "columns": 2400, "bits": "..."}``."""
    if given is None:
        return None
    if not isinstance(given, Mapping) or set(given) != {"rows", "columns", "bits"}:
        raise _invalid("mask is no object with rows, columns and bits")
    rows, columns, bits = given["rows"], given["columns"], given["bits"]
    if type(rows) is not int or type(columns) is not int or not isinstance(bits, str):
        raise _invalid("mask is no object with rows, columns and bits")
    return rows, columns, bits


def _invalid(found: str) -> RefusedError:
    return RefusedError("BAC-OPTIONS-INVALID", found)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _shown(name: object) -> str:
    """Write an option's name into a message only if it looks like one."""
    is_name = isinstance(name, str) and re.fullmatch(r"\w{1,40}", name, re.ASCII)
    return repr(name) if is_name else "that is no name"
