"""The journal of a shard: what is done, what is under way, and which parts are complete. It alone says so.

A row is in the journal as soon as its image is measured, and stays there until a part that holds it is
complete: a run that is killed loses the images in flight and no others.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bacctl.archive.parts import PartRow
from bacctl.archive.run.reading import (
    VERSION,
    Counts,
    Part,
    check_version,
    counts_of,
    fact_of,
    in_words,
    parts_of,
)

_SCHEMA = """
CREATE TABLE IF NOT EXISTS fact(name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS part(
  number INTEGER PRIMARY KEY, name TEXT NOT NULL, images INTEGER NOT NULL, bytes INTEGER NOT NULL,
  sha256 TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS image(
  number INTEGER PRIMARY KEY, part INTEGER REFERENCES part(number), status TEXT NOT NULL, code TEXT,
  parked INTEGER NOT NULL, bytes_key INTEGER, cells TEXT);
CREATE INDEX IF NOT EXISTS image_without_part ON image(number) WHERE part IS NULL;
CREATE INDEX IF NOT EXISTS image_bytes ON image(bytes_key) WHERE bytes_key IS NOT NULL;
CREATE TABLE IF NOT EXISTS open_image(
  number INTEGER PRIMARY KEY, attempts INTEGER NOT NULL, under_way INTEGER NOT NULL, bytes_key INTEGER);
CREATE TABLE IF NOT EXISTS stretch(
  number INTEGER PRIMARY KEY, images INTEGER NOT NULL, seconds REAL NOT NULL);
"""


class Journal:
    """The journal, open for writing by one process; any of its threads may use it.

    Parameters
    ----------
    path : Path
        The SQLite file, on a file system that has locks. Made where it is missing.

    Raises
    ------
    RefusedError
        BAC-ARCHIVE-OUTPUT: it is of another release, or damaged.
    sqlite3.OperationalError
        The disk is full or cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._lock = threading.RLock()
        self._rows = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        try:
            # Of a power cut alone; what a killed process has committed is there in any case. What makes a
            # part complete is on the disk before it counts, see `enter`.
            self._rows.execute("PRAGMA journal_mode=WAL")
            self._rows.execute("PRAGMA synchronous=NORMAL")
            check_version(self._rows)
            self._rows.executescript(_SCHEMA)
            self._rows.execute(f"PRAGMA user_version={VERSION}")
            found = self._rows.execute("SELECT coalesce(max(number), 0) + 1 FROM stretch").fetchone()
            self._stretch = int(found[0])
        except BaseException as error:
            self._rows.close()
            raise in_words(error) from None

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close it. May be called twice."""
        with self._lock:
            self._rows.close()

    # Facts of the run.

    def fact(self, name: str) -> str | None:
        """Return what was written down under a name."""
        return fact_of(self._rows, name)

    def write(self, name: str, value: str) -> None:
        """Write something down."""
        with self._turn():
            self._rows.execute(
                "INSERT INTO fact VALUES(?, ?) ON CONFLICT(name) DO UPDATE SET value=excluded.value",
                (name, value),
            )

    @property
    def empty(self) -> bool:
        """Whether no image was ever begun or settled."""
        with self._lock:
            found = self._rows.execute(
                "SELECT EXISTS(SELECT 1 FROM image) OR EXISTS(SELECT 1 FROM open_image)"
            ).fetchone()
        return not found[0]

    # What becomes of an image.

    def settled(self, first: int, end: int) -> set[int]:
        """Return the numbers from `first` to before `end` that have a result."""
        return self._numbers("SELECT number FROM image WHERE number>=? AND number<?", first, end)

    def open(self, first: int, end: int) -> set[int]:
        """Return the numbers from `first` to before `end` that were tried and have no result."""
        return self._numbers("SELECT number FROM open_image WHERE number>=? AND number<?", first, end)

    def _numbers(self, query: str, *bounds: int) -> set[int]:
        with self._lock:
            return {row[0] for row in self._rows.execute(query, bounds)}

    def begin(self, number: int, file_sha256: str) -> int:
        """Note that an image is about to be sent; return how many times it was tried before."""
        with self._turn():
            self._rows.execute(
                "INSERT INTO open_image VALUES(?, 0, 1, ?) ON CONFLICT(number) "
                "DO UPDATE SET under_way=1, bytes_key=excluded.bytes_key",
                (number, _bytes_key(file_sha256)),
            )
            found = self._rows.execute("SELECT attempts FROM open_image WHERE number=?", (number,)).fetchone()
        return int(found[0])

    def put_off(self, number: int, file_sha256: str | None = None, *, tried: bool) -> int:
        """Note that an image is to be tried again at the end; return how many times it was tried.

        Where it was not `tried`, this time does not count.
        """
        key = None if file_sha256 is None else _bytes_key(file_sha256)
        with self._turn():
            self._rows.execute(
                "INSERT INTO open_image VALUES(?, ?, 0, ?) ON CONFLICT(number) DO UPDATE SET "
                "under_way=0, attempts=attempts+excluded.attempts, "
                "bytes_key=coalesce(excluded.bytes_key, bytes_key)",
                (number, int(tried), key),
            )
            found = self._rows.execute("SELECT attempts FROM open_image WHERE number=?", (number,)).fetchone()
        return int(found[0])

    def attempts(self, number: int) -> int:
        """Return how many times an image was tried without an answer."""
        with self._lock:
            found = self._rows.execute("SELECT attempts FROM open_image WHERE number=?", (number,)).fetchone()
        return 0 if found is None else int(found[0])

    def own_up(self) -> int:
        """Count a try for what was under way when an earlier process was killed; return how many."""
        with self._turn():
            return self._rows.execute(
                "UPDATE open_image SET attempts=attempts+1, under_way=0 WHERE under_way=1"
            ).rowcount

    def let_go(self) -> None:
        """Forget that anything is under way: it was given up in an orderly way, which is nobody's fault."""
        with self._turn():
            self._rows.execute("DELETE FROM open_image WHERE under_way=1 AND attempts=0")
            self._rows.execute("UPDATE open_image SET under_way=0 WHERE under_way=1")

    def keep(self, cells: PartRow) -> None:
        """Keep the result of an image until a part holds it."""
        digest = cells["file_sha256"]
        with self._turn():
            self._rows.execute(
                "INSERT INTO image VALUES(?, NULL, ?, ?, ?, ?, ?)",
                (
                    cells["row"],
                    cells["status"],
                    cells["code"],
                    int(cells["parked"]),
                    None if digest is None else _bytes_key(digest),
                    json.dumps(cells, separators=(",", ":"), allow_nan=False),
                ),
            )
            self._rows.execute("DELETE FROM open_image WHERE number=?", (cells["row"],))

    def same_bytes(self, number: int, file_sha256: str) -> tuple[list[int], bool]:
        """Find other images of the same bytes.

        The key is a part of the digest: whoever takes a result over compares the whole.

        Returns
        -------
        settled : list of int
            Those that have a result.
        open : bool
            Whether one is under way or to be tried again.
        """
        key = _bytes_key(file_sha256)
        with self._lock:
            settled = self._rows.execute(
                "SELECT number FROM image WHERE bytes_key=? ORDER BY number", (key,)
            ).fetchall()
            waits = self._rows.execute(
                "SELECT 1 FROM open_image WHERE bytes_key=? AND number<? LIMIT 1", (key, number)
            ).fetchone()
        return [row[0] for row in settled], waits is not None

    # Parts.

    def held(self, most: int | None = None) -> list[PartRow]:
        """Return results that no part holds yet, in the order of the manifest."""
        with self._lock:
            found = self._rows.execute(
                "SELECT cells FROM image WHERE part IS NULL ORDER BY number LIMIT ?",
                (-1 if most is None else most,),
            ).fetchall()
        return [json.loads(row[0]) for row in found]

    def held_count(self) -> int:
        """Count them."""
        with self._lock:
            return int(self._rows.execute("SELECT count(*) FROM image WHERE part IS NULL").fetchone()[0])

    def cells(self, number: int) -> PartRow | Part:
        """Return the result of an image, or the part that holds it."""
        with self._lock:
            found = self._rows.execute("SELECT cells, part FROM image WHERE number=?", (number,)).fetchone()
            if found[0] is not None:
                cells: PartRow = json.loads(found[0])
                return cells
            part = self._rows.execute("SELECT * FROM part WHERE number=?", (found[1],)).fetchone()
        return Part(*part)

    def next_part(self) -> int:
        """Return the number that the next part has."""
        with self._lock:
            return int(self._rows.execute("SELECT coalesce(max(number), 0) + 1 FROM part").fetchone()[0])

    def enter(self, part: Part, numbers: Sequence[int]) -> None:
        """Say that a part is complete. It must be on the disk under its final name."""
        with self._turn(safe=True):
            self._rows.execute(
                "INSERT INTO part VALUES(?, ?, ?, ?, ?)",
                (part.number, part.name, part.images, part.bytes, part.sha256),
            )
            self._rows.executemany(
                "UPDATE image SET part=?, cells=NULL WHERE number=?",
                [(part.number, number) for number in numbers],
            )

    def forget(self, part: Part) -> None:
        """Take a part that is damaged out of the journal: its images have no result any more."""
        with self._turn(safe=True):
            self._rows.execute("DELETE FROM fact WHERE name='complete'")
            self._rows.execute("DELETE FROM image WHERE part=?", (part.number,))
            self._rows.execute("DELETE FROM part WHERE number=?", (part.number,))

    def parts(self) -> list[Part]:
        """Return the complete parts, in their order."""
        with self._lock:
            return parts_of(self._rows)

    def pace(self, images: int, seconds: float) -> None:
        """Note how much this stretch of work, from the opening of the journal on, has done in what time."""
        with self._turn():
            self._rows.execute(
                "INSERT INTO stretch VALUES(?, ?, ?) ON CONFLICT(number) DO UPDATE SET "
                "images=excluded.images, seconds=excluded.seconds",
                (self._stretch, images, seconds),
            )

    def counts(self) -> Counts:
        """Say how far the shard is."""
        with self._lock:
            return counts_of(self._rows)

    def copy_to(self, path: Path) -> None:
        """Write a copy of it, as of now, that needs no file beside it."""
        with self._lock, contextlib.closing(sqlite3.connect(path)) as target:
            self._rows.backup(target)
            target.execute("PRAGMA journal_mode=DELETE")

    @contextmanager
    def _turn(self, *, safe: bool = False) -> Iterator[None]:
        """Do all of a block or nothing; where it has to be `safe`, also when the power is cut."""
        with self._lock:
            if safe:
                self._rows.execute("PRAGMA synchronous=FULL")
            self._rows.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._rows.execute("COMMIT")
            except BaseException:
                if self._rows.in_transaction:
                    self._rows.execute("ROLLBACK")
                raise
            finally:
                if safe:
                    self._rows.execute("PRAGMA synchronous=NORMAL")


def _bytes_key(file_sha256: str) -> int:
    """Return 8 bytes of a digest, as SQLite's integers have them."""
    return int.from_bytes(bytes.fromhex(file_sha256[:16]), "big", signed=True)
