"""``bacctl archive scan``."""

from __future__ import annotations

from bacctl.cli.guard import guarded


@guarded
def scan() -> None:
    """To be written."""
    raise NotImplementedError
