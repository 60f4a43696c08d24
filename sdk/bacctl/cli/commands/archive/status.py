"""``bacctl archive status``."""

from __future__ import annotations

from bacctl.cli.guard import guarded


@guarded
def status() -> None:
    """To be written."""
    raise NotImplementedError
