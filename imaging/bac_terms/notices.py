"""Warnings: what should be known about a result that was nevertheless obtained."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from bac_terms.catalogue import CATALOGUE
from bac_terms.lines import one_line

_CODE = re.compile(r"BAC-[A-Z0-9-]+")


@dataclass(frozen=True, slots=True)
class Notice:
    """A warning: something that the reader of a result ought to know.

    Attributes
    ----------
    code : str
        Stable code, ``"BAC-W-..."``.
    text : str
        One line for people: what was found, then what to do.
    """

    code: str
    text: str

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

    def to_dict(self) -> dict[str, str]:
        """Return the JSON object."""
        return asdict(self)

    @classmethod
    def from_dict(cls, value: Any) -> Notice:
        """Read what `to_dict` wrote; KeyError or ValueError where it is something else."""
        if not isinstance(value, Mapping):
            raise ValueError("a notice is an object")
        code, text = value["code"], value["text"]
        if not (isinstance(code, str) and _CODE.fullmatch(code) and isinstance(text, str) and text):
            raise ValueError("a notice has a code and a text")
        return cls(code, text)
