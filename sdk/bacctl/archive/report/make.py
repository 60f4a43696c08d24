"""From the rows of a run to all that a report says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from bac_terms.errors import RefusedError
from bacctl.archive.report.drift import Drift, drift
from bacctl.archive.report.exams import build
from bacctl.archive.report.limits import MIN_REST
from bacctl.archive.report.rows import Rows, open_rows
from bacctl.archive.report.source import Source
from bacctl.archive.report.table import LEAST, Table, protect
from bacctl.archive.report.tables import tables


@dataclass(frozen=True)
class Facts:
    """What has to be known of the rows of a report.

    Attributes
    ----------
    incomplete : sequence of str
        What is not in the report because it is not done, in words.
    copies : int
        Rows that were left out since their image came again.
    least : int
        The smallest count that is shown.
    baseline : tuple of str or None
        First and last month of the time that is the rule.
    """

    incomplete: Sequence[str]
    copies: int
    least: int
    baseline: tuple[str, str] | None


@dataclass(frozen=True)
class Collected:
    """All that a report says.

    Attributes
    ----------
    rows : Rows
        What was read.
    facts : Facts
        What has to be known of it.
    tables : sequence of Table
        As they are to be shown.
    drift : Drift
        Likewise.
    """

    rows: Rows
    facts: Facts
    tables: Sequence[Table]
    drift: Drift


@contextmanager
def collected(
    source: Source,
    *,
    weights: str = "",
    settings: str = "",
    least: int = LEAST,
    baseline: tuple[str, str] | None = None,
) -> Iterator[Collected]:
    """Read rows and count.

    Parameters
    ----------
    source : Source
        Where from.
    weights, settings : str, optional
        What the digests of weights and settings have to begin with.
    least : int, optional
        The smallest count that is shown.
    baseline : tuple of str, optional
        First and last month of the time that is the rule.

    Yields
    ------
    Collected
        Its rows are gone when this ends.

    Raises
    ------
    RefusedError
        BAC-ARCHIVE-REPORT, BAC-ARCHIVE-MIXED.
    FailedError
        BAC-STORAGE-*, BAC-FILE-UNREADABLE.
    """
    with open_rows(source.batches(), weights=weights, settings=settings) as rows:
        copies = rows.copies + build(rows)
        if baseline is not None:
            _check_baseline(rows, baseline)
        made = [protect(table, least) for table in tables(rows)]
        found = drift(rows, baseline)
        found = replace(found, table=protect(found.table, least))
        yield Collected(rows, Facts(source.incomplete, copies, least, baseline), made, found)


def _check_baseline(rows: Rows, baseline: tuple[str, str]) -> None:
    [(exams,)] = rows.query(
        "SELECT count(*) FROM exams WHERE month BETWEEN $first AND $last", first=baseline[0], last=baseline[1]
    )
    if exams < MIN_REST:
        raise RefusedError(
            "BAC-ARCHIVE-REPORT",
            f"the months {baseline[0]} to {baseline[1]} hold {exams} exams",
            f"give a --baseline of at least {MIN_REST}",
        )
