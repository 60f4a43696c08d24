"""The trend of quality assurance: one line a run in a table that is only ever added to."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bac_imaging.files import write_whole

TREND_COLUMNS = (
    "date",
    "bacctl",
    "server",
    "triton",
    "model",
    "calibration",
    "phantoms",
    "bias_mg",
    "sd_mg",
    "slope",
    "intervals_that_hold",
    "intervals",
    "passed",
)
_HEADER = ",".join(TREND_COLUMNS)
_FIGURES = ("bias_mg", "sd_mg", "slope")  # empty where a run had too few masses
_NUMBER = re.compile(r"-?\d+\.\d+")
_COUNTS = ("intervals_that_hold", "intervals")


class TrendError(ValueError):
    """A file in the trend's place that is no trend; the message names it and says what to do."""


@dataclass(frozen=True)
class Trend:
    """What a trend file holds."""

    # its good lines, oldest first, by the names of `TREND_COLUMNS`; all values are text
    rows: tuple[Mapping[str, str], ...]
    damaged: tuple[int, ...]  # Numbers of the lines, from 1, that are not whole. They are left in the file.


def read_trend(path: Path) -> Trend:
    """Read a trend file, which need not exist.

    Raises
    ------
    TrendError
        The file has another header.
    OSError
        It cannot be read.
    """
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return Trend((), ())
    if not lines:
        return Trend((), ())
    if lines[0] != _HEADER:
        raise TrendError(f"{path}: is not a trend of bacctl qa; move it away or give another --out")
    rows: list[Mapping[str, str]] = []
    damaged = []
    for number, line in enumerate(lines[1:], start=2):
        values = _fields(line)
        row = dict(zip(TREND_COLUMNS, values, strict=False))
        if len(values) == len(TREND_COLUMNS) and _whole(row):
            rows.append(row)
        else:
            damaged.append(number)
    return Trend(tuple(rows), tuple(damaged))


def _whole(row: Mapping[str, str]) -> bool:
    """Tell whether a line's cells can be what they stand for; one that was cut short has a wrong last one."""
    figures = (not row[name] or _NUMBER.fullmatch(row[name]) for name in _FIGURES)
    counts = (row[name].isdecimal() for name in _COUNTS)
    return row["passed"] in ("yes", "no") and all(figures) and all(counts)


def _fields(line: str) -> list[str]:
    try:
        return next(csv.reader([line]), [])
    except csv.Error:  # such as bytes that are no text
        return []


def append_trend(path: Path, row: Mapping[str, str]) -> None:
    """Add a run to a trend file; what it holds stays as it is, damaged lines included."""
    before = path.read_bytes() if path.exists() else b""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, TREND_COLUMNS, lineterminator="\n")
    if not before:
        writer.writeheader()
    elif not before.endswith(b"\n"):
        # A line that was cut short must not swallow this one.
        before += b"\n"
    writer.writerow(row)
    write_whole(path, before + stream.getvalue().encode())
