"""Where the results of one shard go: parts that are written whole, beside a journal that says which count."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import secrets
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path

import pyarrow as pa
from pyarrow import parquet

from bac_terms.errors import FailedError, RefusedError
from bacctl.archive import storage
from bacctl.archive.parts import PartRow, part_table
from bacctl.archive.run.journal import Journal
from bacctl.archive.run.plan import Plan
from bacctl.archive.run.reading import NAME, JournalReader, Part
from bacctl.archive.run.shards import Shard
from bacctl.archive.stores import local

if sys.platform != "win32":
    import fcntl

PLAN = "run.json"
_MOST_PLAN_BYTES = 1 << 20
_MOST_PART_BYTES = 1 << 31
_TURNS, _TURN_S = 5, 0.05
_GO_ON = "go on with it by --resume, or give another --out"


class ShardOutput:
    """The folder of one shard, claimed for as long as this is open.

    Parameters
    ----------
    out : str
        URI of the run's folder.
    shard : Shard
        Which share.
    journals_at : Path, optional
        A local folder for the journal, where it is not to lie with the parts: a journal takes a file system
        with locks, so that it never lies in an object store. The output then has a copy of it, which is
        renewed with each part.

    Raises
    ------
    RefusedError
        BAC-ARCHIVE-OUTPUT: another process works on this shard.
    FailedError
        BAC-STORAGE-*: it cannot be written or read.
    """

    def __init__(self, out: str, shard: Shard, journals_at: Path | None = None) -> None:
        self._out = out
        self._uri = storage.join(out, shard.name)
        self._temporary: tempfile.TemporaryDirectory[str] | None = None
        self._apart = journals_at is not None or storage.is_remote(out)
        if journals_at is not None:
            folder = journals_at / shard.name
        elif storage.is_remote(out):
            self._temporary = tempfile.TemporaryDirectory(prefix="bacctl-")
            folder = Path(self._temporary.name)
        else:
            folder = Path(local.path_of(self._uri))
        with _written():
            folder.mkdir(parents=True, exist_ok=True)
        self._journal_path = folder / NAME
        self._lock = _claim(folder)

    def __enter__(self) -> ShardOutput:
        return self

    def __exit__(self, *_: object) -> None:
        if self._lock is not None:
            os.close(self._lock)
        if self._temporary is not None:
            self._temporary.cleanup()

    def open_journal(self, *, resume: bool) -> Journal:
        """Open the journal, and count a try for what was under way when an earlier process was killed.

        Raises
        ------
        RefusedError
            BAC-ARCHIVE-OUTPUT: there are results already and they are not asked to be gone on with.
        """
        if self._apart:
            self._take_newest()
        journal = Journal(self._journal_path)
        if not resume and not journal.empty:
            journal.close()
            raise RefusedError("BAC-ARCHIVE-OUTPUT", "this shard of the output has results already", _GO_ON)
        try:
            journal.own_up()
            for part in journal.parts():
                self._forget_if_damaged(journal, part)
            self._remove_strays({part.name for part in journal.parts()})
        except BaseException:
            journal.close()
            raise
        return journal

    def _forget_if_damaged(self, journal: Journal, part: Part) -> None:
        try:
            self.read_part(part)
        except FailedError as error:
            if error.code != "BAC-ARCHIVE-PART":
                raise
            journal.forget(part)

    def agree(self, journal: Journal, plan: Plan) -> None:
        """Begin the run, or see that it is the one that was begun here.

        Raises
        ------
        RefusedError
            BAC-ARCHIVE-OUTPUT, naming what differs.
        """
        begun = read_plan(self._out)
        if begun is not None:
            plan.check_same(begun)
        else:
            storage.put(storage.join(self._out, PLAN), plan.to_text().encode())
        mine = journal.fact("plan")
        if mine is not None:
            plan.check_same(Plan.from_text(mine))
        else:
            journal.write("plan", plan.to_text())

    def write_part(self, journal: Journal, rows: Sequence[PartRow]) -> None:
        """Write a part and enter it into the journal; `publish` is for the caller to do.

        Nothing that reads a folder takes it for a part before it is whole, and nothing that reads the journal
        before it is on the disk.

        Raises
        ------
        FailedError
            BAC-STORAGE-*; the journal holds the rows as before.
        """
        data = part_bytes(part_table(rows))
        number = journal.next_part()
        # Never the name of what another process wrote, be it that nobody knew of the other.
        name = f"part-{number:06d}-{secrets.token_hex(4)}.parquet"
        storage.put(storage.join(self._uri, name), data)
        part = Part(number, name, len(rows), len(data), sha256(data).hexdigest())
        journal.enter(part, [row["row"] for row in rows])

    def publish(self, journal: Journal) -> None:
        """Give the output a copy of the journal, where that lies elsewhere."""
        if not self._apart:
            return
        copy = self._journal_path.with_name("copy.sqlite")
        copy.unlink(missing_ok=True)
        journal.copy_to(copy)
        try:
            storage.put(storage.join(self._uri, NAME), copy)
        finally:
            copy.unlink(missing_ok=True)

    def is_reachable(self) -> bool:
        """Tell whether the store answers."""
        try:
            storage.exists(storage.join(self._out, PLAN))
        except FailedError as error:
            return error.code != "BAC-STORAGE-UNREACHABLE"
        return True

    def read_part(self, part: Part) -> pa.Table:
        """Read a part as `read_part` does."""
        return read_part(self._uri, part)

    def _take_newest(self) -> None:
        """Take the copy in the output where it knows of more parts than the journal here."""
        uri = storage.join(self._uri, NAME)
        if not storage.exists(uri):
            return
        with storage.local_copy(uri) as path:
            if self._journal_path.exists():
                with JournalReader(path) as theirs, JournalReader(self._journal_path) as mine:
                    if len(theirs.parts()) <= len(mine.parts()):
                        return
            data = path.read_bytes()
        for name in (NAME, f"{NAME}-wal", f"{NAME}-shm"):
            self._journal_path.with_name(name).unlink(missing_ok=True)
        storage.put(str(self._journal_path), data)

    def _remove_strays(self, known: set[str]) -> None:
        """Remove parts that nobody entered; of an object store nothing: they are read by nobody."""
        if storage.is_remote(self._uri):
            return
        folder = Path(local.path_of(self._uri))
        for pattern in ("part-*.parquet", ".bacctl-*.part"):
            for path in folder.glob(pattern):
                if path.name not in known:
                    with contextlib.suppress(OSError):
                        path.unlink()


def read_plan(out: str) -> Plan | None:
    """Read what a run is; None where none was begun.

    Raises
    ------
    RefusedError
        BAC-ARCHIVE-OUTPUT: what is there is none that this release reads.
    FailedError
        BAC-STORAGE-*, BAC-FILE-UNREADABLE.
    """
    uri = storage.join(out, PLAN)
    if not storage.exists(uri):
        return None
    return Plan.from_text(storage.read(uri, _MOST_PLAN_BYTES).decode("utf-8", "replace"))


def read_part(folder: str, part: Part) -> pa.Table:
    """Read a part, and hold it against what the journal says of it.

    Raises
    ------
    FailedError
        BAC-ARCHIVE-PART: it is missing, damaged or another one.
    """
    try:
        data = storage.read(storage.join(folder, part.name), _MOST_PART_BYTES)
    except FailedError as error:
        if error.code != "BAC-FILE-UNREADABLE":
            raise
        raise FailedError("BAC-ARCHIVE-PART", f"{part.name} cannot be read") from error
    if len(data) != part.bytes or sha256(data).hexdigest() != part.sha256:
        raise FailedError("BAC-ARCHIVE-PART", f"{part.name} is not what the journal says")
    table = parquet.read_table(io.BytesIO(data), use_threads=False)
    if table.num_rows != part.images:
        raise FailedError("BAC-ARCHIVE-PART", f"{part.name} is not what the journal says")
    return table


def part_bytes(table: pa.Table) -> bytes:
    """Write a table as Parquet."""
    stream = io.BytesIO()
    parquet.write_table(table, stream, compression="zstd")
    return stream.getvalue()


def _claim(folder: Path) -> int | None:
    """Take the lock of a shard, which the kernel lets go of with the process."""
    if sys.platform == "win32":
        return None
    with _written():
        handle = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o666)
    try:
        for _ in range(_TURNS):
            with contextlib.suppress(BlockingIOError):  # `status` holds it for a moment, to see whether we do
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return handle
            time.sleep(_TURN_S)
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(handle)
        if error.errno in (errno.EAGAIN, errno.EACCES):
            raise RefusedError(
                "BAC-ARCHIVE-OUTPUT",
                "another process works on this shard of the output",
                "wait for it, or give another --shard or --out",
            ) from None
        raise FailedError(
            "BAC-STORAGE-WRITE",
            f"the file system knows no locks ({error.strerror})",
            "give a local folder for the journal, --journal DIR",
        ) from None
    return handle


@contextlib.contextmanager
def _written() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise FailedError(
            "BAC-STORAGE-WRITE", f"the output folder could not be made: {error.strerror}"
        ) from error
