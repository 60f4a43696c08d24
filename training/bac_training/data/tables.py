"""Tables in CSV as people save them: the faults that a spreadsheet makes are named, one line each."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

__all__ = ["Line", "parse_table", "read_text"]

Line = tuple[int, dict[str, str]]


def read_text(path: Path) -> str:
    """Read a file in UTF-8, with or without the byte order mark that Excel writes.

    Raises
    ------
    ValueError
        When it cannot be read or is no UTF-8; the message is for the user.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError(f"{path}: is not text in UTF-8; save it as CSV in UTF-8") from None
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error.strerror}); mend that") from None


def parse_table(path: Path, text: str, header: str) -> tuple[list[str], list[Line], list[str]]:
    """Take a table apart; `path` and the `header` that is expected are for messages.

    Returns
    -------
    list of str
        Names of the columns.
    list of (int, dict of str to str)
        Number of each line and its fields by column, without blanks around them; lines that are all blank
        are left out, fields that are missing at a line's end too.
    list of str
        What is wrong with it, one line each; the rest is empty where nothing can be read.
    """
    first = text.split("\n", 1)[0]
    for separator, name in ((";", "semicolons"), ("\t", "tabs")):
        if separator in first and "," not in first:
            return [], [], [f"{path}: its columns are separated by {name}; save it with commas"]
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        rows = [(reader.line_num, row) for row in reader if any(field.strip() for field in row)]
    except csv.Error as error:
        return [], [], [f"{path}: line {reader.line_num} is not CSV ({error}); save the list again"]
    if not rows:
        return [], [], [f"{path}: is empty; its first line must be {header}"]
    names = [name.strip() for name in rows[0][1]]
    return names, *_lines(path, names, rows[1:])


def _lines(
    path: Path, names: Sequence[str], rows: Sequence[tuple[int, list[str]]]
) -> tuple[list[Line], list[str]]:
    lines, problems = [], []
    for number, row in rows:
        if len(row) > len(names):
            problems.append(
                f"{path}: line {number} has {len(row)} fields, the header {len(names)}; "
                "put quotes around fields with commas"
            )
            continue
        fields = {name: field.strip() for name, field in zip(names, row, strict=False)}
        lines.append((number, fields))
    return lines, problems
