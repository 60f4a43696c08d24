"""What a second worker brings to a run over an archive.

    python benchmarks/archive_workers.py MANIFEST [--repeats 3] [--shared]

A manifest is made by `bacctl archive scan`. It is measured by one process, then by two on a shard each, in
turn, so that other work on the machine falls on both: each with a server of its own on a core of its own or,
`--shared`, all with one server on all cores. Told are images a second, their ratio round by round, and
seconds of processor an image, servers included, which other work changes little: where two workers take as
much of it as one, they are as much faster as there are idle cores.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

import psutil

from bacctl.server.embedded import EmbeddedServer

BACCTL = str(Path(sys.executable).with_name("bacctl"))
_LOOK_S = 0.5


class Cpu:
    """Processor time of this process and all below it, looked at again and again: some end unasked."""

    def __init__(self) -> None:
        self._seen: dict[tuple[int, float], float] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look_on)

    def __enter__(self) -> Cpu:
        self._look()
        self._before = self.seconds
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self._look()
        self.spent = self.seconds - self._before

    @property
    def seconds(self) -> float:
        """All that was seen, of processes that have ended too."""
        return sum(self._seen.values())

    def _look_on(self) -> None:
        while not self._over.wait(_LOOK_S):
            self._look()

    def _look(self) -> None:
        top = psutil.Process()
        for process in (top, *top.children(recursive=True)):
            with contextlib.suppress(psutil.NoSuchProcess):
                user, system = process.cpu_times()[:2]
                self._seen[process.pid, process.create_time()] = user + system


def measure(manifest: Path, count: int, url: str | None) -> dict[str, float]:
    """Run as many workers to their end."""
    cores = sorted(os.sched_getaffinity(0))[:count]
    with tempfile.TemporaryDirectory() as out, Cpu() as cpu:
        processes = []
        for number, core in enumerate(cores):
            command: list[Any] = [] if url else ["taskset", "-c", core]
            command += [BACCTL, "archive", "run", manifest, "--out", out, "--json", "-q"]
            command += ["--shard", f"{number}/{count}", *(["--url", url] if url else [])]
            processes.append(subprocess.Popen([*map(str, command)], stdout=subprocess.PIPE))  # noqa: S603
        told = [json.loads(process.communicate()[0]) for process in processes]
    return {
        "images_per_second": sum(float(one["images_per_second"]) for one in told),
        "cpu_s_per_image": cpu.spent / sum(one["settled"] for one in told),
    }


def main() -> None:
    """Measure and print it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("manifest", type=lambda text: Path(text).absolute())
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--shared", action="store_true", help="all with one server")
    asked = parser.parse_args()
    rounds = []
    with contextlib.ExitStack() as stack:
        url = stack.enter_context(EmbeddedServer(private=True)).url if asked.shared else None
        for _ in range(asked.repeats):
            one, two = (measure(asked.manifest, count, url) for count in (1, 2))
            rounds.append({"one": one, "two": two})
            print(json.dumps(rounds[-1]), file=sys.stderr)
    ratios = {
        name: statistics.median(each["two"][name] / each["one"][name] for each in rounds)
        for name in ("images_per_second", "cpu_s_per_image")
    }
    print(json.dumps({"rounds": rounds, "two_by_one": ratios}, indent=2))


if __name__ == "__main__":
    main()
