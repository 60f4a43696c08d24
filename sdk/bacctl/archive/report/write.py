"""The folder of a report: page, tables and summary, written whole or not at all."""

from __future__ import annotations

import csv
import io
import json
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bac_imaging.files import sync_folder, write_whole
from bac_terms.errors import RefusedError
from bacctl._version import __version__
from bacctl.archive.report.drift import by_chance, signals
from bacctl.archive.report.make import Collected
from bacctl.archive.report.page import page
from bacctl.archive.report.table import Table
from bacctl.wording import INTENDED_USE

SCHEMA = "bacctl.archive-report/1"
SUMMARY = "report.json"


def summary(given: Collected) -> dict[str, Any]:
    """Put a report into one JSON object.

    Parameters
    ----------
    given : Collected
        What it says.

    Returns
    -------
    dict
        ``tables`` by name, a list of rows each; ``withheld`` in a row names the values that are null for
        being small. Shares are from 0 to 1, masses in mg, areas in mm2.
    """
    rows, facts, tables, found = given.rows, given.facts, given.tables, given.drift
    measurer = rows.measurer
    judged, expected = by_chance(found)
    return {
        "schema": SCHEMA,
        "intended_use": INTENDED_USE,
        "software": {
            "bacctl": __version__,
            "model": measurer.weights,
            "probability_map": measurer.probability_map,
            "server_releases": list(measurer.releases),
        },
        "settings_sha256": measurer.settings,
        "min_probability": measurer.point,
        "probability_prevalence": measurer.prevalence,
        "incomplete": list(facts.incomplete),
        "rows": {"read": rows.given, "other_measurer": rows.left_out, "repeated": facts.copies},
        "min_cell": facts.least,
        "baseline": None if facts.baseline is None else list(facts.baseline),
        "signals": signals(found),
        "judged": judged,
        "expected_by_chance": expected,
        "tables": {table.name: _records(table) for table in (*tables, found.table)},
    }


def write_report(out: Path, given: Collected) -> dict[str, Any]:
    """Write a report.

    Parameters
    ----------
    out : Path
        Its folder. What an earlier report left there is replaced; a folder of anything else is refused.
    given : Collected
        What it says.

    Returns
    -------
    dict
        The summary.

    Raises
    ------
    RefusedError
        BAC-ARCHIVE-OUTPUT: the folder holds something else.
    OSError
        It cannot be written.
    """
    check_out(out)
    document = summary(given)
    out.parent.mkdir(parents=True, exist_ok=True)
    aside = out.parent / f".bacctl-{secrets.token_hex(8)}.part"
    aside.mkdir()
    try:
        for table in (*given.tables, given.drift.table):
            write_whole(aside / f"{table.name}.csv", _csv(table).encode(), synced=True)
            write_whole(aside / f"{table.name}.parquet", _parquet(table), synced=True)
        write_whole(aside / "report.html", page(given), synced=True)
        text = json.dumps(document, indent=2, allow_nan=False) + "\n"
        write_whole(aside / SUMMARY, text.encode(), synced=True)
        # A folder takes the place of an empty one alone.
        if out.exists():
            shutil.rmtree(out)
        aside.rename(out)
        sync_folder(out.parent)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return document


def check_out(out: Path) -> None:
    """Raise RefusedError where a report would take the place of something else."""
    taken = out.exists() and (not out.is_dir() or any(out.iterdir()))
    if taken and not _is_report(out / SUMMARY):
        raise RefusedError(
            "BAC-ARCHIVE-OUTPUT", f"{out}: holds something that is no report", "give another --out"
        )


def _is_report(path: Path) -> bool:
    try:
        document = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(document, Mapping) and document.get("schema") == SCHEMA


def _records(table: Table) -> list[dict[str, Any]]:
    names = [column.name for column in table.columns]
    return [
        {**{name: row[name] for name in names}, "withheld": sorted(table.hidden(number))}
        for number, row in enumerate(table.rows)
    ]


def _csv(table: Table) -> str:
    names = [column.name for column in table.columns]
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow([*names, "intended_use"])
    for number, row in enumerate(table.rows):
        hidden = table.hidden(number)
        writer.writerow(
            [*("withheld" if name in hidden else _text(row[name]) for name in names), INTENDED_USE]
        )
    return stream.getvalue()


def _text(value: Any) -> Any:
    """Keep a header's text from being taken for a formula by a spreadsheet."""
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@") else value


def _parquet(table: Table) -> bytes:
    import pyarrow as pa
    from pyarrow import parquet

    kinds = {"text": pa.string(), "count": pa.int64(), "share": pa.float64(), "number": pa.float64()}
    told = {
        "bacctl.table": f"{SCHEMA} {table.name}",
        "bacctl.version": __version__,
        "intended_use": INTENDED_USE,
    }
    fields = [pa.field(column.name, kinds[column.kind]) for column in table.columns]
    schema = pa.schema([*fields, pa.field("withheld", pa.list_(pa.string()))], metadata=told)
    stream = io.BytesIO()
    parquet.write_table(pa.Table.from_pylist(_records(table), schema=schema), stream, compression="zstd")
    return stream.getvalue()
