"""Holds the simulation of `bacctl archive plan` against two real servers that share this machine's cores.

    python benchmarks/fleet_check.py --out DIR [IMAGE]...

A round begins when other programs leave the cores alone. The simulation is fed with what single images took,
one after the other. Then come a back-fill with a fixed number in flight and exams of four views at random
times of a fixed seed; the simulation replays both, and its figures stand beside the real ones. What other
programs took of the cores meanwhile is measured, and the simulated machine is that much smaller. A round in
which they took more than --others is shown, and counts for nothing.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from bacctl import Client
from bacctl.archive.plan.fleet import Fleet
from bacctl.archive.plan.load import BackFill, Trace
from bacctl.archive.plan.run import simulate
from bacctl.archive.plan.times import Step, Times, relative
from bacctl.bench.inputs import phantom_views
from bacctl.bench.processes import family, processor_s
from bacctl.server.embedded import EmbeddedServer

SERVERS = 2
VIEWS = 4
_TICKS = os.sysconf("SC_CLK_TCK")
_NETWORK, _FIRST, _LAST = "bac_segment", "bac_preprocess", "bac_quantify"


@dataclass
class Row:
    """One figure, real and simulated."""

    what: str
    unit: str
    real: float
    simulated: float
    others_cores: float


@dataclass
class Round:
    """What was fed in, and what came of it."""

    times: Times
    rows: list[Row]

    @property
    def others_cores(self) -> float:
        """The most that other programs took of the cores."""
        return max(row.others_cores for row in self.rows)


def main() -> None:
    """Measure, simulate, print."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    options.add_argument("images", nargs="*", type=Path, help="to be sent; default: raw phantom views")
    options.add_argument("--out", type=Path, default=Path("fleet-check"), help="phantoms and figures")
    options.add_argument("--rounds", type=int, default=5, help="that count")
    options.add_argument("--number", type=int, default=48, help="of each back-fill and each open run")
    options.add_argument("--in-flight", type=int, default=2, help="of the back-fill, for each server")
    options.add_argument("--load", type=float, default=0.6, help="of the open runs, of the back-fill's rate")
    options.add_argument("--others", type=float, default=0.2, help="cores that other programs may take")
    options.add_argument("--for-s", type=float, default=1200.0, help="no round begins after as many seconds")
    options.add_argument("--seed", type=int, default=1)
    given = options.parse_args()
    data = [path.read_bytes() for path in given.images or phantom_views(given.out / "phantoms", 8)]
    until = time.monotonic() + given.for_s
    counted, disturbed = [], []
    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(EmbeddedServer()) for _ in range(SERVERS)]
        client = stack.enter_context(Client([server.url for server in servers], density=False))
        for image in (*data, *data):
            client.analyze(image)
        while len(counted) < given.rounds and wait_for_quiet(given.others, until):
            done = one_round(client, data, given, given.seed + len(counted))
            (counted if done.others_cores <= given.others else disturbed).append(done)
            document = {
                name: [asdict(of) for of in rounds]
                for name, rounds in (("counted", counted), ("disturbed", disturbed))
            }
            (given.out / "fleet-check.json").write_text(json.dumps(document, indent=2))
    print(f"{len(counted)} rounds count, in {len(disturbed)} others took more than {given.others:g} cores\n")
    for rounds in (counted, disturbed):
        show(rounds)
    sys.exit(0 if counted else "no round was left alone: run it on an idle machine")


def wait_for_quiet(most_cores: float, until: float) -> bool:
    """Wait until other programs take no more than so many cores; False where the time is over."""
    while time.monotonic() < until:
        with Others() as others:
            time.sleep(2.0)
        if others.cores <= most_cores:
            return True
    return False


class Others:
    """What other programs take of the cores, between the beginning and the end of a run."""

    def __enter__(self) -> Others:
        self._began = self._now()
        return self

    def __exit__(self, *_: object) -> None:
        busy, own, at = (after - before for after, before in zip(self._now(), self._began, strict=True))
        self.cores = max(0.0, busy - own) / at

    @staticmethod
    def _now() -> tuple[float, float, float]:
        fields = [int(field) for field in Path("/proc/stat").read_text().split("\n")[0].split()[1:9]]
        busy = sum(fields) - fields[3] - fields[4]  # idle, and waiting for disks
        return busy / _TICKS, sum(processor_s(family(os.getpid())).values()), time.perf_counter()


def single_images(client: Client, data: Sequence[bytes], rounds: int = 2) -> Times:
    """Measure images one after the other; of each the fastest time counts, other programs only add to it."""
    spent: defaultdict[str, float] = defaultdict(float)
    walls: list[list[float]] = [[] for _ in data]
    steps: list[list[tuple[float, float, float]]] = [[] for _ in data]
    pids = family(os.getpid())
    before = processor_s(pids)
    for _ in range(rounds):
        for index, image in enumerate(data):
            began = time.perf_counter()
            result = client.analyze(image)
            walls[index].append(time.perf_counter() - began)
            taken = result.timings_ms or {}
            steps[index].append(tuple(taken[name] / 1e3 for name in ("preprocess", "segment", "quantify")))
    for role, total in processor_s(pids).items():
        spent[role] = (total - before[role]) / (rounds * len(data))
    fastest = [int(np.argmin(of)) for of in walls]
    wall = [of[best] for of, best in zip(walls, fastest, strict=True)]
    first, network, last = (
        statistics.fmean(of[best][number] for of, best in zip(steps, fastest, strict=True))
        for number in range(3)
    )
    around = statistics.fmean(wall) - first - network - last
    return Times(
        client=Step(spent["client"] + spent["tritonserver"], around),
        preprocess=Step(spent[_FIRST], first),
        segment=Step(spent[_NETWORK], network),
        quantify=Step(spent[_LAST], last),
        sizes=relative(wall),
        card_s=None,
        source=("single images, one after the other",),
    )


@dataclass
class Answered:
    """What a run of the real servers came to."""

    answered_s: list[float]
    waited_s: list[float]
    others_cores: float


def back_fill(client: Client, data: Sequence[bytes], images: int, in_flight: int) -> Answered:
    """Send images, so many under way all the time."""
    answered: list[float] = []
    waited: list[float] = []

    def one(image: bytes) -> None:
        began = time.perf_counter()
        client.analyze(image)
        now = time.perf_counter()
        answered.append(now)
        waited.append(now - began)

    with Others() as others, ThreadPoolExecutor(in_flight) as pool:
        list(pool.map(one, [data[number % len(data)] for number in range(images)]))
    return Answered(sorted(answered), waited, others.cores)


def closed_rows(real: Answered, times: Times, given: argparse.Namespace, seed: int) -> Iterator[Row]:
    """Compare a back-fill."""
    fleet = here(times, real.others_cores)
    found = simulate(fleet, seed, archive=BackFill(given.in_flight, 20 * given.number))
    in_flight = SERVERS * given.in_flight
    first, last = len(real.answered_s) // 10, len(real.answered_s) - in_flight
    per_s = (last - first) / (real.answered_s[last] - real.answered_s[first])
    name = f"back-fill, {in_flight} in flight"
    yield Row(name, "views/s", per_s, found.archive_per_s, real.others_cores)
    for share in (50, 95):
        quantiles = [float(np.percentile(of, share)) for of in (real.waited_s, found.images_s)]
        yield Row(f"{name}, p{share}", "s", *quantiles, real.others_cores)


def open_rows(
    client: Client, data: Sequence[bytes], fleet: Fleet, exams: int, per_s: float, seed: int
) -> Iterator[Row]:
    """Compare exams that come by the clock: the simulation gets the same at the same times."""
    draw = random.Random(seed)  # noqa: S311  # a fixed sequence, no secret
    came, now = [], 0.0
    for _ in range(exams):
        now += draw.expovariate(per_s)
        came.append(now)
    chosen = [[draw.randrange(len(data)) for _ in range(VIEWS)] for _ in came]
    views_s: list[float] = []
    exams_s = [0.0] * exams

    def one(image: bytes, due: float, exam: int) -> None:
        client.analyze(image)
        waited = time.perf_counter() - due
        views_s.append(waited)
        exams_s[exam] = max(exams_s[exam], waited)

    with Others() as others, ThreadPoolExecutor(exams * VIEWS) as pool:
        began = time.perf_counter()
        for exam, (at_s, images) in enumerate(zip(came, chosen, strict=True)):
            time.sleep(max(0.0, began + at_s - time.perf_counter()))
            for image in images:
                pool.submit(one, data[image], began + at_s, exam)
    sizes = fleet.times.sizes
    trace = Trace(tuple(came), tuple(tuple(sizes[image] for image in of) for of in chosen))
    found = simulate(fleet, seed, trace)
    for name, real, simulated in (
        ("view", views_s, found.views_s),
        ("exam", exams_s, [waited for _, waited in found.exams]),
    ):
        for share in (50, 95):
            quantiles = [float(np.percentile(of, share)) for of in (real, simulated)]
            yield Row(f"by the clock, {name}, p{share}", "s", *quantiles, others.cores)


def one_round(client: Client, data: Sequence[bytes], given: argparse.Namespace, seed: int) -> Round:
    """Measure single images, then both kinds of load, and simulate these."""
    times = single_images(client, data)
    closed = back_fill(client, data, given.number, SERVERS * given.in_flight)
    rows = list(closed_rows(closed, times, given, seed))
    per_s = given.load * rows[0].real / VIEWS
    # Servers that are not full leave cores to others; when they were, others took what they would not leave.
    rows += open_rows(client, data, here(times, closed.others_cores), given.number // VIEWS, per_s, seed)
    return Round(times, rows)


def here(times: Times, others_cores: float) -> Fleet:
    """Return this machine as the simulation has it."""
    cores = len(os.sched_getaffinity(0)) - others_cores
    return Fleet(SERVERS, cores, times, servers_a_machine=SERVERS, clients_beside=True)


def show(rounds: Sequence[Round]) -> None:
    """Print what was fed in, and real and simulated side by side: each round, then the mean of them."""
    if not rounds:
        return
    for name in ("client", "preprocess", "segment", "quantify"):
        steps: list[Step] = [getattr(of.times, name) for of in rounds]
        core_s, alone_s = (
            statistics.fmean(getattr(of, kind) for of in steps) for kind in ("core_s", "alone_s")
        )
        print(f"{name:<12} {core_s:.3f} core s, alone {alone_s * 1e3:.0f} ms")
    print("\n| | unit | real | simulated | off | off in each round | cores that others took |")
    print("|---|---|---|---|---|---|---|")
    for rows in zip(*(of.rows for of in rounds), strict=True):
        real, simulated = (
            statistics.fmean(getattr(row, kind) for row in rows) for kind in ("real", "simulated")
        )
        each = ", ".join(f"{row.simulated / row.real - 1.0:+.0%}" for row in rows)
        others = statistics.fmean(row.others_cores for row in rows)
        print(
            f"| {rows[0].what} | {rows[0].unit} | {real:.3f} | {simulated:.3f} | "
            f"{simulated / real - 1.0:+.0%} | {each} | {others:.2f} |"
        )
    print()


if __name__ == "__main__":
    main()
