"""The tables of a scan that people read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich import box
from rich.table import Table
from rich.text import Text

from bac_terms.catalogue import CATALOGUE
from bacctl.archive.scanning.spool import MIXED, REPEATED
from bacctl.archive.scanning.summary import Listed, Summary
from bacctl.cli.sink import Sink
from bacctl.wording import INTENDED_USE, count_of, escaped, packed_text

if TYPE_CHECKING:
    from rich.console import Console

_SHOWN = ("software_versions", "view", "year")
_MOST_ROWS = 30
_MOST_LISTED = 10
_CORE_HOUR_S = 3600
_HOURS_FROM_S = 600


def print_summary(sink: Sink, summary: Summary) -> None:
    """Print what a scan found: tables first, then what should be known."""
    sink.render(lambda console: _print(console, summary))


def _print(console: Console, summary: Summary) -> None:
    for name in _SHOWN:
        _print_table(console, summary, name)
    for code, number in summary.codes.items():
        meaning = CATALOGUE[code].meaning if code in CATALOGUE else ""
        _line(console, f"{count_of(number, 'image')} not to be measured, {code}: {meaning}")
    unsuitable = summary.images - summary.measurable
    studies = f"{summary.studies} {'study' if summary.studies == 1 else 'studies'}"
    _line(
        console,
        f"{count_of(summary.images, 'image')} of {studies}: {summary.measurable} to be measured, "
        f"{unsuitable} not, {count_of(summary.duplicates, 'duplicate')}; about {_cost(summary.cost_core_s)}",
    )
    if summary.other or summary.packed:
        packed = f", {packed_text(summary.packed)}" if summary.packed else ""
        _line(console, f"passed over as no image: {count_of(summary.other, 'file')}{packed}")
    _list(console, f"{REPEATED}: {CATALOGUE[REPEATED].meaning}", summary.repeated)
    _list(console, f"{MIXED}: {CATALOGUE[MIXED].meaning}", summary.mixed)
    for change, listed in (summary.changes or {}).items():
        _list(console, f"{change} since the earlier manifest", listed)
    _line(console, f"{INTENDED_USE.capitalize()}, not for diagnosis.", "bold")


def _print_table(console: Console, summary: Summary, name: str) -> None:
    counted = summary.tables[name]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    *titles, last = counted.columns
    for title in titles:
        table.add_column(title.replace("_", " "), overflow="fold")
    table.add_column(last, justify="right")
    for row in counted.rows[:_MOST_ROWS]:
        table.add_row(*(Text("-" if cell is None else escaped(str(cell))) for cell in row))
    console.print(table)
    if counted.groups > _MOST_ROWS:
        _line(console, f"and {counted.groups - _MOST_ROWS} more; --json has them")


def _list(console: Console, title: str, listed: Listed) -> None:
    if not listed.count:
        return
    _line(console, f"{title} ({listed.count}):", "red")
    for item in listed.first[:_MOST_LISTED]:
        told = "a study that may not be named" if item is None else item
        _line(console, f"  {' -> '.join(told) if isinstance(told, list) else told}")
    if listed.count > _MOST_LISTED:
        _line(console, f"  and {listed.count - _MOST_LISTED} more; --json has them")


def _line(console: Console, text: str, style: str = "") -> None:
    console.print(Text(escaped(text), style=style), soft_wrap=True)


def _cost(core_s: float) -> str:
    return (
        f"{core_s:.0f} core seconds" if core_s < _HOURS_FROM_S else f"{core_s / _CORE_HOUR_S:.1f} core hours"
    )
