"""What a store tells of a file without reading it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from bac_terms.errors import FailedError


class Stat(NamedTuple):
    """Size and state of a file or object.

    Attributes
    ----------
    size : int
        Bytes.
    mtime_ns : int
        When it was last changed, in nanoseconds since 1970; of an object in whole seconds.
    token : str
        Differs where the content does: the time of the change of a file, the ETag of an object.
    """

    size: int
    mtime_ns: int
    token: str


class Entry(NamedTuple):
    """A file or object that was met on a walk: its URI and what a `Stat` holds."""

    uri: str
    size: int
    mtime_ns: int
    token: str


Report = Callable[[str, FailedError], None]
"""Takes what a walk could not look into, and why."""
