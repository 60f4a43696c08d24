"""Identifiers of studies and images, as files from the field have them: not every one is a UID.

Standard library only, so that the client can import it at no cost.
"""

from __future__ import annotations

import re

_UID = re.compile(r"[0-9]+(\.[0-9]+)+")
_LONGEST = 64
# Digits of hexadecimal numbers, as digests and UUIDs have them. Whatever else stands in place of a UID may be
# a name, and what reads as a day may be one of birth.
SHOWN_IDENTIFIER = re.compile(
    r"(?=.*[0-9])(?!(?:19|20)[0-9]{2}[._-]?[0-9]{2}[._-]?[0-9]{2}$)"
    r"(?![0-9]{2}[._-][0-9]{2}[._-](?:19|20)?[0-9]{2}$)[0-9A-Fa-f._-]{1,64}"
)
"""What an identifier in an output looks like."""
# What de-identification writes, by its first letters and digits.
_NOBODY = re.compile(
    r"ANON(YM(OUS|I[SZ]ED?)?)?|DE?IDENTIFIED|UNKNOWN|UNDEFINED|REMOVED|REDACTED|NONE|NULL|NIL|NA|NAN|NOT?ID"
    r"|PATIENT|PATIENTID|X+"
)


def is_uid(text: str) -> bool:
    """Tell whether a text has the form of a UID: numbers with dots between, at most 64 characters.

    Zeros that lead a number are let pass: PS3.5 forbids them, and they are unique all the same.
    """
    return len(text) <= _LONGEST and _UID.fullmatch(text) is not None


def names_nobody(text: str) -> bool:
    """Tell whether a text says that something is not known: nothing, or a word of de-identification."""
    return not _bare(text) or _NOBODY.fullmatch(_bare(text)) is not None


def names_nothing(text: str) -> bool:
    """Tell whether a text in place of a UID identifies nothing: as `names_nobody`, or made of zeros only."""
    return names_nobody(text) or not _bare(text).strip("0")


def is_shown(text: str) -> bool:
    """Tell whether an identifier may stand in an output: it is made as a number is, and names no person."""
    return SHOWN_IDENTIFIER.fullmatch(text) is not None


def _bare(text: str) -> str:
    return "".join(char for char in text.upper() if char.isalnum())
