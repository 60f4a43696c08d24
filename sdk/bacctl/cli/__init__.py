"""The ``bacctl`` command. What a command needs is imported when it runs, so that ``--help`` comes at once."""

from __future__ import annotations

from bacctl.cli.app import main

__all__ = ["main"]
