"""What a run over an archive costs beside the images, and what a second worker brings.

    python benchmarks/archive_run.py cost MANIFEST [--part-rows 100]
    python benchmarks/archive_run.py workers MANIFEST [--repeats 3]

A manifest is made by `bacctl archive scan`. `cost` measures it with a server of its own and tells the share
of journal and Parquet in processor time and in the time of the run, and memory over the run. `workers`
measures it by one worker on one core and by two on a core each, in turn, and tells the ratio of their speeds.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
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
from bacctl.archive.run.loop import Limits, Loop, Progress
from bacctl.archive.run.measure import Measurer
from bacctl.archive.run.output import ShardOutput
from bacctl.archive.run.plan import MeasuredBy, Plan, Settings
from bacctl.archive.run.shards import Shard

BACCTL = str(Path(sys.executable).with_name("bacctl"))
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
        Loop(listed, Shard(), output, journal, measurer, limits, memory, threading.Event()).run()
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


def workers(manifest: Path, repeats: int) -> dict[str, Any]:
    """Tell how much faster two workers are than one, each on a core of its own."""
    one, two = [], []
    for _ in range(repeats):
        one.append(_speed(manifest, 1))
        two.append(_speed(manifest, 2))
        print(f"{one[-1]:.2f} and {two[-1]:.2f} images/s", file=sys.stderr)
    ratios = [pair / single for single, pair in zip(one, two, strict=True)]
    return {"one": one, "two": two, "ratios": ratios, "ratio": statistics.median(ratios)}


def _speed(manifest: Path, count: int) -> float:
    cores = sorted(os.sched_getaffinity(0))[:count]
    with tempfile.TemporaryDirectory() as out:
        processes = []
        for number, core in enumerate(cores):
            command = [
                "taskset",
                "-c",
                core,
                BACCTL,
                "archive",
                "run",
                manifest,
                "--out",
                out,
                "--json",
                "-q",
            ]
            command += ["--shard", f"{number}/{count}"]
            processes.append(subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE))  # noqa: S603
        told = [json.loads(process.communicate()[0]) for process in processes]
    return sum(float(one["images_per_second"]) for one in told)


def main() -> None:
    """Measure what is asked for and print it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("cost", "workers"):
        command = commands.add_parser(name)
        command.add_argument("manifest", type=lambda text: Path(text).absolute())
    commands.choices["cost"].add_argument("--part-rows", type=int, default=1000)
    commands.choices["workers"].add_argument("--repeats", type=int, default=3)
    asked = parser.parse_args()
    if asked.command == "cost":
        print(json.dumps(cost(asked.manifest, asked.part_rows), indent=2))
    else:
        print(json.dumps(workers(asked.manifest, asked.repeats), indent=2))


if __name__ == "__main__":
    main()
