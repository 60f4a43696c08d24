"""``bacctl archive merge``."""

from __future__ import annotations

from bacctl.cli.guard import guarded


@guarded
def merge() -> None:
    """To be written."""
    raise NotImplementedError
