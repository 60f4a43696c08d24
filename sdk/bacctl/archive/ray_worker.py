"""What runs on the nodes of a Ray cluster: an actor with a client of its own, and the count of tries.

A file is read where it is measured: its bytes never pass through Ray, whose NumPy batches would cut the zeros
at its end.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from operator import add
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
    """Which images are under way, and how often each was so alone: an actor that outlives those at work."""

    def __init__(self) -> None:
        self._alone: Counter[int] = Counter()

    def suspects(self, numbers: Sequence[int]) -> bool:
        """Tell whether some were begun and never ended."""
        return any(number in self._alone for number in numbers)

    def begin(self, numbers: Sequence[int]) -> list[int]:
        """Note them; return which try this is of each. One of several that are begun together is none."""
        for number in numbers:
            self._alone[number] += len(numbers) == 1
        return [max(1, self._alone[number]) for number in numbers]

    def end(self, numbers: Sequence[int]) -> None:
        """Forget them: whoever worked on them is alive."""
        for number in numbers:
            del self._alone[number]


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
        step = 1 if ray.get(self._tries.suspects.remote(numbers)) else len(rows)
        made: list[PartRow] = []
        for start in range(0, len(rows), step):
            now = slice(start, start + step)
            begun = ray.get(self._tries.begin.remote(numbers[now]))
            attempts = list(map(add, tried[now], begun))
            made += self._pool.map(self._measurer.row_of, numbers[now], rows[now], attempts)
            self._tries.end.remote(numbers[now])
        return part_table(made)
