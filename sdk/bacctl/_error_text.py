"""The line of text that an error is on its way from the server to the client: written and read here alone."""

from __future__ import annotations

import math
import re

from bac_terms.catalogue import CATALOGUE
from bac_terms.errors import BacctlError, ServerError, from_catalogue

_CODED = re.compile(r"(BAC-[A-Z0-9-]+): (.+)", re.DOTALL)
_MARKED = re.compile(r"\s*\[request ([0-9A-Za-z_-]{1,64})\]\s*$")
_LATER = re.compile(r"\s*\[retry after ([0-9]{1,4}) s\]\s*$")


def to_text(error: BacctlError, tag: str | None) -> str:
    """Write an error, and behind it when to come back and which request it is about, where that is known."""
    again_s = error.retry_after_s if isinstance(error, ServerError) else None
    later = "" if again_s is None else f" [retry after {math.ceil(again_s)} s]"
    return f"{error}{later}" if tag is None else f"{error}{later} [request {tag}]"


def from_text(text: str) -> tuple[BacctlError | None, str | None]:
    """Read what `to_text` wrote.

    Parameters
    ----------
    text : str
        Of any release, behind Triton's own words, or of something else.

    Returns
    -------
    error : BacctlError or None
        None where the text is none of an error that a server can have.
    tag : str or None
        Of the request that it is about, where it says so.
    """
    marked = _MARKED.search(text)
    tag = marked[1] if marked else None
    text = text[: marked.start()] if marked else text
    later = _LATER.search(text)
    coded = _CODED.search(text[: later.start()] if later else text)
    if coded is None:
        return None, tag
    error = _read(*coded.groups())
    if later and isinstance(error, ServerError):
        error.retry_after_s = float(later[1])
    return error, tag


def _read(code: str, reason: str) -> BacctlError | None:
    entry = CATALOGUE.get(code)
    if entry is not None and entry.status not in ("refused", "failed"):
        return None
    advice = f"; {entry.hint}" if entry is not None else ""
    if advice and reason.endswith(advice):
        return from_catalogue(code, reason.removesuffix(advice))
    # Another release gives other advice, whose own parts cannot be told from what is wrong.
    message, _, hint = reason.rpartition("; ")
    return from_catalogue(code, message or hint, hint if message else "")
