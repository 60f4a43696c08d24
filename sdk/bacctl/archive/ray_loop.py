"""The run of a shard on a Ray cluster: Ray Data hands rows to actors, the loop keeps what comes back."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from bac_terms.errors import FailedError
from bacctl.archive.manifest import Manifest, ManifestRow, batch_of
from bacctl.archive.parts import PartRow, rows_of_table
from bacctl.archive.ray_worker import Tries, Worker
from bacctl.archive.run.journal import Journal
from bacctl.archive.run.loop import LOOK_S, Limits, Loop, StoppedError, Watcher
from bacctl.archive.run.output import ShardOutput
from bacctl.archive.run.patient import STOPPED
from bacctl.archive.run.plan import MeasuredBy, Settings
from bacctl.archive.run.shards import Shard

if TYPE_CHECKING:
    from bacctl.client.blocking import Client

_TASK_ROWS = 16  # a task costs the driver 15 ms of a core, and is what a node that dies takes with it
_WORKER_ROWS = (
    2000  # after so many for each, actors are made anew: Ray keeps account of all tasks of a pipeline
)
_SILENCE_S = 60.0
_CONNECT_S = 10.0
_CODE = "BAC-ARCHIVE-CLUSTER"


@dataclass(frozen=True, slots=True)
class Cluster:
    """A cluster that this process is connected with.

    Attributes
    ----------
    connect : callable
        Makes a client on a node; is sent there, and so is all that it holds.
    workers : int
        Actors.
    cpus : float
        What each takes of a node, its server included.
    """

    connect: Callable[[], Client]
    workers: int
    cpus: float

    @classmethod
    @contextmanager
    def joined(
        cls, address: str, connect: Callable[[], Client], workers: int | None, cpus: float
    ) -> Iterator[Cluster]:
        """Connect with a cluster, or make one of this machine (``"local"``).

        Parameters
        ----------
        address : str
            ``"auto"``, ``HOST:PORT`` or ``"local"``.
        connect, workers, cpus
            As above; by default as many workers as there is room for.

        Raises
        ------
        FailedError
            BAC-ARCHIVE-CLUSTER: it is not there, or has no room.
        """
        # Before Ray is imported. Of itself it would start another Ray for threads that outlive this block.
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        os.environ.setdefault("RAY_ENABLE_AUTO_CONNECT", "0")
        import ray.data  # here: it sets its loggers up when it is imported

        logging.getLogger("ray.data").setLevel(logging.CRITICAL)
        quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
        if address == "local":
            quiet["include_dashboard"] = False
        ours = signal.getsignal(signal.SIGTERM)
        try:
            if ":" in address:  # Ray itself would try for minutes
                host, _, port = address.rpartition(":")
                socket.create_connection((host, int(port)), _CONNECT_S).close()
            ray.init(address, **quiet)
        except Exception as error:  # of many kinds
            fault = "Ray did not start here" if address == "local" else f"no Ray cluster at {address}"
            raise FailedError(_CODE, f"{fault} ({type(error).__name__})") from None
        try:
            if threading.current_thread() is threading.main_thread():
                signal.signal(signal.SIGTERM, ours)  # which Ray has put its own in the place of
            nodes: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]
            room = sum(int(node["Resources"].get("CPU", 0) // cpus) for node in nodes if node["Alive"])
            if room < (workers or 1):
                raise FailedError(
                    _CODE,
                    f"its nodes have room for {room} workers of {cpus:g} CPUs",
                    "ask for fewer workers, or CPUs",
                )
            yield cls(connect, workers or room, cpus)
        finally:
            ray.shutdown()

    def measured_by(self) -> MeasuredBy:
        """Ask a server on a node what measures; raises what its client does."""
        import ray

        return ray.get(ray.remote(num_cpus=self.cpus)(_ask).remote(self.connect))

    def measure(
        self, blocks: list[pa.Table], ordered: bool, take: Callable[[PartRow], None], *of_worker: Any
    ) -> None:
        """Have blocks measured, and take rows as they come, or in their order."""
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = context.print_on_execution_start = False
        context.execution_no_progress_timeout_s = -1  # a server that is away is waited for
        context.execution_options.preserve_order = ordered
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        tries = ray.remote(num_cpus=0)(Tries).options(scheduling_strategy=here).remote()
        # Actors and tasks are restarted without end, Ray Data's default: a bound would be used up by calls to
        # a node that is dead and not yet known to be. What kills actors is counted by `Tries` and parked.
        # No read task stands in between that would find no CPU left.
        rows = ray.data.from_arrow(blocks).map_batches(
            Worker,
            batch_size=None,
            batch_format="pyarrow",
            fn_constructor_args=(self.connect, *of_worker, tries),
            compute=ray.data.ActorPoolStrategy(size=min(self.workers, len(blocks))),
            num_cpus=self.cpus,
        )
        try:
            for table in rows.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0):
                for cells in rows_of_table(table):
                    take(cells)
        except ray.exceptions.RayError as error:
            raise FailedError(_CODE, f"Ray gave up ({type(error).__name__})") from None


def _ask(connect: Callable[[], Client]) -> MeasuredBy:
    with connect() as client:
        return MeasuredBy.of(client.server_info())


class RayLoop(Loop):
    """As `Loop`, whose journal, parts and rules it keeps, but for who sends the images.

    Parameters
    ----------
    manifest, shard, output, journal, limits, watcher, stop : optional
        As for `Loop`; images in flight are those of one worker.
    cluster : Cluster
        Who sends.
    settings, measured_by : Settings and MeasuredBy
        Of the run.
    """

    def __init__(
        self,
        manifest: Manifest,
        shard: Shard,
        output: ShardOutput,
        journal: Journal,
        cluster: Cluster,
        settings: Settings,
        measured_by: MeasuredBy,
        limits: Limits,
        watcher: Watcher,
        stop: threading.Event,
    ) -> None:
        super().__init__(manifest, shard, output, journal, limits, watcher, stop)
        self._cluster, self._of_worker = cluster, (settings, measured_by, limits)

    def _go_through(
        self, pool: ThreadPoolExecutor, rows: Iterator[tuple[int, ManifestRow]], most: int
    ) -> None:
        sent: dict[int, ManifestRow] = {}
        for number, row in rows:
            if self._settles_unsent(number, row):
                continue
            if most > 1 and (row.duplicate_of is not None or row.sop_instance_uid is None):
                # May have the bytes of another, and of equal files the first of the manifest is measured.
                self._journal.put_off(number, tried=False)
                continue
            sent[number] = row
            if len(sent) >= _WORKER_ROWS * self._cluster.workers:
                self._send(pool, sent, ordered=most == 1)
        if sent:
            self._send(pool, sent, ordered=most == 1)

    def _send(self, pool: ThreadPoolExecutor, sent: dict[int, ManifestRow], *, ordered: bool) -> None:
        """Have rows measured, and keep each as it comes, until none is left."""
        tried = [self._journal.attempts(number) for number in sent]
        table = pa.Table.from_batches([batch_of(list(sent.values()))])
        table = table.append_column("number", pa.array(sent, pa.int64()))
        table = table.append_column("tried", pa.array(tried, pa.int64()))
        blocks = [table.slice(start, _TASK_ROWS) for start in range(0, len(sent), _TASK_ROWS)]
        come: SimpleQueue[PartRow] = SimpleQueue()
        end = pool.submit(self._cluster.measure, blocks, ordered, come.put, *self._of_worker)
        heard = time.monotonic()
        while sent:
            self._note()
            if self._stop.is_set():
                with contextlib.suppress(Empty):
                    while sent:
                        self._take(come.get_nowait(), sent)
                raise StoppedError
            over = end.done()  # asked before the queue: what was put into it is there by then
            with contextlib.suppress(Empty):
                self._take(come.get(timeout=0.0 if over else LOOK_S), sent)
                heard = time.monotonic()
                continue
            if over:
                end.result()
                raise FailedError(_CODE, f"it gave no result for {len(sent)} images")
            if time.monotonic() - heard >= _SILENCE_S:
                heard = time.monotonic()
                self._watcher.talk(f"no result for {_SILENCE_S:.0f} s: workers start, or wait for servers")
        end.result()

    def _take(self, cells: PartRow, sent: dict[int, ManifestRow]) -> None:
        if cells["status"] == STOPPED:
            raise FailedError(cells["code"], cells["reason"], "")  # the advice is in the reason
        number, digest = cells["row"], cells["file_sha256"]
        row = sent.pop(number)
        others = [] if digest is None else self._journal.same_bytes(number, digest)[0]
        self._keep(self._copy(number, row, digest, others) or cells)
