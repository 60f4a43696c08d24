"""What runs on the nodes of a Ray cluster: an actor with a client of its own, and the count of tries.

Nothing here raises: an exception would end the run of all others. A file is read where it is measured, so
that its bytes never pass through Ray, whose NumPy batches would cut the zeros at its end.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from bac_terms.errors import BacctlError, FailedError, RefusedError, from_catalogue
from bacctl.archive.manifest import MANIFEST_SCHEMA, ManifestRow
from bacctl.archive.parts import PartRow, part_table
from bacctl.archive.run.loop import AWAY, SHUT, Limits, is_reachable
from bacctl.archive.run.measure import Measurer, failed, may_pass, stops_all
from bacctl.archive.run.plan import MeasuredBy, Settings
from bacctl.client.retry import can_help

if TYPE_CHECKING:
    from bacctl.client.blocking import Client

STOPPED = "stopped"
"""Status of a row by which an actor says that the run has to end; no part ever holds one."""
_FIRST_WAIT_S, _LONGEST_WAIT_S = 1.0, 60.0


class Tries:
    """How many times each image was begun and not ended: an actor beside those that it outlives."""

    def __init__(self) -> None:
        self._begun: Counter[int] = Counter()

    def of(self, numbers: Iterable[int]) -> list[int]:
        """Tell of each."""
        return [self._begun[number] for number in numbers]

    def begin(self, numbers: list[int]) -> list[int]:
        """Count one more for each; return how many it is then."""
        self._begun.update(numbers)
        return self.of(numbers)

    def end(self, numbers: list[int]) -> None:
        """Forget them: whoever worked on them is alive."""
        for number in numbers:
            self._begun.pop(number, None)


class Worker:
    """An actor: a client, its server where that is embedded, and as many threads as it has images in flight.

    Parameters
    ----------
    connect : callable
        Makes the client; here, since none can be sent.
    settings, measured_by, limits : Settings, MeasuredBy and Limits
        Of the run.
    tries : ActorHandle
        Of `Tries`.
    """

    def __init__(
        self,
        connect: Callable[[], Client],
        settings: Settings,
        measured_by: MeasuredBy,
        limits: Limits,
        tries: Any,
    ) -> None:
        self._limits, self._tries = limits, tries
        self._pool = ThreadPoolExecutor(limits.in_flight)
        self._fault: Exception | None = None
        try:
            self._measurer = Measurer(connect(), settings, measured_by)
        except Exception as error:
            self._fault = error

    def __call__(self, table: pa.Table) -> pa.Table:
        """Turn rows of the manifest into rows of a part."""
        import ray

        columns = [table.column(name).to_pylist() for name in MANIFEST_SCHEMA.names]
        rows = [ManifestRow(*values) for values in zip(*columns, strict=True)]
        sent = list(
            zip(table.column("number").to_pylist(), table.column("tried").to_pylist(), rows, strict=True)
        )
        # Where an actor died, each by itself: none shall be counted for what its neighbour did.
        died = any(ray.get(self._tries.of.remote([number for number, _, _ in sent])))
        made: list[PartRow] = []
        for group in [[one] for one in sent] if died else [sent]:
            numbers = [number for number, _, _ in group]
            begun = ray.get(self._tries.begin.remote(numbers))
            made += self._pool.map(self._row_of, group, begun)
            self._tries.end.remote(numbers)
        return part_table(made)

    def _row_of(self, sent: tuple[int, int, ManifestRow], begun: int) -> PartRow:
        number, before, row = sent
        attempts, error = before + begun, from_catalogue("BAC-ARCHIVE-PARKED")
        if self._fault is not None:
            return {**failed(number, row, self._fault), "status": STOPPED}
        while attempts <= self._limits.tries:
            try:
                return self._measured(number, row, attempts)
            except Exception as fault:
                error = fault if isinstance(fault, BacctlError) else FailedError("BAC-INTERNAL")
                code = error.code
            if stops_all(error) or code in SHUT or not self._is_back(error, row):
                return {**failed(number, row, error), "status": STOPPED}
            attempts += code != AWAY  # of these nothing was sent
            if not may_pass(error) and code != AWAY:
                break
        return failed(number, row, error, attempts=min(attempts, self._limits.tries), parked=True)

    def _measured(self, number: int, row: ManifestRow, attempts: int) -> PartRow:
        try:
            data = self._measurer.fetch(row)
        except (RefusedError, FailedError) as error:
            if error.code in (AWAY, *SHUT):
                raise
            return failed(number, row, error)
        return self._measurer.measure(number, row, data, attempts=attempts)

    def _is_back(self, error: BacctlError, row: ManifestRow) -> bool:
        """Wait for a server or a store that is away, for as long as the run does."""
        end, pause = time.monotonic() + self._limits.wait_s, _FIRST_WAIT_S
        while not (
            is_reachable(row.uri) if error.code == AWAY else not can_help(error) or self._measurer.ready()
        ):
            left = end - time.monotonic()
            if left <= 0:
                return False
            time.sleep(min(left, pause * random.uniform(0.5, 1.0)))  # noqa: S311  # no secret
            pause = min(2.0 * pause, _LONGEST_WAIT_S)
        return True
