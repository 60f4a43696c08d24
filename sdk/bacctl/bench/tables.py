"""Figures as Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bacctl.bench.figures import Document, Figure, Spread
from bacctl.results import INTENDED_USE

TITLES = {
    "served": "Served, against the bare network",
    "steps": "Where the time of a view goes, one in flight",
    "processor": "Processor time",
    "arrivals": "Images that come by the clock",
    "cost": "What the cost grows with",
    "memory": "Memory",
    "cold": "Started cold",
    "peers": "Peers with the same weights",
}
"""Parts in the order of the page, with their headings."""


def as_markdown(document: Document) -> str:
    """Return the whole run as a page."""
    lines = ["# Benchmark of bacctl", "", about(document), ""]
    for part in parts_of(document):
        lines += [f"## {TITLES.get(part, part)}", "", part_table(document, part), ""]
    return "\n".join(lines)


def about(document: Document) -> str:
    """Return where, when and of what the figures are, as a paragraph."""
    machine = document.machine
    subjects = ", ".join(
        f"{one.name} {one.version}" + (f" ({one.revision})" if one.revision else "")
        for one in document.subjects
    )
    return (
        f"{document.date[:10]}, {machine.cores} cores of {machine.cpu}, load before the start "
        f"{machine.load:g}, Python {machine.python}, NumPy {machine.numpy}; {len(document.images)} images; "
        f"{subjects}. Medians, with quartiles in brackets. {INTENDED_USE[0].upper()}{INTENDED_USE[1:]}."
    )


def parts_of(document: Document) -> list[str]:
    """Return the parts that have figures, in the order of the page."""
    there = dict.fromkeys(figure.part for figure in document.figures)
    return [part for part in TITLES if part in there] + [part for part in there if part not in TITLES]


def part_table(document: Document, part: str) -> str:
    """Return the figures of one part, a column a subject and one for each quotient."""
    figures = [figure for figure in document.figures if figure.part == part]
    held = {figure.subject for figure in figures}
    subjects = [one.name for one in document.subjects if one.name in held]
    subjects += sorted(held - set(subjects))
    ratios = [name for name in subjects if any(f.subject == name and f.to_this for f in figures)]
    titles = ["", "unit", *subjects, *(f"{subjects[0]} / {name}" for name in ratios)]
    return "\n".join(
        [f"| {' | '.join(titles)} |", f"|{'---|' * len(titles)}", *_rows(figures, subjects, ratios)]
    )


def _rows(figures: Sequence[Figure], subjects: Sequence[str], ratios: Sequence[str]) -> Iterator[str]:
    places = dict.fromkeys(figure.place for figure in figures)
    for place in places:
        of = {figure.subject: figure for figure in figures if figure.place == place}
        unit = next(iter(of.values())).unit
        cells = [", ".join(filter(None, place[1:])), unit]
        cells += [spread_text(of[name].spread) if name in of else "-" for name in subjects]
        quotients = [of[name].to_this if name in of else None for name in ratios]
        cells += [spread_text(quotient) if quotient else "-" for quotient in quotients]
        yield f"| {' | '.join(cells)} |"


def spread_text(spread: Spread) -> str:
    """Return a median to three figures, with its quartiles where they differ."""
    low, median, high = (_number(value) for value in (spread.low, spread.median, spread.high))
    return median if low == high else f"{median} ({low}, {high})"


def _number(value: float) -> str:
    if value == 0.0:
        return "0"
    if abs(value) >= 100.0:
        return f"{value:.0f}"
    # Three figures, and zeros at their end, so that columns can be compared.
    return f"{value:#.3g}".rstrip(".")
