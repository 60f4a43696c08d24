"""Warnings: what should be known about a result that was nevertheless obtained."""

from __future__ import annotations

from dataclasses import dataclass

from bac_terms.catalogue import CATALOGUE
from bac_terms.fields import Code, Name
from bac_terms.lines import one_line
from bac_terms.record import Record


@dataclass(frozen=True, slots=True)
class Notice(Record):
    """A warning: something that the reader of a result ought to know.

    Attributes
    ----------
    code : str
        Stable code, ``"BAC-W-..."``.
    text : str
        One line for people: what was found, then what to do.
    """

    code: Code
    text: Name

    @classmethod
    def of(cls, code: str, found: str | None = None) -> Notice:
        """Build a notice from the catalogue.

        Parameters
        ----------
        code : str
            A code of the catalogue with status ``warning``.
        found : str, optional
            What was found in this file, without full stop. Default: the code's meaning.

        Returns
        -------
        Notice
            With a text that ends with the code's advice.

        Raises
        ------
        ValueError
            The code is unknown or not a warning.
        """
        entry = CATALOGUE.get(code)
        if entry is None or entry.status != "warning":
            raise ValueError(f"{code} is not a code for a warning")
        return cls(code, f"{one_line(found or entry.meaning)}; {entry.hint}")
