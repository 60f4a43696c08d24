"""The loop over one shard: which images are left, results kept, parts written, stores waited for."""

from __future__ import annotations

import contextlib
import random
import sqlite3
import threading
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from bac_terms.errors import BacctlError, FailedError, from_catalogue
from bacctl.archive.manifest import Manifest, ManifestRow
from bacctl.archive.parts import PartRow, copied_row, rows_of_table
from bacctl.archive.run.journal import Journal
from bacctl.archive.run.measure import AWAY, failed, now, unsuitable
from bacctl.archive.run.output import ShardOutput
from bacctl.archive.run.reading import Part
from bacctl.archive.run.shards import Shard, count_of_shard, rows_of

LOOK_S = 0.2  # how soon a stop is seen
_NOTE_S = 5.0
_FIRST_WAIT_S = 1.0
_LONGEST_WAIT_S = 60.0
_GRACE_S = 8.0  # less than what `docker stop` gives
SHUT = ("BAC-STORAGE-REFUSED", "BAC-STORAGE-WRITE", "BAC-ARCHIVE-OUTPUT", "BAC-ARCHIVE-PART")


@dataclass(frozen=True, slots=True)
class Limits:
    """How far a run goes.

    Attributes
    ----------
    in_flight : int
        Images that are read and with the server at a time.
    tries : int
        How many times an image is tried whose server, or whose process, ended without an answer.
    wait_s : float
        For how many seconds a server or a store that is away is waited for.
    part_rows : int
        Rows of a part.
    """

    in_flight: int = 2
    tries: int = 3
    wait_s: float = 7200.0
    part_rows: int = 1000


class Progress(NamedTuple):
    """How far a shard is: images with a result, all of them, those since this start; codes of all."""

    settled: int
    images: int
    new: int
    codes: Counter[str]


class Watcher(Protocol):
    """Who is told how a run goes."""

    def show(self, progress: Progress) -> None:
        """Take note of how far it is."""

    def talk(self, text: str) -> None:
        """Take a line for people."""


class StoppedError(Exception):
    """The run was asked to stop. All results are kept."""


class Loop(ABC):
    """Works on a shard until nothing is left to do; who sends the images is for others to say.

    Parameters
    ----------
    manifest : Manifest
        What there is to measure.
    shard : Shard
        Which share of it.
    output : ShardOutput
        Where parts go.
    journal : Journal
        The shard's, of this run.
    limits : Limits
        How far it goes.
    watcher : Watcher
        Who is told.
    stop : threading.Event
        Set by whoever wants it to end.
    """

    def __init__(
        self,
        manifest: Manifest,
        shard: Shard,
        output: ShardOutput,
        journal: Journal,
        limits: Limits,
        watcher: Watcher,
        stop: threading.Event,
    ) -> None:
        self._manifest, self._shard, self._output, self._journal = manifest, shard, output, journal
        self._limits, self._watcher, self._stop = limits, watcher, stop
        self._held = 0
        self._new = 0
        self._settled = 0
        self._images = 0
        self._codes: Counter[str] = Counter()
        self._start = self._noted = self._heard = time.monotonic()

    def run(self) -> None:
        """Do it.

        Raises
        ------
        StoppedError
            It was asked to stop.
        BacctlError
            It cannot go on: the server does not let it in, is away for too long or measures with other
            weights, or a disk is full. Results are kept, and a run that is resumed goes on from there.
        """
        self._count()
        pool = ThreadPoolExecutor(self._limits.in_flight, thread_name_prefix="bacctl")
        try:
            self._go_through(pool, self._rows(self._is_new), self._limits.in_flight)
            while self._journal.counts().open:
                # What ended without an answer may have ended its neighbours, too: from now on each by itself.
                self._go_through(pool, self._rows(self._is_open), 1)
            self._journal.write("complete", "1")
            self._write_part_in_time()
        except BaseException as error:
            self._end(pool, error)
            raise _told(error) from None
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            self._note(force=True)

    def _count(self) -> None:
        images = self._journal.fact("images")
        if images is None:
            images = str(count_of_shard(self._manifest, self._shard))
            self._journal.write("images", images)
        counts = self._journal.counts()
        self._images, self._settled = int(images), counts.settled
        self._codes.update(counts.by_code)
        self._held = self._journal.held_count()
        self._watcher.show(self._progress())

    # Which rows.

    def _rows(self, choose: Callable[[int, int], Callable[[int], bool]]) -> Iterator[tuple[int, ManifestRow]]:
        return rows_of(self._manifest, self._shard, choose)

    def _is_new(self, first: int, end: int) -> Callable[[int], bool]:
        known = self._journal.settled(first, end) | self._journal.open(first, end)
        return lambda number: number not in known

    def _is_open(self, first: int, end: int) -> Callable[[int], bool]:
        open_ones = self._journal.open(first, end)
        return lambda number: number in open_ones

    @abstractmethod
    def _go_through(
        self, pool: ThreadPoolExecutor, rows: Iterator[tuple[int, ManifestRow]], most: int
    ) -> None:
        """Send images, at most so many at a time, and keep or put off each of them."""

    def _landed(self, _grace_s: float) -> Iterator[PartRow]:
        """Send nothing any more, and give what still comes within so many seconds: here nothing."""
        return iter(())

    def _settles_unsent(self, number: int, row: ManifestRow) -> bool:
        """Settle an image that is not to be sent; tell whether it is one."""
        attempts = self._journal.attempts(number)
        if row.code is not None:
            self._keep(unsuitable(number, row))
        elif attempts >= self._limits.tries:  # by processes that were killed meanwhile
            fault = from_catalogue("BAC-ARCHIVE-PARKED")
            self._keep(failed(number, row, fault, attempts=attempts, parked=True))
        else:
            return False
        return True

    def _copy(self, number: int, row: ManifestRow, digest: str, others: list[int]) -> PartRow | None:
        """Make the row of a file of another one with the same bytes, where there is one."""
        for other in others:
            found = self._result_of(other)
            if found["file_sha256"] == digest:
                return copied_row(number, row, found, attempts=0, finished=now())
        return None

    def _result_of(self, number: int) -> PartRow:
        found = self._journal.cells(number)
        if not isinstance(found, Part):
            return found
        table = self._output.read_part(found)
        place = table.column("row").to_pylist().index(number)
        return rows_of_table(table.slice(place, 1))[0]

    # What became of it.

    def _keep(self, cells: PartRow) -> None:
        self._settle(cells)
        if self._held >= self._limits.part_rows:
            self._write_part_in_time()

    def _settle(self, cells: PartRow) -> None:
        """Keep a result in the journal, where it is safe."""
        self._journal.keep(cells)
        self._heard = time.monotonic()
        self._held += 1
        self._new += 1
        self._settled += 1
        if cells["code"] is not None:
            self._codes[cells["code"]] += 1
        self._watcher.show(self._progress())

    def _write_part(self) -> None:
        rows = self._journal.held()
        if rows:
            self._output.write_part(self._journal, rows)
        self._held = 0
        self._output.publish(self._journal)

    def _write_part_in_time(self) -> None:
        """Do that, and wait for a store that is away; results are safe in the journal meanwhile."""
        while True:
            try:
                self._write_part()
            except FailedError as error:
                if error.code != AWAY:
                    raise
                self._wait_for(error, self._output.is_reachable)
            else:
                return

    def _wait_for(self, error: BacctlError, is_back: Callable[[], bool]) -> None:
        start, pause = time.monotonic(), _FIRST_WAIT_S
        while not is_back():
            waited = time.monotonic() - start
            if waited >= self._limits.wait_s:
                raise error
            self._watcher.talk(f"{error}; waited for {waited:.0f} s of {self._limits.wait_s:.0f} s")
            left = self._limits.wait_s - waited
            if self._stop.wait(min(left, pause * random.uniform(0.5, 1.0))):  # noqa: S311  # no secret
                raise StoppedError
            pause = min(2.0 * pause, _LONGEST_WAIT_S)

    # The end of it.

    def _end(self, pool: ThreadPoolExecutor, error: BaseException) -> None:
        """Keep what comes within a while, and what can be kept at all."""
        pool.shutdown(wait=False, cancel_futures=True)
        with contextlib.suppress(sqlite3.Error, FailedError, OSError):
            for cells in self._landed(_GRACE_S if isinstance(error, StoppedError) else 0.0):
                self._settle(cells)  # no part yet: a store that is away is not waited for once more
            self._journal.let_go()
            self._write_part()

    def _note(self, *, force: bool = False) -> None:
        at = time.monotonic()
        if not force and at - self._noted < _NOTE_S:
            return
        self._noted = at
        with contextlib.suppress(sqlite3.Error):
            self._journal.pace(self._new, at - self._start)

    def _progress(self) -> Progress:
        return Progress(self._settled, self._images, self._new, self._codes)


def _told(error: BaseException) -> BaseException:
    """Put a journal that takes no more into words."""
    if isinstance(error, sqlite3.Error):
        return FailedError(
            "BAC-STORAGE-WRITE",
            f"the journal could not be written ({error})",
            "make room, then go on with --resume: all that was measured before is kept",
        )
    return error
