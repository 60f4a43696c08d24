"""What a journal says, for whoever reads it: the run itself, `merge`, `status` and the report."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bac_terms.errors import FailedError, RefusedError

VERSION = 1
NAME = "journal.sqlite"


@dataclass(frozen=True, slots=True)
class Part:
    """One complete part."""

    number: int
    name: str
    images: int
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Counts:
    """How far a shard is.

    Attributes
    ----------
    images : int or None
        Rows of the manifest that are of this shard; None before they were counted.
    settled : int
        Those that have a result, refused and failed ones among them.
    in_parts : int
        Those that are in complete parts.
    open : int
        Those that were tried without an answer and will be tried again, or are under way.
    parked : int
        Those given up after so many tries.
    by_status : mapping of str to int
        "ok", "refused", "failed".
    by_code : mapping of str to int
        Of those that were refused or failed.
    complete : bool
        Whether there is nothing left to do.
    rate : float or None
        Images a second of the stretch of work that is under way, or was last.
    """

    images: int | None
    settled: int
    in_parts: int
    open: int
    parked: int
    by_status: Mapping[str, int]
    by_code: Mapping[str, int]
    complete: bool
    rate: float | None


class JournalReader:
    """The journal of a shard for whoever only looks, also while a run writes into it.

    Parameters
    ----------
    path : Path
        The SQLite file.

    Raises
    ------
    RefusedError
        BAC-ARCHIVE-OUTPUT: it is of another release, or damaged.
    """

    def __init__(self, path: Path) -> None:
        uri = path.absolute().as_uri()
        try:
            try:
                self._rows = sqlite3.connect(f"{uri}?mode=ro", uri=True)
                check_version(self._rows)
            except sqlite3.OperationalError:
                if path.with_name(f"{path.name}-wal").exists():
                    raise
                # Nobody writes into it, and in this folder we may not make what readers share with a writer.
                self._rows = sqlite3.connect(f"{uri}?immutable=1", uri=True)
                check_version(self._rows)
        except sqlite3.Error as error:
            raise in_words(error) from None

    def __enter__(self) -> JournalReader:
        return self

    def __exit__(self, *_: object) -> None:
        self._rows.close()

    @property
    def is_made(self) -> bool:
        """Whether its tables are there; not yet in the moment in which a run begins."""
        return bool(self._rows.execute("PRAGMA user_version").fetchone()[0])

    def fact(self, name: str) -> str | None:
        """Return what was written down under a name."""
        return fact_of(self._rows, name)

    def counts(self) -> Counts:
        """Say how far the shard is."""
        return counts_of(self._rows)

    def parts(self) -> list[Part]:
        """Return the complete parts, in their order."""
        return parts_of(self._rows)


def fact_of(rows: sqlite3.Connection, name: str) -> str | None:
    """Return what was written down under a name."""
    found = rows.execute("SELECT value FROM fact WHERE name=?", (name,)).fetchone()
    return None if found is None else str(found[0])


def parts_of(rows: sqlite3.Connection) -> list[Part]:
    """Return the complete parts, in their order."""
    return [Part(*row) for row in rows.execute("SELECT * FROM part ORDER BY number").fetchall()]


def counts_of(rows: sqlite3.Connection) -> Counts:
    """Say how far the shard is."""
    images = fact_of(rows, "images")
    groups = rows.execute(
        "SELECT status, code, part IS NOT NULL, sum(parked), count(*) FROM image GROUP BY 1, 2, 3"
    ).fetchall()
    by_status: Counter[str] = Counter()
    by_code: Counter[str] = Counter()
    for status, code, _, _, count in groups:
        by_status[status] += count
        if code is not None:
            by_code[code] += count
    stretch = rows.execute("SELECT images, seconds FROM stretch ORDER BY number DESC LIMIT 1").fetchone()
    return Counts(
        images=None if images is None else int(images),
        settled=sum(group[4] for group in groups),
        in_parts=sum(group[4] for group in groups if group[2]),
        open=rows.execute("SELECT count(*) FROM open_image").fetchone()[0],
        parked=sum(group[3] for group in groups),
        by_status=dict(by_status),
        by_code=dict(by_code.most_common()),
        complete=fact_of(rows, "complete") is not None,
        rate=stretch[0] / stretch[1] if stretch is not None and stretch[1] > 0 else None,
    )


def check_version(rows: sqlite3.Connection) -> None:
    """Refuse the journal of another release."""
    version = rows.execute("PRAGMA user_version").fetchone()[0]
    if version not in (0, VERSION):
        raise RefusedError(
            "BAC-ARCHIVE-OUTPUT", "the journal was written by another release", "go on with that one"
        )


def in_words(error: BaseException) -> BaseException:
    """Put a journal that is damaged or cannot be opened into words."""
    if isinstance(error, sqlite3.OperationalError):
        return FailedError(
            "BAC-STORAGE-WRITE",
            f"the journal could not be opened ({error})",
            "make room, or give it a folder on a local disk by --journal",
        )
    if isinstance(error, sqlite3.DatabaseError):
        return RefusedError(
            "BAC-ARCHIVE-OUTPUT", "the journal is damaged", "give another --out, and see to that disk"
        )
    return error
