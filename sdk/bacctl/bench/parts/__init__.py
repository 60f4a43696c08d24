"""The parts of the benchmark, one module each, by the name that ``--part`` calls them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from bacctl.bench.parts.arrivals import measure_arrivals
from bacctl.bench.parts.cold import measure_cold
from bacctl.bench.parts.cost import measure_cost
from bacctl.bench.parts.memory import measure_memory
from bacctl.bench.parts.served import measure_served
from bacctl.bench.plan import Bench

PARTS: Mapping[str, Callable[[Bench], None]] = {
    "served": measure_served,
    "arrivals": measure_arrivals,
    "cost": measure_cost,
    "memory": measure_memory,
    "cold": measure_cold,
}
