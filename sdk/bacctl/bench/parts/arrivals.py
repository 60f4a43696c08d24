"""Images that come by the clock: what most and what nearly all of them wait, at half and at full load."""

from __future__ import annotations

import random
from collections.abc import Sequence

from bacctl.bench.inputs import repeated
from bacctl.bench.plan import Bench

_SEED = 20_261_130
_LOADS = {"half load": 0.5, "full load": 1.0}
_SHARES = (50, 95, 99)
_IN_FLIGHT = 4


def measure_arrivals(bench: Bench) -> None:
    """Send images at random times of a fixed seed; full load is the first subject's own throughput.

    All subjects get the same images at the same times. A subject that is slower than the first is
    overrun at full load, and its latencies then tell of the length of the run.
    """
    views = repeated(bench.images, bench.amount.arrivals)
    first = bench.driven[0].closed(repeated(bench.images, max(4, bench.amount.views)), _IN_FLIGHT)
    capacity = len(first["images_s"]) / first["s"]
    for at, load in _LOADS.items():
        due_s = arrival_times(len(views), load * capacity)
        due_s = [due for due in due_s if due <= bench.amount.arrivals_s] or due_s[:1]
        for one in bench.driven:
            bench.progress(f"arrivals at {at}, {one.subject.name}")
            answer = one.open(views[: len(due_s)], due_s)
            name = one.subject.name
            bench.notes.note(("arrivals", "offered", at), "views/s", name, load * capacity)
            for share in _SHARES:
                waited = percentile(answer["latencies_s"], share)
                bench.notes.note(("arrivals", f"p{share} from when it was due", at), "s", name, waited)


def arrival_times(count: int, per_s: float) -> list[float]:
    """Return when images come, in seconds: at random, so many a second on average (a Poisson process)."""
    draw = random.Random(_SEED)  # noqa: S311  # a fixed sequence, no secret
    times, now = [], 0.0
    for _ in range(count):
        now += draw.expovariate(per_s)
        times.append(now)
    return times


def percentile(values: Sequence[float], share: int) -> float:
    """Return the least value that so many per cent of all do not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(0, -(-share * len(ordered) // 100) - 1)]
