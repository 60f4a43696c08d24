"""What runs on the nodes of a Ray cluster: an actor with a client of its own, and the count of tries.

A file is read where it is measured: its bytes never pass through Ray, whose NumPy batches would cut the zeros
at its end.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from bacctl.archive.manifest import MANIFEST_SCHEMA, ManifestRow
from bacctl.archive.parts import PartRow, part_table
from bacctl.archive.run.loop import Limits
from bacctl.archive.run.patient import PatientMeasurer
from bacctl.archive.run.plan import MeasuredBy, Settings

if TYPE_CHECKING:
    from bacctl.client.blocking import Client


class Tries:
    """How many times each image was begun and not ended: an actor that outlives those who work on them."""

    def __init__(self) -> None:
        self._begun: Counter[int] = Counter()

    def of(self, numbers: Sequence[int]) -> list[int]:
        """Tell of each."""
        return [self._begun[number] for number in numbers]

    def begin(self, numbers: Sequence[int]) -> list[int]:
        """Count one more for each; return how many it is then."""
        self._begun.update(numbers)
        return self.of(numbers)

    def end(self, numbers: Sequence[int]) -> None:
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
        self._tries = tries
        self._pool = ThreadPoolExecutor(limits.in_flight)
        self._measurer = PatientMeasurer(connect, settings, measured_by, limits)

    def __call__(self, table: pa.Table) -> pa.Table:
        """Turn rows of the manifest into rows of a part."""
        import ray

        numbers, tried = (table.column(name).to_pylist() for name in ("number", "tried"))
        columns = [table.column(name).to_pylist() for name in MANIFEST_SCHEMA.names]
        rows = [ManifestRow(*values) for values in zip(*columns, strict=True)]
        # Where an actor died, each by itself: none shall be counted for what its neighbour did.
        step = 1 if any(ray.get(self._tries.of.remote(numbers))) else len(rows)
        made: list[PartRow] = []
        for start in range(0, len(rows), step):
            now = slice(start, start + step)
            begun = ray.get(self._tries.begin.remote(numbers[now]))
            attempts = [before + count for before, count in zip(tried[now], begun, strict=True)]
            made += self._pool.map(self._measurer.row_of, numbers[now], rows[now], attempts)
            self._tries.end.remote(numbers[now])
        return part_table(made)
