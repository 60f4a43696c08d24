"""What is known of a code, and the advice that several share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Status = Literal["refused", "failed", "usage", "warning"]


@dataclass(frozen=True)
class CodeEntry:
    """What one code means and what to do about it.

    Attributes
    ----------
    status : {"refused", "failed", "usage", "warning"}
        ``refused``: this input can never be measured as it is. ``failed``: it could not be measured now.
        ``usage``: the caller used the client in a way that cannot work. ``warning``: it was measured, and
        this should be known about the result.
    meaning : str
        What was found, without full stop.
    hint : str
        What to do, as a phrase that can end a sentence.
    """

    status: Status
    meaning: str
    hint: str


def refused(meaning: str, hint: str) -> CodeEntry:
    """Return an entry of this status."""
    return CodeEntry("refused", meaning, hint)


def failed(meaning: str, hint: str) -> CodeEntry:
    """Return an entry of this status."""
    return CodeEntry("failed", meaning, hint)


def usage(meaning: str, hint: str) -> CodeEntry:
    """Return an entry of this status."""
    return CodeEntry("usage", meaning, hint)


def warning(meaning: str, hint: str) -> CodeEntry:
    """Return an entry of this status."""
    return CodeEntry("warning", meaning, hint)


SEND_STANDARD_VIEW = "send a full-field CC or MLO view"
GIVE_SPACING = "give the spacing at the detector with --pixel-spacing MM (pixel_spacing_mm in Python)"
EXPORT_AGAIN = "export or copy the file again from its source"
SEE_SERVER_LOG = "try again and look into the server's log if it happens again"
