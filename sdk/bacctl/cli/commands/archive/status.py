"""``bacctl archive status``: how far a run is."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bacctl.cli.commands.archive.counted import counts_document
from bacctl.cli.commands.archive.progress import codes_text
from bacctl.cli.extras import needs
from bacctl.cli.guard import about, guarded
from bacctl.cli.options import AsJson
from bacctl.cli.pace import pace
from bacctl.cli.sink import Sink, form_of

if TYPE_CHECKING:
    from rich.table import Table

    from bacctl.archive.run.status import ShardStatus


@guarded
def status(
    run: Annotated[str, typer.Argument(metavar="DIR", help="The --out of `bacctl archive run`.")],
    as_json: AsJson = False,
) -> None:
    """Say how far each shard of a run is, also while it goes on. Research use only."""
    with needs("archive"):
        from bacctl.archive.run.status import status_of
    with Sink(form_of(as_json)) as sink:
        with about(run, "BAC-ARCHIVE-"):
            plan, shards = status_of(run)
        sink.document(
            {
                "run": run,
                "images": plan.manifest_rows,
                "settled": sum(one.counts.settled for one in shards if one.counts is not None),
                "complete": all(one.counts is not None and one.counts.complete for one in shards),
                "shards": [_document(one) for one in shards],
            }
        )
        sink.render(lambda console: _table(shards))
        settled = sum(one.counts.settled for one in shards if one.counts is not None)
        codes: Counter[str] = Counter()
        for one in shards:
            codes.update(one.counts.by_code if one.counts is not None else {})
        told = codes_text(codes)
        sink.text(f"{settled} of {plan.manifest_rows} images{': ' if told else ''}{told}")


def _document(one: ShardStatus) -> dict[str, Any]:
    counts = {} if one.counts is None else counts_document(one.counts)
    return {"shard": f"{one.shard.number}/{one.shard.count}", "running": one.running, **counts}


def _table(shards: list[ShardStatus]) -> Table:
    from rich import box
    from rich.table import Table

    titles = ("shard", "state", "images", "ok", "refused", "failed", "parked", "again", "speed")
    table = Table(*titles, box=box.SIMPLE_HEAD, pad_edge=False)
    for one in shards:
        name = f"{one.shard.number}/{one.shard.count}"
        if one.counts is None:
            table.add_row(name, "not begun")
            continue
        counts = one.counts
        total = "?" if counts.images is None else str(counts.images)
        by_status = [str(counts.by_status.get(name, 0)) for name in ("ok", "refused", "failed")]
        speed = "" if not counts.rate else pace(1, 1, 1.0 / counts.rate, "image")
        images = f"{counts.settled} of {total}"
        table.add_row(name, _state(one), images, *by_status, str(counts.parked), str(counts.open), speed)
    return table


def _state(one: ShardStatus) -> str:
    if one.counts is not None and one.counts.complete:
        return "complete"
    return {True: "running", False: "stopped", None: "begun"}[one.running]
