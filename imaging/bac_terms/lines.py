"""How any text becomes one line."""

from __future__ import annotations

_LONGEST = 500
"""Characters. A message is one line of a terminal or a log, never a dump of the input."""


def one_line(text: str) -> str:
    """Make of a text one line of printable characters, cut off where it is very long."""
    printable = "".join(char if char.isprintable() else " " for char in text)
    line = " ".join(printable.split())
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"
