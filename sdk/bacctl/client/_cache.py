"""Results that are kept in a file, by the digest of the image and of what measured it.

A cache saves time and must never cost a result: whatever is wrong with the file is said once, as a warning,
and images are measured as if there were none.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import threading
import time
import warnings
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from bac_imaging.mask_bits import pack_mask, unpack_mask
from bacctl.client.transports.transport import Answer
from bacctl.results import SCHEMA

T = TypeVar("T")

_BUSY_S = 10.0
_LEVEL = 1  # masks and densities are nearly empty, so that the quickest level leaves little
# "BACc": tells a cache from any other database, which must not be written into.
_APPLICATION_ID = 0x42414363
_TABLE = """
CREATE TABLE IF NOT EXISTS answer (
    key BLOB PRIMARY KEY, report BLOB NOT NULL, mask BLOB NOT NULL, density BLOB
) WITHOUT ROWID
"""


class ResultCache:
    """Answers of the server in an SQLite file; for several threads and several processes.

    Parameters
    ----------
    path : Path
        The file; made where it is missing, readable by its owner only.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._database: sqlite3.Connection | None = None
        try:
            self._database = _opened_among_others(path)
        except (OSError, sqlite3.Error) as error:
            self._give_up(error)

    def get(
        self,
        data: bytes,
        options: Mapping[str, Any] | None,
        model: str,
        release: str | None,
        probability_map: str | None,
    ) -> Answer | None:
        """Return the answer to an image that was measured before.

        Parameters
        ----------
        data : bytes
            The file.
        options : mapping or None
            What was sent with it.
        model : str
            SHA-256 of the weights.
        release : str or None
            Of bacctl, on the server.
        probability_map : str or None
            SHA-256 of the map from scores to probabilities.

        Returns
        -------
        Answer or None
        """
        key = _key(data, options, model, release, probability_map)
        query = "SELECT report, mask, density FROM answer WHERE key = ?"
        row = self._ask(lambda database: database.execute(query, (key,)).fetchone())
        return None if row is None else _unpacked(*row)

    def put(
        self,
        data: bytes,
        options: Mapping[str, Any] | None,
        model: str,
        release: str | None,
        probability_map: str | None,
        answer: Answer,
    ) -> None:
        """Keep an answer; parameters as for `get`."""
        row = (_key(data, options, model, release, probability_map), *_packed(answer))
        command = "INSERT OR REPLACE INTO answer VALUES (?, ?, ?, ?)"
        self._ask(lambda database: database.execute(command, row))

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            if self._database is not None:
                self._database.close()
                self._database = None

    def _ask(self, question: Callable[[sqlite3.Connection], T]) -> T | None:
        with self._lock:
            if self._database is None:
                return None
            try:
                return question(self._database)
            except sqlite3.Error as error:
                if "locked" not in str(error):  # others are writing: this one result is not worth more time
                    self._give_up(error)
                return None

    def _give_up(self, error: Exception) -> None:
        if self._database is not None:
            self._database.close()
            self._database = None
        why = getattr(error, "strerror", None) or error
        warnings.warn(
            f"{self._path}: cannot be used as a cache ({why}); images are measured without it. Remove the "
            "file, or give another one",
            RuntimeWarning,
            stacklevel=2,
        )


def _opened_among_others(path: Path) -> sqlite3.Connection:
    """Open the file; a switch to WAL does not wait for another process that is doing the same."""
    for wait_s in (0.1, 0.5, 2.0):
        try:
            return _opened(path)
        except sqlite3.OperationalError as error:
            if "locked" not in str(error):
                raise
            time.sleep(wait_s)
    return _opened(path)


def _opened(path: Path) -> sqlite3.Connection:
    # Made here and not by SQLite, so that nobody else can read results of patients.
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    # Transactions of one statement each; used by one thread at a time.
    database = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
    try:
        (owner,) = database.execute("PRAGMA application_id").fetchone()
        (tables,) = database.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if tables and owner != _APPLICATION_ID:
            raise sqlite3.DatabaseError("it is a database of another program")
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = NORMAL")
        database.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
        database.execute(_TABLE)
    except BaseException:
        database.close()
        raise
    return database


def _key(
    data: bytes,
    options: Mapping[str, Any] | None,
    model: str,
    release: str | None,
    probability_map: str | None,
) -> bytes:
    circumstances = json.dumps([SCHEMA, model, release, probability_map, options], sort_keys=True)
    return hashlib.sha256(hashlib.sha256(data).digest() + circumstances.encode()).digest()


def _packed(answer: Answer) -> tuple[bytes, bytes, bytes | None]:

    density = None if answer.density is None else _squeezed(answer.density.astype("<f4").tobytes())
    return (
        _squeezed(json.dumps(answer.report).encode()),
        _squeezed(pack_mask(answer.mask).tobytes()),
        density,
    )


def _unpacked(report: bytes, mask: bytes, density: bytes | None) -> Answer | None:
    """Read what `_packed` wrote; None for an entry that is damaged, which its check sum tells."""
    import numpy as np

    try:
        entry: dict[str, Any] = json.loads(zlib.decompress(report))
        shape = (int(entry["rows"]), int(entry["columns"]))
        return Answer(
            entry,
            unpack_mask(zlib.decompress(mask), shape),
            None if density is None else np.frombuffer(zlib.decompress(density), "<f4").reshape(shape),
        )
    except (KeyError, TypeError, ValueError, zlib.error):
        return None


def _squeezed(data: bytes) -> bytes:
    return zlib.compress(data, _LEVEL)
