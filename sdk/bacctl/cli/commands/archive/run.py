"""``bacctl archive run``: measure what a manifest lists."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from bacctl.cli.commands.archive.counted import counts_document, counts_text
from bacctl.cli.commands.archive.progress import Watcher, watching
from bacctl.cli.extras import needs
from bacctl.cli.guard import CommandError, UsageError, about, complain, guarded
from bacctl.cli.options import (
    AsJson,
    MinProbability,
    Quiet,
    ServerOptions,
    calls_server,
    point_of,
    spacing_of,
)
from bacctl.cli.sink import Sink, form_of
from bacctl.cli.stopping import asked_to_stop

if TYPE_CHECKING:
    from bacctl.archive.manifest import Manifest
    from bacctl.archive.run.journal import Journal
    from bacctl.archive.run.loop import Limits, Loop
    from bacctl.archive.run.output import ShardOutput
    from bacctl.archive.run.plan import MeasuredBy, Settings
    from bacctl.archive.run.reading import Counts
    from bacctl.archive.run.shards import Shard
    from bacctl.client.blocking import Client

_PAUSE_S = 5.0
_CPUS_WITH_SERVER, _CPUS_WITHOUT = 2.0, 0.5
_Places: TypeAlias = "tuple[Manifest, Shard, ShardOutput, Journal]"
_Hands: TypeAlias = "tuple[MeasuredBy, Callable[[_Places, Watcher, threading.Event], Loop]]"


@guarded
@calls_server
def run(
    manifest: Annotated[
        str, typer.Argument(metavar="MANIFEST", help="From `bacctl archive scan`; a path or s3://BUCKET/KEY.")
    ],
    out: Annotated[
        str, typer.Option(metavar="DIR", help="Where results go; a folder or s3://BUCKET/PREFIX.")
    ],
    shard: Annotated[
        str,
        typer.Option(metavar="I/N", help="Which of N equal shares, counted from 0."),
    ] = "0/1",
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with what is there already; with nothing, begin.")
    ] = False,
    in_flight: Annotated[
        int, typer.Option(metavar="N", min=1, max=256, help="Images that are with the server at a time.")
    ] = 2,
    tries: Annotated[
        int,
        typer.Option(
            metavar="N",
            min=1,
            help="Park an image after so many tries during which the server or this process ended, or that "
            "had no answer in time.",
        ),
    ] = 3,
    wait: Annotated[
        float,
        typer.Option(metavar="S", min=0.0, help="Wait so long for a server or a store that is away."),
    ] = 7200.0,
    part_rows: Annotated[
        int, typer.Option(metavar="N", min=1, max=100_000, help="Results of a Parquet file.")
    ] = 1000,
    journal: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="A local folder for the journal.  [default: in --out]"),
    ] = None,
    pixel_spacing: Annotated[
        float | None,
        typer.Option(metavar="MM", help="Size of a pixel at the detector, for images that do not tell it."),
    ] = None,
    min_probability: MinProbability = None,
    ray: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Let workers on a Ray cluster do it: auto, HOST:PORT, or local. Each has a server of its "
            "own, without --url.",
        ),
    ] = None,
    ray_workers: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="How many.  [default: as many as there is room for]"),
    ] = None,
    ray_cpus: Annotated[
        float | None,
        typer.Option(
            metavar="N", min=0.01, help="Cores of a worker.  [default: 2 with a server of its own, else 0.5]"
        ),
    ] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
    *,
    server: ServerOptions,
) -> None:
    """Measure the images of a manifest, or a share of them; killed at any moment, --resume goes on.

    Leaves with 0 when every image has its row, refused and failed ones included. Research use only.
    """
    point, spacing = point_of(min_probability), spacing_of(pixel_spacing)
    with needs("archive"):
        from bacctl.archive.run.loop import Limits
        from bacctl.archive.run.plan import Settings
        from bacctl.archive.run.shards import Shard
    try:
        share = Shard.parse(shard)
    except ValueError as error:
        raise UsageError(f"--shard {error}") from None
    if ray is None and (ray_workers is not None or ray_cpus is not None):
        raise UsageError("--ray-workers and --ray-cpus are of --ray; give the cluster's address with it")
    limits = Limits(in_flight, tries, wait, part_rows)
    with Sink(form_of(as_json), quiet=quiet) as sink:
        with needs("archive"):
            hands = (
                _here(sink, server, Settings(point, spacing), limits)
                if ray is None
                else _on_ray(sink, server, Settings(point, spacing), limits, ray, ray_workers, ray_cpus)
            )
            counts, number = _run(
                sink, manifest, out, share, Settings(point, spacing), hands, journal, resume=resume
            )
        sink.document({"out": out, "shard": shard, **counts_document(counts)})
        sink.text(f"{share.name}: {counts_text(counts)}")
    if number is not None:
        complain("stopped; all that was measured is kept, and --resume goes on")
        raise typer.Exit(128 + number)


def _run(
    sink: Sink,
    manifest: str,
    out: str,
    shard: Shard,
    settings: Settings,
    hands: AbstractContextManager[_Hands],
    journals_at: Path | None,
    *,
    resume: bool,
) -> tuple[Counts, int | None]:
    """Do the work; return how far it is, and the signal that ended it."""
    from bac_terms.errors import BacctlError
    from bacctl.archive import storage
    from bacctl.archive.manifest import Manifest
    from bacctl.archive.run.loop import StoppedError
    from bacctl.archive.run.merge import is_complete
    from bacctl.archive.run.output import ShardOutput, read_plan
    from bacctl.archive.run.plan import Plan

    with ExitStack() as stack:
        with about(manifest, "BAC-FILE-", "BAC-ARCHIVE-MANIFEST"):
            storage.stat(manifest)
            path = stack.enter_context(storage.local_copy(manifest))
            listed = stack.enter_context(Manifest(path))
        of_what = listed.digest(), listed.rows, shard.count, settings
        with about(out, "BAC-ARCHIVE-OUTPUT"):
            begun = read_plan(out)
            if begun is not None:  # said before a server is started, and before anything is written
                Plan(*of_what, begun.measured_by).check_same(begun)
            output = stack.enter_context(ShardOutput(out, shard, journals_at))
            journal = stack.enter_context(output.open_journal(resume=resume))
        if begun is not None and is_complete(journal.counts()):
            output.publish(journal)  # an earlier process may have ended before it came to that
            return journal.counts(), None
        with hands as (measured_by, loop_of):
            output.agree(journal, Plan(*of_what, measured_by))
            with asked_to_stop() as stop, watching(sink) as watcher:
                try:
                    loop_of((listed, shard, output, journal), watcher, stop.event).run()
                except StoppedError:
                    pass
                except BacctlError as error:
                    counts = counts_text(journal.counts())
                    raise CommandError(f"{error}; so far {counts}; --resume goes on") from None
        return journal.counts(), stop.number


@contextmanager
def _here(sink: Sink, server: ServerOptions, settings: Settings, limits: Limits) -> Iterator[_Hands]:
    """Let this process send the images."""
    from bacctl.archive.run.local import LocalLoop
    from bacctl.archive.run.measure import Measurer
    from bacctl.cli.connect import connect

    with sink.waiting("calling the server" if server.url else "starting the server"):
        client = connect(server)
    with client:
        measured_by = _who_measures(client, sink, limits.wait_s)
        measurer = Measurer(client, settings, measured_by)
        yield (
            measured_by,
            lambda places, watcher, stop: LocalLoop(*places, measurer, limits, watcher, stop),
        )


@contextmanager
def _on_ray(
    sink: Sink,
    server: ServerOptions,
    settings: Settings,
    limits: Limits,
    address: str,
    workers: int | None,
    cpus: float | None,
) -> Iterator[_Hands]:
    """Let workers on a Ray cluster send them."""
    from bacctl.archive.ray_loop import Cluster, RayLoop
    from bacctl.cli.connect import connect

    share = cpus or (_CPUS_WITH_SERVER if server.url is None else _CPUS_WITHOUT)
    with Cluster.joined(address, partial(connect, server), workers, share) as cluster:
        with sink.waiting(f"asking a worker of {cluster.workers} what measures"):
            measured_by = cluster.measured_by()
        yield (
            measured_by,
            lambda places, watcher, stop: RayLoop(
                *places, cluster, settings, measured_by, limits, watcher, stop
            ),
        )


def _who_measures(client: Client, sink: Sink, wait_s: float) -> MeasuredBy:
    """Ask the server; wait for one that is away, for so long."""
    from bac_terms.errors import FailedError
    from bacctl.archive.run.plan import MeasuredBy
    from bacctl.client.retry import can_help

    start = time.monotonic()
    while True:
        try:
            return MeasuredBy.of(client.server_info())
        except FailedError as error:
            waited = time.monotonic() - start
            if not can_help(error) or waited >= wait_s:
                raise
            sink.talk(f"{error}; waited for {waited:.0f} s of {wait_s:.0f} s")
            time.sleep(min(_PAUSE_S, wait_s - waited))
