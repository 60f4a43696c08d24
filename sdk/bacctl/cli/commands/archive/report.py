"""``bacctl archive report``."""

from __future__ import annotations

from bacctl.cli.guard import guarded


@guarded
def report() -> None:
    """To be written."""
    raise NotImplementedError
