"""``bacctl archive calibrate``."""

from __future__ import annotations

from bacctl.cli.guard import guarded


@guarded
def calibrate() -> None:
    """To be written."""
    raise NotImplementedError
