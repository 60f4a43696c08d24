"""What a run over an archive costs beside the images; what a second worker brings: archive_workers.py.

    python benchmarks/archive_run.py cost MANIFEST [--part-rows 100]

A manifest is made by `bacctl archive scan`. `cost` measures it with a server of its own and tells the share
of journal and Parquet in processor time and in the time of the run, and memory over the run.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from bacctl import Client
from bacctl.archive.manifest import Manifest
from bacctl.archive.run.journal import Journal
from bacctl.archive.run.local import LocalLoop
from bacctl.archive.run.loop import Limits, Progress
from bacctl.archive.run.measure import Measurer
from bacctl.archive.run.output import ShardOutput
from bacctl.archive.run.plan import MeasuredBy, Plan, Settings
from bacctl.archive.run.shards import Shard

_LOOKS = 10


class Spent:
    """Processor and wall time in the calls that are watched."""

    def __init__(self) -> None:
        self.cpu_s = self.wall_s = 0.0
        self._inside = threading.local()

    def watch(self, owner: Any, name: str) -> None:
        """Count what a method takes; one called by another that is watched counts once."""
        call: Callable[..., Any] = getattr(owner, name)

        def watched(*args: Any, **kwargs: Any) -> Any:
            if getattr(self._inside, "yes", False):
                return call(*args, **kwargs)
            self._inside.yes = True
            cpu, wall = time.thread_time(), time.monotonic()
            try:
                return call(*args, **kwargs)
            finally:
                self.cpu_s += time.thread_time() - cpu
                self.wall_s += time.monotonic() - wall
                self._inside.yes = False

        setattr(owner, name, watched)


class Memory:
    """The resident memory of this process over a run."""

    def __init__(self) -> None:
        self.mb: list[float] = []

    def show(self, progress: Progress) -> None:
        """Look at it ten times."""
        if progress.settled >= len(self.mb) * progress.images / _LOOKS:
            self.mb.append(psutil.Process().memory_info().rss / 1e6)

    def talk(self, text: str) -> None:
        """Hand it on."""
        print(text, file=sys.stderr)


def cost(manifest: Path, part_rows: int) -> dict[str, Any]:
    """Measure a manifest and tell what it cost."""
    spent, memory = Spent(), Memory()
    for name in ("begin", "keep", "same_bytes", "attempts", "settled", "open", "pace", "enter", "counts"):
        spent.watch(Journal, name)
    spent.watch(ShardOutput, "write_part")
    with (
        tempfile.TemporaryDirectory() as out,
        Manifest(manifest) as listed,
        Client.embedded(density=False) as client,
        ShardOutput(out, Shard()) as output,
        output.open_journal(resume=False) as journal,
    ):
        by = MeasuredBy.of(client.server_info())
        output.agree(journal, Plan(listed.digest(), listed.rows, 1, Settings(), by))
        measurer = Measurer(client, Settings(), by)
        limits = Limits(part_rows=part_rows)
        start, before = time.monotonic(), _cpu_s()
        LocalLoop(listed, Shard(), output, journal, measurer, limits, memory, threading.Event()).run()
        seconds, cpu_s = time.monotonic() - start, _cpu_s() - before
        written = sum(path.stat().st_size for path in Path(out).rglob("*") if path.is_file())
    return {
        "images": listed.rows,
        "images_per_second": listed.rows / seconds,
        "journal_and_parquet_percent_of_cpu": 100 * spent.cpu_s / cpu_s,
        "journal_and_parquet_percent_of_time": 100 * spent.wall_s / seconds,
        "journal_and_parquet_cpu_ms_per_image": 1000 * spent.cpu_s / listed.rows,
        "written_bytes_per_image": written / listed.rows,
        "memory_mb": [round(mb, 1) for mb in memory.mb],
    }


def _cpu_s() -> float:
    """Return the processor time of this process and of its server."""
    ours = psutil.Process()
    return sum(sum(one.cpu_times()[:2]) for one in (ours, *ours.children(recursive=True)))


def main() -> None:
    """Measure what is asked for and print it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("cost")
    command.add_argument("manifest", type=lambda text: Path(text).absolute())
    command.add_argument("--part-rows", type=int, default=1000)
    asked = parser.parse_args()
    print(json.dumps(cost(asked.manifest, asked.part_rows), indent=2))


if __name__ == "__main__":
    main()
