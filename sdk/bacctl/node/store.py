"""A folder of files and a table of what is true of them, such that the table is true after a power cut.

A file is synced under its final name before its row is committed, and the row before anybody is told. Files
without a row were never acknowledged and are removed at the next start. Names of files are made here, never
of what a peer sent.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import secrets
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bac_imaging.files import write_whole
from bac_terms.errors import FailedError
from bacctl.node.records import Limits
from bacctl.node.schema import SCHEMA, VERSION


class Store:
    """The folder of a queue. One process at a time has it open; any thread may use it.

    Parameters
    ----------
    folder : Path
        Made where it is missing, for its owner alone. Images and results belong to patients: nobody else may
        read their folders, whatever `folder` was before.
    limits : Limits
        What it may take.
    now : callable, optional
        The clock; seconds since the epoch, since it has to outlive the process.

    Attributes
    ----------
    images, results : Path
        Folders of what came in and of what was made of it.
    rows : sqlite3.Connection
        The tables of `bacctl.node.schema`; to be used with `turn` held.
    turn : lock
        Held by whoever reads or writes rows.

    Raises
    ------
    BlockingIOError
        Another process has it open.
    FailedError
        It is of another release, or damaged.
    OSError
        The folder cannot be written.
    """

    def __init__(self, folder: Path, limits: Limits, now: Callable[[], float] = time.time) -> None:
        self.images, self.results = folder / "images", folder / "results"
        for place in (folder, self.images, self.results):
            place.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock_file = (folder / "lock").open("w")  # closed with the store
        try:
            fcntl.flock(self._lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._lock_file.close()
            raise
        self.limits, self.now = limits, now
        self.turn = threading.RLock()
        # SQLite gives its journal the permissions of the table: for nobody else, whatever the folder is.
        (folder / "queue.sqlite").touch(mode=0o600)
        self.rows = sqlite3.connect(folder / "queue.sqlite", isolation_level=None, check_same_thread=False)
        try:
            self._open()
        except sqlite3.DatabaseError as error:
            self.close()
            if isinstance(error, sqlite3.OperationalError):  # of the disk, not of what is written there
                raise OSError(f"{folder}: the queue cannot be opened ({error})") from None
            raise FailedError("BAC-NODE-QUEUE", "the queue's table is damaged") from None
        except BaseException:
            self.close()
            raise

    def _open(self) -> None:
        self.rows.row_factory = sqlite3.Row
        self.rows.execute("PRAGMA journal_mode=WAL")
        self.rows.execute("PRAGMA synchronous=FULL")
        self.rows.execute("PRAGMA foreign_keys=ON")
        version = self.rows.execute("PRAGMA user_version").fetchone()[0]
        if version not in (0, VERSION):
            raise FailedError("BAC-NODE-QUEUE")
        self.rows.executescript(SCHEMA)
        self.rows.execute(f"PRAGMA user_version={VERSION}")
        self._remove_strays()
        # What was given up is tried again after a start: somebody may have mended the cause.
        self.rows.execute(
            "UPDATE delivery SET state='waiting', delivery_attempts=0, next_at=0 WHERE state='refused'"
        )
        self.rows.execute("UPDATE exam SET attempts=0, next_at=0 WHERE dirty=1")

    def close(self) -> None:
        """Close it. May be called twice."""
        with self.turn:
            self.rows.close()
            self._lock_file.close()

    @property
    def used_bytes(self) -> int:
        """How much the files in it take."""
        with self.turn:
            return int(
                self.rows.execute(
                    "SELECT (SELECT coalesce(sum(bytes), 0) FROM image) + "
                    "(SELECT coalesce(sum(bytes), 0) FROM result)"
                ).fetchone()[0]
            )

    def check_room(self, size: int) -> None:
        """Raise FailedError "BAC-NODE-FULL" where a file of this size has no room."""
        if self.used_bytes + size > self.limits.most_bytes:
            raise FailedError("BAC-NODE-FULL", "the queue holds as much as it may")
        if shutil.disk_usage(self.images).free - size < self.limits.free_bytes:
            raise FailedError("BAC-NODE-FULL", "the disk of the queue is nearly full")

    def _remove_strays(self) -> None:
        for folder, table in ((self.images, "image"), (self.results, "result")):
            known = {row[0] for row in self.rows.execute(f"SELECT file FROM {table}")}  # noqa: S608
            for path in folder.iterdir():
                if path.name not in known:
                    path.unlink(missing_ok=True)

    def write(self, folder: Path, data: bytes, suffix: str) -> Path:
        """Write a file, synced, under a name that nobody else chose."""
        path = folder / f"{secrets.token_hex(16)}{suffix}"
        write_whole(path, data, synced=True)
        return path

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Make what a block does to rows true as a whole, or not at all."""
        self.rows.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            with contextlib.suppress(sqlite3.Error):  # a full disk may have ended it already
                self.rows.execute("ROLLBACK")
            raise
        self.rows.execute("COMMIT")


@contextmanager
def no_room_said() -> Iterator[None]:
    """Say of a full disk that it is one, whoever met it."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        raise FailedError("BAC-NODE-FULL", "the disk of the queue is full") from None
    except sqlite3.OperationalError as error:
        if "full" not in str(error):
            raise
        raise FailedError("BAC-NODE-FULL", "the disk of the queue is full") from None
