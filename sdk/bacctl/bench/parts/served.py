"""Served images against the bare network, and where their time and their processor time go."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from bacctl.bench.drive import Driven
from bacctl.bench.engine import Engine
from bacctl.bench.inputs import repeated
from bacctl.bench.plan import Bench
from bacctl.bench.processes import processor_s

BESIDE = ("bac_preprocess", "bac_quantify")
"""The steps beside the network."""
_COUNTED = {
    "queue": "waiting",
    "compute_input": "taking the input",
    "compute_infer": "working",
    "compute_output": "giving the output",
}


def measure_served(bench: Bench) -> None:
    """Measure each number of callers in each round, the bare network between them.

    Asked for are report and mask; at the end one number of callers once more, which want the density too.
    """
    views = repeated(bench.images, bench.amount.views)
    engines = {one.subject.name: Engine(one.subject.model, views) for one in bench.driven}
    for number, driven in bench.in_turn(bench.amount.rounds, bench.driven):
        bench.progress(f"served, round {number + 1} of {bench.amount.rounds}")
        bare = {one.subject.name: engines[one.subject.name].view_s() for one in driven}
        for in_flight in bench.amount.in_flight:
            for one in driven:
                _measure(bench, one, bare[one.subject.name], in_flight)
    for one in bench.driven:
        one.restart(density=True)
        one.closed(views, bench.amount.with_density)
    for number, driven in bench.in_turn(bench.amount.rounds, bench.driven):
        bench.progress(f"served with the density, round {number + 1} of {bench.amount.rounds}")
        for one in driven:
            bare_s = engines[one.subject.name].view_s()
            _measure(bench, one, bare_s, bench.amount.with_density, ", density too")
    for one in bench.driven:
        one.restart(density=False)
        one.closed(views, 1)


def _measure(bench: Bench, one: Driven, bare_s: float, in_flight: int, asked: str = "") -> None:
    name = one.subject.name
    views = repeated(bench.images, bench.amount.views)
    counted, spent = one.ask("statistics"), processor_s(one.pids)
    answer = one.closed(views, in_flight)
    after = processor_s(one.pids)
    at = f"{in_flight} in flight{asked}"
    view_s = answer["s"] / len(views)

    def note(what: str, unit: str, value: float, part: str = "served", condition: str = at) -> None:
        bench.notes.note((part, what, condition), unit, name, value)

    if in_flight == bench.amount.in_flight[0] and not asked:
        note("bare network, a view", "s", bare_s, condition="")
    note("throughput", "views/s", 1.0 / view_s)
    note("throughput, of the bare network's", "", bare_s / view_s)
    if in_flight == 1 and not asked:
        note("a view, in bare networks", "", view_s / bare_s)
        _note_steps(bench, one, answer, _difference(one.ask("statistics"), counted))
    cpu = {role: (total - spent.get(role, 0.0)) / len(views) for role, total in after.items()}
    for role in sorted(cpu):
        if role != "supervisor":
            note(role, "core s/view", cpu[role], "processor")
    note("steps beside the network", "core s/view", sum(cpu.get(role, 0.0) for role in BESIDE), "processor")
    note("all", "core s/view", sum(cpu.values()), "processor")


def _note_steps(
    bench: Bench, one: Driven, answer: Mapping[str, Any], counted: Mapping[str, Mapping[str, int]]
) -> None:
    """Note what Triton counted for each step, and what is left of the caller's time."""
    views = len(answer["images_s"])
    left_ms = sum(answer["images_s"]) * 1e3 / views
    for step, durations in sorted(counted.items()):
        if step == "bac":  # the ensemble is its steps
            continue
        for duration, words in _COUNTED.items():
            spent_ms = durations.get(duration, 0) / 1e6 / views
            if (step, duration) == ("bac_preprocess", "compute_infer"):
                # Triton counts how long the step took to take requests over; it works on them afterwards.
                spent_ms = sum(answer["prepared_ms"]) / views
            left_ms -= spent_ms
            bench.notes.note(("steps", step, words), "ms/view", one.subject.name, spent_ms)
    bench.notes.note(
        ("steps", "between and around the steps", ""), "ms/view", one.subject.name, max(0.0, left_ms)
    )


def _difference(
    later: Mapping[str, Mapping[str, int]], earlier: Mapping[str, Mapping[str, int]]
) -> dict[str, dict[str, int]]:
    spent: dict[str, dict[str, int]] = defaultdict(dict)
    for model, durations in later.items():
        for name, total in durations.items():
            spent[model][name] = total - earlier.get(model, {}).get(name, 0)
    return spent
