"""Refusals, failures and warnings, each with a code of the catalogue.

The catalogue is the single place where a code is given its meaning and its advice: messages are built
from it and ``docs/errors.md`` is checked against it. Standard library only, so that the client can
import it at no cost.
"""

from __future__ import annotations

from typing import ClassVar

from bac_terms.catalogue import CATALOGUE, CodeEntry, Status
from bac_terms.notices import Notice

__all__ = ["CATALOGUE", "CodeEntry", "FailedError", "ImagingError", "Notice", "RefusedError", "Status"]

_LONGEST_FINDING = 250
"""Characters. A message is one line of a terminal or a log, never a dump of the input."""


def _message(found: str | None, entry: CodeEntry) -> str:
    """Say what was found and what to do, in one line of printable characters."""
    printable = "".join(c if c.isprintable() else " " for c in found or entry.meaning)
    line = " ".join(printable.split())
    if len(line) > _LONGEST_FINDING:
        line = line[: _LONGEST_FINDING - 1] + "…"
    return f"{line}; {entry.hint}"


class ImagingError(Exception):
    """An image that was not measured, with a stable code.

    Parameters
    ----------
    code : str
        A key of `CATALOGUE` whose status fits the class.
    found : str, optional
        What was found in this file, without full stop; never a value that could identify a person.
        Default: the code's meaning.

    Attributes
    ----------
    code : str
        The code, for programs.
    reason : str
        One line for people: what was found, then what to do.

    Raises
    ------
    ValueError
        If the code is unknown or belongs to another kind of error.
    """

    status: ClassVar[Status | None] = None

    def __init__(self, code: str, found: str | None = None) -> None:
        # The arguments as given, so that the exception survives pickling.
        super().__init__(code, found)
        entry = CATALOGUE.get(code)
        if entry is None or entry.status == "warning" or self.status not in (None, entry.status):
            raise ValueError(f"{code} is not a code for {type(self).__name__}")
        self.code = code
        self.reason = _message(found, entry)

    def __str__(self) -> str:
        return f"{self.code}: {self.reason}"


class RefusedError(ImagingError):
    """The input can never be measured as it is."""

    status = "refused"


class FailedError(ImagingError):
    """The input could not be measured now; with another set-up or later it may be."""

    status = "failed"
