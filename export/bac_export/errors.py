"""The error of the export."""

from __future__ import annotations

__all__ = ["ExportError"]


class ExportError(Exception):
    """The export cannot go on; the message is one line that says what to do."""
