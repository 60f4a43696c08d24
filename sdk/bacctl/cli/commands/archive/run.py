"""``bacctl archive run``."""

from __future__ import annotations

from bacctl.cli.guard import guarded


@guarded
def run() -> None:
    """To be written."""
    raise NotImplementedError
