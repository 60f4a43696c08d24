"""The report as one page that needs nothing else: tables, plots and words."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files
from itertools import groupby
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from bacctl._version import __version__
from bacctl.archive.report import plots
from bacctl.archive.report.drift import BY_NAME, Drift, by_chance, point_of, signals
from bacctl.archive.report.limits import RUN, TAIL
from bacctl.archive.report.make import Collected
from bacctl.archive.report.rows import UNKNOWN, Rows
from bacctl.archive.report.table import TOTAL, Column, Table
from bacctl.wording import INTENDED_USE, count_of, escaped

__all__ = ["page"]

_OF_CHART = ("by", "within", "measure")
_PLOTTED = ("month", "device", "software")


def page(given: Collected) -> bytes:
    """Write the page, UTF-8."""
    rows, facts, tables, found = given.rows, given.facts, given.tables, given.drift
    drawn = {table.name: _drawn(table) for table in tables}
    judged, expected = by_chance(found)
    # Whatever a header holds is text here: it is escaped, and the page's policy lets no script run.
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    template = environment.from_string((files(__package__) / "report.html.jinja").read_text("utf-8"))
    style = (files("bacctl.outputs.html") / "report.css").read_text("utf-8")
    style += (files(__package__) / "report.css").read_text("utf-8")
    text = template.render(
        css=Markup(style),  # noqa: S704  # of this package, and no one else's
        intended_use=INTENDED_USE,
        incomplete=facts.incomplete,
        rows=rows,
        facts=facts,
        copies=count_of(facts.copies, "row"),
        measurer=_measurer(rows),
        tables=[
            {
                "table": table,
                "plot": drawn[table.name],
                "cells": [
                    [_cell(table, number, row, column) for column in table.columns]
                    for number, row in enumerate(table.rows)
                ],
            }
            for table in tables
        ],
        charts=list(_charts(found)),
        signals=signals(found),
        judged=judged,
        expected=f"{expected:.1f}",
        tail=f"{100.0 * TAIL:.3f}",
        run=RUN,
        version=__version__,
    )
    return text.encode("utf-8", "replace")


_SEVERAL = ": several, whose results need not be alike"


def _measurer(rows: Rows) -> list[tuple[str, str]]:
    found = rows.measurer
    meant = "scores that rise with the evidence, no probabilities"
    if found.prevalence is not None:
        meant = f"hold where {100.0 * found.prevalence:g} % of images show BAC"
    return [
        ("bacctl", __version__),
        ("servers' release", ", ".join(found.releases) + _SEVERAL * (len(found.releases) > 1)),
        ("weights", found.weights or "nothing was measured"),
        ("probability map", found.probability_map or "none"),
        ("settings", found.settings or "not told"),
        ("operating point (min_probability)", f"{found.point or 0.0:g}"),
        ("probabilities", meant),
    ]


def _cell(table: Table, number: int, row: Any, column: Column) -> tuple[str, bool]:
    """Return what stands in a cell, and whether it is a number."""
    value = row[column.name]
    if column.name in table.hidden(number):
        return "withheld", False
    if value is None:
        return "-", False
    if column.kind == "text":
        return escaped(str(value)), False
    if column.kind == "share":
        return f"{100.0 * value:.1f}\N{NO-BREAK SPACE}%", True
    return (f"{value:,}" if column.kind == "count" else f"{value:.3g}"), True


def _drawn(table: Table) -> Markup | None:
    """Draw what is best seen; nothing where all of it is withheld."""
    first = table.columns[0].name
    rows = [row for row in table.rows if row[first] not in (TOTAL, UNKNOWN)]
    if table.name == "prevalence":
        known = [row for row in rows if row["share"] is not None]
        values = [(row["share"], row["low"], row["high"]) for row in known]
        drawn = (
            plots.shares(table.name, table.title, [row[first] for row in known], values) if known else None
        )
    elif table.name in ("mass_classes", "area_classes"):
        known = [row for row in rows if row["share"] is not None]
        counts = [row["women"] for row in known]
        drawn = plots.bars(table.name, table.title, [row[first] for row in known], counts) if known else None
    else:
        drawn = None
    return None if drawn is None else Markup(drawn)  # noqa: S704  # of Matplotlib, which escapes its text


def _charts(found: Drift) -> Iterator[dict[str, Any]]:
    """Draw the charts of all exams; those of single units are in the table alone."""
    rows = [row for row in found.table.rows if row["by"] in _PLOTTED]
    for (by, _, name), same in groupby(rows, key=lambda row: tuple(row[part] for part in _OF_CHART)):
        points = [point for row in same if (point := point_of(row)) is not None]
        measure = BY_NAME[name]
        title = f"{measure.title[:1].upper()}{measure.title[1:]}, by {by}"
        if not points:
            yield {"title": title, "plot": None}
            continue
        draw = plots.over_time if by == "month" else plots.side_by_side
        drawn = draw(f"{name}-{by}", title, measure.unit, points, measure.scale)
        yield {"title": title, "plot": Markup(drawn)}  # noqa: S704  # of Matplotlib, which escapes its text
