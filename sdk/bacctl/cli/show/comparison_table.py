"""The table of a comparison that people read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich import box
from rich.table import Table
from rich.text import Text

from bacctl.cli.sink import Sink
from bacctl.results import INTENDED_USE, Change, ExamComparison, ExamResult, Obstacle, Verdict
from bacctl.wording import escaped, number, point_text

if TYPE_CHECKING:
    from rich.console import Console

_WORDS: dict[Verdict, tuple[str, str]] = {
    "progressed": ("progressed", "bold yellow"),
    "regressed": ("regressed", "bold yellow"),
    "within_limit": ("within the limit", ""),
    "not_comparable": ("not comparable", "dim"),
}
_LIMIT = (
    "The limit follows from published reproducibility and the intervals of the masses. An artery that was "
    "missed or wrongly outlined is not in it: look at both overlays."
)
_REASONS: dict[Obstacle, str] = {
    "no_common_view": "no view of a breast that both exams have",
    "no_mass": "no mass in one of the exams",
    "other_basis": "calibrated against estimated",
    "no_interval": "a mass without interval",
    "no_area": "no area in one of the exams",
    "too_few_views": "too few views for a limit",
}


def print_comparison(sink: Sink, comparison: ExamComparison) -> None:
    """Print a comparison: one row an amount, then what should be known."""
    sink.render(lambda console: _print(console, comparison))


def _print(console: Console, comparison: ExamComparison) -> None:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for title in ("", "prior", "current", "change", "limit"):
        table.add_column(title, justify="right" if title else "left", no_wrap=True)
    table.add_column("verdict", overflow="fold")
    _add(table, "woman, calcium mg", comparison.calcium_mass_mg)
    for side, breast in comparison.breasts.items():
        _add(table, f"{side} breast, calcium mg", breast.calcium_mass_mg)
    table.add_section()
    _add(table, "woman, area mm2", comparison.area_mm2)
    for side, breast in comparison.breasts.items():
        _add(table, f"{side} breast, area mm2", breast.area_mm2)
    console.print(table)
    prior, current = comparison.prior, comparison.current
    categories = (
        f"category {prior.mass_category or '-'} mg, then {current.mass_category or '-'} mg; "
        f"area class {prior.area_class or '-'} mm2, then {current.area_class or '-'} mm2"
    )
    console.print(Text(categories), soft_wrap=True)
    if prior.min_probability:  # that of both, or they would not be compared
        console.print(Text(point_text(prior.min_probability)), soft_wrap=True)
    for notice in comparison.notices:
        console.print(Text(f"{notice.code}: {escaped(notice.text)}", style="red"), soft_wrap=True)
    for name, exam in (("prior", prior), ("current", current)):
        if exam.missing_views:
            missing = f"{name} exam: no {', '.join(exam.missing_views)} that counts"
            console.print(Text(missing, style="red"), soft_wrap=True)
        _print_alarms(console, name, exam)
    console.print(Text(_LIMIT), soft_wrap=True)
    console.print(Text(f"{INTENDED_USE.capitalize()}, not for diagnosis.", style="bold"))


def _add(table: Table, name: str, change: Change) -> None:
    words, style = _WORDS[change.verdict]
    if change.reason is not None:
        words = f"{words}: {_REASONS[change.reason]}"
    difference = "-" if change.difference is None else f"{change.difference:+.1f}"
    table.add_row(
        name,
        number(change.prior),
        number(change.current),
        difference,
        number(change.limit),
        Text(words, style=style),
    )


def _print_alarms(console: Console, name: str, exam: ExamResult) -> None:
    for alarm in exam.alarms:
        console.print(Text(f"{name} exam: {alarm.code}: {escaped(alarm.text)}", style="red"), soft_wrap=True)
