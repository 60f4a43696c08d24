"""The loop whose images are sent from here, by threads of this process with one client."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from hashlib import sha256

from bac_terms.errors import BacctlError, FailedError, RefusedError
from bacctl.archive.manifest import Manifest, ManifestRow
from bacctl.archive.parts import PartRow
from bacctl.archive.run.journal import Journal
from bacctl.archive.run.loop import LOOK_S, SHUT, Limits, Loop, StoppedError, Watcher
from bacctl.archive.run.measure import AWAY, Measurer, failed, is_try, may_pass, stops_all
from bacctl.archive.run.output import ShardOutput
from bacctl.archive.run.shards import Shard
from bacctl.archive.run.turns import Turns
from bacctl.client.retry import can_help


class LocalLoop(Loop):
    """As `Loop`; images in flight are threads of this process.

    Parameters
    ----------
    manifest, shard, output, journal, limits, watcher, stop : optional
        As for `Loop`.
    measurer : Measurer
        Who measures.
    """

    def __init__(
        self,
        manifest: Manifest,
        shard: Shard,
        output: ShardOutput,
        journal: Journal,
        measurer: Measurer,
        limits: Limits,
        watcher: Watcher,
        stop: threading.Event,
    ) -> None:
        super().__init__(manifest, shard, output, journal, limits, watcher, stop)
        self._measurer = measurer
        self._flying: dict[Future[PartRow | None], tuple[int, ManifestRow]] = {}
        self._turns = Turns()
        self._away: tuple[BacctlError, Callable[[], bool]] | None = None

    def _go_through(
        self, pool: ThreadPoolExecutor, rows: Iterator[tuple[int, ManifestRow]], most: int
    ) -> None:
        for number, row in rows:
            if self._away is not None:
                self._drain()
                self._wait_for(*self._away)
                self._away = None
            if self._stop.is_set():
                raise StoppedError
            if self._settles_unsent(number, row):
                continue
            self._turns.enter(number)
            self._flying[pool.submit(self._work, number, row)] = number, row
            while len(self._flying) >= most:
                self._collect()
        self._drain()

    def _work(self, number: int, row: ManifestRow) -> PartRow | None:
        """Do one image, in a thread; None where it is put off."""
        try:
            data = self._measurer.fetch(row)
        except (RefusedError, FailedError) as error:
            self._turns.leave(number)
            if error.code in (AWAY, *SHUT):
                raise
            return failed(number, row, error)
        digest = sha256(data).hexdigest()
        with self._turns.turn(number):
            others, one_is_open = self._journal.same_bytes(number, digest)
            if (copy := self._copy(number, row, digest, others)) is not None:
                return copy
            if one_is_open:
                self._journal.put_off(number, tried=False)
                return None
            before = self._journal.begin(number, digest)
        return self._measurer.measure(number, row, data, file_sha256=digest, attempts=before + 1)

    def _drain(self) -> None:
        while self._flying:
            self._collect()

    def _collect(self) -> None:
        done, _ = wait(self._flying, LOOK_S, FIRST_COMPLETED)
        for future in done:
            number, row = self._flying.pop(future)
            self._turns.leave(number)
            error = future.exception()
            if error is not None:
                self._fail(number, row, error)
            elif (cells := future.result()) is not None:
                self._keep(cells)
        self._note()
        if self._stop.is_set():
            raise StoppedError

    def _fail(self, number: int, row: ManifestRow, error: BaseException) -> None:
        """Put an image off whose server gave no answer, give it up, or end the run."""
        if isinstance(error, (sqlite3.Error, OSError)) or not isinstance(error, Exception):
            raise error
        attempts = self._journal.put_off(number, tried=is_try(error))
        if stops_all(error) or (isinstance(error, BacctlError) and error.code in SHUT):
            raise error
        if not is_try(error):
            # What answers now and then, and never gives a result, is as good as away.
            if time.monotonic() - self._heard >= self._limits.wait_s:
                raise error
        elif attempts >= self._limits.tries or not may_pass(error):
            self._keep(failed(number, row, error, attempts=attempts, parked=True))
        if isinstance(error, FailedError) and error.code == AWAY:
            self._away = error, lambda: self._measurer.reaches(row)
        elif isinstance(error, BacctlError) and can_help(error):
            self._away = error, self._measurer.ready

    def _landed(self, _grace_s: float) -> Iterator[PartRow]:
        self._turns.end()
        done, _ = wait(self._flying, _grace_s)
        for future in done:
            if not future.cancelled() and future.exception() is None:
                cells = future.result()
                if cells is not None:
                    yield cells
