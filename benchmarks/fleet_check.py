"""Holds the simulation of `bacctl archive plan` against two real servers that share this machine's cores.

    python benchmarks/fleet_check.py --out DIR

In each round come single images, one after the other, a back-fill with a fixed number in flight, single
images, exams of four views at random times of a fixed seed, and single images again. The simulation is fed
with what the single images around a run took, replays it, and its figures stand beside the real ones.

A machine with nothing else to do is best. Where other programs want the cores too, single images are slower
than the processor time that they take; from that follows how many such programs the simulated machine has. A
check in which they come and go says little.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import statistics
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from bacctl import Client
from bacctl.archive.plan.fleet import Fleet
from bacctl.archive.plan.load import BackFill, Trace
from bacctl.archive.plan.run import simulate
from bacctl.archive.plan.times import REFERENCE, Step, Times, relative
from bacctl.bench.inputs import phantom_views
from bacctl.bench.processes import family, processor_s
from bacctl.server.embedded import EmbeddedServer

SERVERS = 2
VIEWS = 4


# How many cores a step can use; measured on idle ones (docs/performance.md).
_MOST = {
    "client": 1.0,
    "preprocess": 1.0,
    "segment": REFERENCE.segment.most_cores,
    "quantify": REFERENCE.quantify.most_cores,
}
_MOST_OTHERS = 80


@dataclass
class Single:
    """What images took, one after the other: means of all."""

    core_s: dict[str, float]
    fastest_s: dict[str, float]
    wall_s: float
    sizes: tuple[float, ...]


@dataclass
class Row:
    """One figure, real and simulated."""

    what: str
    unit: str
    real: float
    simulated: float
    others: int


@dataclass
class Round:
    """What was fed in, and what came of it."""

    single: list[Single]
    rows: list[Row]


def main() -> None:
    """Measure, simulate, print."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    options.add_argument("--out", type=Path, default=Path("fleet-check"), help="phantoms and figures")
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--images", type=int, default=48, help="of each back-fill and each open run")
    options.add_argument("--in-flight", type=int, default=2, help="of the back-fill, for each server")
    options.add_argument("--load", type=float, default=0.6, help="of the open runs, of the back-fill's rate")
    options.add_argument("--seed", type=int, default=1)
    given = options.parse_args()
    data = [path.read_bytes() for path in phantom_views(given.out / "phantoms", 8)]
    rounds: list[Round] = []
    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(EmbeddedServer()) for _ in range(SERVERS)]
        client = stack.enter_context(
            Client([server.url for server in servers], density=False, timeout=3600.0)
        )
        for image in (*data, *data):
            client.analyze(image)
        for number in range(given.rounds):
            rounds.append(one_round(client, data, given, given.seed + number))
            document = json.dumps([asdict(one) for one in rounds], indent=2)
            (given.out / "fleet-check.json").write_text(document)
            show(rounds)


def one_round(client: Client, data: Sequence[bytes], given: argparse.Namespace, seed: int) -> Round:
    """Measure single images around both kinds of load, and simulate these."""
    single = [single_images(client, data)]
    closed = back_fill(client, data, given.images, SERVERS * given.in_flight)
    single.append(single_images(client, data))
    rows = list(closed_rows(closed, here(single), given, seed))
    came, views_s, exams_s, chosen = by_the_clock(
        client, data, given.images // VIEWS, given.load * rows[0].real / VIEWS, seed
    )
    single.append(single_images(client, data))
    rows += open_rows(came, views_s, exams_s, chosen, here(single[1:]), seed)
    return Round(single, rows)


def single_images(client: Client, data: Sequence[bytes]) -> Single:
    """Measure each image twice; its faster time counts, since other programs only add to it."""
    walls: list[list[float]] = [[] for _ in data]
    steps: list[list[dict[str, float]]] = [[] for _ in data]
    pids = family(os.getpid())
    before = processor_s(pids)
    for _ in range(2):
        for index, image in enumerate(data):
            began = time.perf_counter()
            taken = client.analyze(image).timings_ms or {}
            walls[index].append(time.perf_counter() - began)
            steps[index].append({name: taken[name] / 1e3 for name in ("preprocess", "segment", "quantify")})
    spent = {role: (total - before[role]) / (2 * len(data)) for role, total in processor_s(pids).items()}
    best = [of[int(np.argmin(times))] for of, times in zip(steps, walls, strict=True)]
    fastest = {name: statistics.fmean(of[name] for of in best) for name in best[0]}
    wall = [min(of) for of in walls]
    fastest["client"] = statistics.fmean(wall) - sum(fastest.values())
    return Single(
        core_s={
            "client": spent["client"] + spent["tritonserver"],
            **{name: spent[f"bac_{name}"] for name in ("preprocess", "segment", "quantify")},
        },
        fastest_s=fastest,
        wall_s=statistics.fmean(second for of in walls for second in of),
        sizes=relative(wall),
    )


def here(single: Sequence[Single]) -> Fleet:
    """Return this machine as simulated, with programs of others that slow it down as they did."""
    steps = {}
    for name, most in _MOST.items():
        core_s = statistics.fmean(of.core_s[name] for of in single)
        steps[name] = Step(core_s, min(core_s / most, *(of.fastest_s[name] for of in single)))
    sizes = tuple(statistics.fmean(of) for of in zip(*(one.sizes for one in single), strict=True))
    times = Times(**steps, sizes=sizes, card_s=None, source=("single images",))
    cores = len(os.sched_getaffinity(0))
    one = Fleet(1, cores, times, clients_beside=True)
    wall_s = statistics.fmean(of.wall_s for of in single)

    def off(others: int) -> float:
        found = simulate(replace(one, others=others), 1, archive=BackFill(1, 32))
        return abs(statistics.fmean(found.images_s) - wall_s)

    return replace(one, servers=SERVERS, servers_a_machine=SERVERS, others=min(range(_MOST_OTHERS), key=off))


def back_fill(
    client: Client, data: Sequence[bytes], images: int, in_flight: int
) -> tuple[list[float], list[float]]:
    """Send images, so many under way all the time; return when they were answered and how long each took."""
    answered: list[float] = []
    waited: list[float] = []

    def one(image: bytes) -> None:
        began = time.perf_counter()
        client.analyze(image)
        now = time.perf_counter()
        answered.append(now)
        waited.append(now - began)

    with ThreadPoolExecutor(in_flight) as pool:
        list(pool.map(one, [data[number % len(data)] for number in range(images)]))
    return sorted(answered), waited


def closed_rows(
    real: tuple[list[float], list[float]], fleet: Fleet, given: argparse.Namespace, seed: int
) -> Iterator[Row]:
    """Compare a back-fill."""
    answered_s, waited_s = real
    found = simulate(fleet, seed, archive=BackFill(given.in_flight, 20 * given.images))
    in_flight = SERVERS * given.in_flight
    first, last = len(answered_s) // 10, len(answered_s) - in_flight
    per_s = (last - first) / (answered_s[last] - answered_s[first])
    name = f"back-fill, {in_flight} in flight"
    yield Row(name, "views/s", per_s, found.archive_per_s, fleet.others)
    for share in (50, 95):
        quantiles = [float(np.percentile(of, share)) for of in (waited_s, found.images_s)]
        yield Row(f"{name}, p{share}", "s", *quantiles, fleet.others)


def by_the_clock(
    client: Client, data: Sequence[bytes], exams: int, per_s: float, seed: int
) -> tuple[list[float], list[float], list[float], list[list[int]]]:
    """Send exams; return when each came, how long views and exams waited, and which images they were."""
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

    with ThreadPoolExecutor(exams * VIEWS) as pool:
        began = time.perf_counter()
        for exam, (at_s, images) in enumerate(zip(came, chosen, strict=True)):
            time.sleep(max(0.0, began + at_s - time.perf_counter()))
            for image in images:
                pool.submit(one, data[image], began + at_s, exam)
    return came, views_s, exams_s, chosen


def open_rows(
    came: Sequence[float],
    views_s: Sequence[float],
    exams_s: Sequence[float],
    chosen: Sequence[Sequence[int]],
    fleet: Fleet,
    seed: int,
) -> Iterator[Row]:
    """Compare exams that came by the clock: the simulation gets the same at the same times."""
    sizes = fleet.times.sizes
    found = simulate(
        fleet, seed, Trace(tuple(came), tuple(tuple(sizes[image] for image in of) for of in chosen))
    )
    for name, real, simulated in (
        ("view", views_s, found.views_s),
        ("exam", exams_s, [waited for _, waited in found.exams]),
    ):
        for share in (50, 95):
            quantiles = [float(np.percentile(of, share)) for of in (real, simulated)]
            yield Row(f"by the clock, {name}, p{share}", "s", *quantiles, fleet.others)


def show(rounds: Sequence[Round]) -> None:
    """Print what was fed in, and real and simulated side by side: the mean, and how far each round is off."""
    single = [of for one in rounds for of in one.single]
    for name in _MOST:
        core_s = statistics.fmean(of.core_s[name] for of in single)
        fastest_ms = statistics.fmean(of.fastest_s[name] for of in single) * 1e3
        print(f"{name:<12} {core_s:.3f} core s, {fastest_ms:.0f} ms")
    print(f"a view       {statistics.fmean(of.wall_s for of in single):.3f} s, one after the other\n")
    print(
        "| | unit | real | simulated | off | off in each round | other programs |\n"
        "|---|---|---|---|---|---|---|"
    )
    for rows in zip(*(of.rows for of in rounds), strict=True):
        real, simulated = (
            statistics.fmean(getattr(row, kind) for row in rows) for kind in ("real", "simulated")
        )
        each = ", ".join(f"{row.simulated / row.real - 1.0:+.0%}" for row in rows)
        others = ", ".join(str(row.others) for row in rows)
        print(
            f"| {rows[0].what} | {rows[0].unit} | {real:.3f} | {simulated:.3f} | "
            f"{simulated / real - 1.0:+.0%} | {each} | {others} |"
        )
    print(flush=True)


if __name__ == "__main__":
    main()
