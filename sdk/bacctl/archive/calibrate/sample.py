"""The women that an operating point is taken from: rows of a run, and who of them has no BAC."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bac_terms.errors import RefusedError
from bacctl.archive.calibrate.choose import Find
from bacctl.archive.report.exams import build
from bacctl.archive.report.rows import Rows

COLUMNS = ("patient_key", "study_instance_uid", "sop_instance_uid")
"""What a list may name women by."""
_BATCH = 4096
_MISSING = """
SELECT count(*) FROM listed WHERE NOT EXISTS (
    SELECT 1 FROM images WHERE value = CASE $column WHEN 'patient_key' THEN patient_key
        WHEN 'study_instance_uid' THEN study_instance_uid ELSE sop_instance_uid END
)
"""
_OTHERS = """
DELETE FROM images WHERE coalesce(CASE $column WHEN 'patient_key' THEN patient_key
    WHEN 'study_instance_uid' THEN study_instance_uid ELSE sop_instance_uid END, '')
    NOT IN (SELECT value FROM listed)
"""


@dataclass(frozen=True)
class Woman:
    """One woman, by her latest exam with an answer.

    Attributes
    ----------
    find : float or None
        The largest probability of a find on the images that count; None where nothing was found.
    device, software : str
        Which unit took them, and by which software.
    """

    find: Find
    device: str
    software: str


@dataclass(frozen=True)
class Sample:
    """Women without BAC.

    Attributes
    ----------
    women : sequence of Woman
        Those that count.
    unanswered : int
        Those whose exams gave no answer.
    missing : int
        Entries of the list that no row is of.
    """

    women: Sequence[Woman]
    unanswered: int
    missing: int


def read_list(path: Path) -> tuple[str, list[str]]:
    """Read a list of women without BAC.

    Parameters
    ----------
    path : Path
        CSV with a header that has one of `COLUMNS`.

    Returns
    -------
    column : str
        Which.
    values : list of str
        Each once.

    Raises
    ------
    RefusedError
        BAC-ARCHIVE-SAMPLE: it has no such column, or nothing below it.
    OSError
        It cannot be read.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            names = reader.fieldnames or ()
            column = next((name for name in COLUMNS if name in names), None)
            values = [] if column is None else [(row[column] or "").strip() for row in reader]
    except (UnicodeDecodeError, csv.Error):
        raise _no_list(path, "is no CSV") from None
    if column is None:
        raise _no_list(path, "has no column of women")
    if "" in values:
        raise _no_list(path, f"names nobody in line {values.index('') + 2}")
    if not values:
        raise _no_list(path, "names nobody")
    return column, list(dict.fromkeys(values))


def take(rows: Rows, listed: tuple[str, Sequence[str]] | None) -> Sample:
    """Put the exams of a sample together.

    Parameters
    ----------
    rows : Rows
        With finds. Whoever is not in the list is taken out.
    listed : tuple or None
        As of `read_list`; None for all.

    Returns
    -------
    Sample

    Raises
    ------
    RefusedError
        BAC-ARCHIVE-SAMPLE: a find has no probability.
    """
    missing = 0 if listed is None else _keep(rows, *listed)
    build(rows)
    [(unsaid,)] = rows.query("SELECT count(*) FROM women WHERE unsaid OR (found AND find IS NULL)")
    if unsaid:
        raise RefusedError(
            "BAC-ARCHIVE-SAMPLE",
            f"finds of {women_text(unsaid)} have no probability, as those of an older server",
            "run the sample again with a server of this release",
        )
    [(unanswered,)] = rows.query("SELECT count(*) FROM women WHERE NOT complete")
    found = rows.query("SELECT find, device, software FROM women WHERE complete ORDER BY exam")
    return Sample([Woman(*row) for row in found], unanswered, missing)


def women_text(count: int) -> str:
    """Say how many women."""
    return "1 woman" if count == 1 else f"{count} women"


def _keep(rows: Rows, column: str, values: Sequence[str]) -> int:
    """Take out the images of whoever is not listed; return how many of the list have none."""
    database = rows.database
    database.execute("CREATE TABLE listed (value VARCHAR)")
    for start in range(0, len(values), _BATCH):
        database.execute(
            "INSERT INTO listed SELECT unnest($values)", {"values": list(values[start : start + _BATCH])}
        )
    [(missing,)] = rows.query(_MISSING, column=column)
    database.execute(_OTHERS, {"column": column})
    return int(missing)


def _no_list(path: Path, found: str) -> RefusedError:
    return RefusedError(
        "BAC-ARCHIVE-SAMPLE", f"{path}: {found}", f"give a CSV with one column of {', '.join(COLUMNS)}"
    )
