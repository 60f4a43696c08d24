"""The rows of a scan until all are there, on disk: which are of one study, which are copies of another.

It is SQLite's anonymous database: a file in the folder for temporary files that has no name and goes with
the process, and that nobody else can open. Of whom an image is stands there as digests with a key of this
process (`bacctl._origin`), and nowhere else.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import fields
from operator import attrgetter
from typing import Any

from bac_terms.errors import FailedError
from bacctl._origin import Origin
from bacctl.archive.manifest import ManifestRow
from bacctl.archive.scanning.files import Looked
from bacctl.exam.identity import contradiction

REPEATED, MIXED = "BAC-W-UID-REPEATED", "BAC-W-EXAM-MIXED"
_COLUMNS = tuple(
    field.name for field in fields(ManifestRow) if field.name not in ("duplicate_of", "warnings")
)
_cells_of = attrgetter(*_COLUMNS)
_MEMORY_KIB = 16 * 1024
_MOST_PERSONS = 512
"""Of one study that are held against each other; more of them are of one woman in no archive."""
_SIDES_AND_VIEWS = ("LCC", "LMLO", "RCC", "RMLO")

_TABLES = f"""
CREATE TABLE images (seq INTEGER PRIMARY KEY, study, person INTEGER, {", ".join(_COLUMNS)});
CREATE TABLE persons (id INTEGER PRIMARY KEY, origin TEXT);
CREATE TABLE before (uri PRIMARY KEY, size, header_sha256, sop_instance_uid);
"""
# A study is written where its first image was met: its images are together, and a disk is read forwards.
_ORDER = """
CREATE TABLE firsts AS SELECT study, MIN(seq) AS first FROM images WHERE study IS NOT NULL GROUP BY study;
CREATE UNIQUE INDEX of_study ON firsts (study);
CREATE TABLE shared AS SELECT sop_instance_uid AS uid FROM images
    WHERE uid IS NOT NULL GROUP BY uid HAVING COUNT(*) > 1;
CREATE UNIQUE INDEX of_uid ON shared (uid);
CREATE TABLE copies (seq INTEGER PRIMARY KEY, of);
CREATE TABLE repeated (uid PRIMARY KEY);
CREATE TABLE mixed (study PRIMARY KEY);
"""
_SHARED = """
SELECT uid, seq, uri, size, header_sha256 FROM images
    JOIN shared ON uid = sop_instance_uid LEFT JOIN firsts USING (study)
    ORDER BY uid, COALESCE(first, seq), seq
"""
_SEVERAL = """
SELECT study FROM images WHERE code IS NULL AND study IS NOT NULL
    GROUP BY study HAVING COUNT(DISTINCT person) > 1
"""
_PERSONS = """
SELECT DISTINCT origin, laterality, view FROM images JOIN persons ON id = person
    WHERE study = ? AND code IS NULL LIMIT ?
"""
_NAMED = ", ".join(f"images.{name}" for name in _COLUMNS)
_ROWS = f"""
SELECT {_NAMED}, copies.of, repeated.uid, mixed.study FROM images
    LEFT JOIN firsts USING (study) LEFT JOIN copies USING (seq)
    LEFT JOIN repeated ON repeated.uid = sop_instance_uid LEFT JOIN mixed ON mixed.study = images.study
    ORDER BY COALESCE(first, images.seq), images.seq
"""  # noqa: S608  # our own words


class Spool:
    """Collects what was looked at, and gives it back in order, with what the files say of each other."""

    def __init__(self) -> None:
        with _told():
            self._base = sqlite3.connect("")
            self._base.executescript(
                f"PRAGMA cache_size = -{_MEMORY_KIB}; PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;"
                f"PRAGMA temp_store = FILE; {_TABLES}"
            )
        self._places = ", ".join("?" * (len(_COLUMNS) + 3))
        self._persons: dict[Origin, int] = {}
        self._person_count = 0
        self._rows = 0

    def close(self) -> None:
        """Forget all of it."""
        self._base.close()

    def __len__(self) -> int:
        return self._rows

    def add(self, looked: Iterable[Looked]) -> None:
        """Take some images."""
        cells = [self._cells(each) for each in looked]
        with _told(), self._base:
            self._base.executemany(f"INSERT INTO images VALUES ({self._places})", cells)  # noqa: S608

    def _cells(self, looked: Looked) -> tuple[object, ...]:
        self._rows += 1
        return (self._rows, looked.study, self._person(looked.origin), *_cells_of(looked.row))

    def _person(self, origin: Origin | None) -> int | None:
        if origin is None:
            return None
        number = self._persons.get(origin)
        if number is None:
            self._person_count += 1
            number = self._person_count
            if len(self._persons) >= _MOST_PERSONS:
                self._persons.clear()
            self._persons[origin] = number
            with _told():
                self._base.execute("INSERT INTO persons VALUES (?, ?)", (number, _packed(origin)))
        return number

    def add_before(self, rows: Iterable[ManifestRow]) -> None:
        """Take the rows of an earlier manifest."""
        cells = ((row.uri, row.size, row.header_sha256, row.sop_instance_uid) for row in rows)
        with _told(), self._base:
            self._base.executemany("INSERT OR IGNORE INTO before VALUES (?, ?, ?, ?)", cells)

    def settle(self) -> None:
        """Find out what belongs together, once all are there."""
        with _told():
            self._base.executescript(_ORDER)
            self._settle_copies()
            self._settle_studies()

    def _settle_copies(self) -> None:
        last, first, content, is_repeated = None, None, [], False
        for uid, seq, uri, *found in self._base.execute(_SHARED):
            if uid != last:
                last, first, content, is_repeated = uid, uri, found, False
                continue
            self._base.execute("INSERT INTO copies VALUES (?, ?)", (seq, first))
            if found != content and not is_repeated:
                self._base.execute("INSERT INTO repeated VALUES (?)", (uid,))
                is_repeated = True

    def _settle_studies(self) -> None:
        for (study,) in self._base.execute(_SEVERAL):
            found = self._base.execute(_PERSONS, (study, _MOST_PERSONS)).fetchall()
            views = [f"{side}{view}" for _, side, view in found]
            counted = [view if view in _SIDES_AND_VIEWS else None for view in views]
            if contradiction([_unpacked(origin) for origin, _, _ in found], counted) is not None:
                self._base.execute("INSERT INTO mixed VALUES (?)", (study,))

    def rows(self) -> Iterator[ManifestRow]:
        """Give all rows, those of a study together."""
        with _told():
            for *cells, first, repeated, mixed in self._base.execute(_ROWS):
                warned = ((REPEATED, repeated), (MIXED, mixed))
                warnings = " ".join(code for code, found in warned if found is not None) or None
                known = dict(zip(_COLUMNS, cells, strict=True))
                yield ManifestRow(**known, duplicate_of=first, warnings=warnings)

    def select(self, query: str) -> list[tuple[Any, ...]]:
        """Ask for a small table."""
        with _told():
            return self._base.execute(query).fetchall()


_ORIGIN_FIELDS = ("patient", "issuer", "name", "birth", "birth_year", "sex", "study")


def _packed(origin: Origin) -> str:
    """Write what tells two visits apart; digests only, but for age and day."""
    digests = [getattr(origin, name) for name in _ORIGIN_FIELDS]
    return json.dumps(
        [
            [None if value is None else value.hex() for value in digests],
            [part.hex() for part in origin.name_parts],
            [origin.age, origin.day, origin.study_day],
        ]
    )


def _unpacked(text: str) -> Origin:
    written, parts, (age, day, study_day) = json.loads(text)
    digests = [None if value is None else bytes.fromhex(value) for value in written]
    known: dict[str, Any] = dict(zip(_ORIGIN_FIELDS, digests, strict=True))
    name_parts = frozenset(map(bytes.fromhex, parts))
    return Origin(**known, name_parts=name_parts, age=age, day=day, study_day=study_day)


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        raise FailedError(
            "BAC-STORAGE-WRITE",
            f"the folder for temporary files cannot hold the scan: {error}",
            "make room there, or name another with TMPDIR",
        ) from error
