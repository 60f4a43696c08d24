"""A table of the report, and how it is kept from telling of few women.

A count of 1 to ``least - 1`` is withheld, and so is one whose complement is that small; whatever is computed
from it goes with it. So that no withheld count follows from the total, the next smallest of its column are
withheld until there are two of them and they make up ``least`` together. This is the rule of public
statistics in the form of the Centers for Medicare and Medicaid Services, which show no count of 1 to 10, nor
anything that lets one be derived. Each table is protected by itself, not against another one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

LEAST = 11
"""The smallest count that is shown, unless another is asked for."""

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes
    ----------
    name : str
        In CSV, Parquet and JSON.
    title : str
        On the page.
    kind : {"text", "count", "share", "number"}
        What stands in it; shares are from 0 to 1.
    of : str or None
        The count without which this one is not shown: that it is a part of, or was computed from.
    part : bool
        Whether it is a part of that count, so that the rest of it must not be small either.
    """

    name: str
    title: str
    kind: Literal["text", "count", "share", "number"] = "text"
    of: str | None = None
    part: bool = False


@dataclass(frozen=True)
class Table:
    """One table.

    Attributes
    ----------
    name : str
        Of its files.
    title : str
        On the page.
    columns : sequence of Column
        In their order; what a column is computed from comes before it.
    rows : sequence of mapping
        Values by the names of the columns, perhaps more; None where there is none.
    note : str
        What has to be known to read it.
    groups : sequence of str
        Columns that tell parts of the table apart that have a total each, such as its charts.
    withheld : sequence of frozenset of str
        For each row, the columns that are withheld, so that None is no missing value there.
    """

    name: str
    title: str
    columns: Sequence[Column]
    rows: Sequence[Row]
    note: str = ""
    groups: Sequence[str] = ()
    withheld: Sequence[frozenset[str]] = field(default=())

    def hidden(self, row: int) -> frozenset[str]:
        """Return the columns of a row that are withheld."""
        return self.withheld[row] if self.withheld else frozenset()


TOTAL = "all"
"""What the first column of a row says that holds all others."""


def protect(table: Table, least: int) -> Table:
    """Withhold small counts.

    Parameters
    ----------
    table : Table
        With all values.
    least : int
        The smallest count that is shown; 0 and 1 show all.

    Returns
    -------
    Table
    """
    if least < 2:
        return table
    hidden: list[set[str]] = [set() for _ in table.rows]
    parts: dict[tuple[Any, ...], list[int]] = {}
    for number, row in enumerate(table.rows):
        parts.setdefault(tuple(row[name] for name in table.groups), []).append(number)
    for column in table.columns:
        for part in parts.values():
            _hide(table, column, part, hidden, least)
    rows = [
        {name: None if name in gone else value for name, value in row.items()}
        for row, gone in zip(table.rows, hidden, strict=True)
    ]
    return replace(table, rows=rows, withheld=[frozenset(gone) for gone in hidden])


def _hide(table: Table, column: Column, part: Sequence[int], hidden: list[set[str]], least: int) -> None:
    """Add a column to what is hidden in some rows."""
    name, of = column.name, column.of
    gone = {number for number in part if of is not None and of in hidden[number]}
    if column.kind == "count":
        counts = {number: table.rows[number][name] for number in part if table.rows[number][name]}
        for number, count in counts.items():
            rest = table.rows[number][of] - count if of is not None and column.part else 0
            if 0 < count < least or 0 < rest < least:
                gone.add(number)
        first = table.columns[0].name
        single = [number for number in counts if table.rows[number][first] != TOTAL]
        while lone := {number for number in gone if number in single}:
            others = sorted((counts[number], number) for number in single if number not in gone)
            if not others or (len(lone) > 1 and sum(counts[number] for number in lone) >= least):
                break
            gone.add(others[0][1])
    for number in gone:
        hidden[number].add(name)
