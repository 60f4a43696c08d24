"""The simulation, fed with what single images took, against what real servers did with several at a time.

Figures of docs/performance.md, of 2026-12-01 on two idle cores: a1cbb5d ("this") and 7b66bbe. Two servers
that share cores: ``benchmarks/fleet_check.py``.
"""

import pytest

pytest.importorskip("simpy")

from bacctl.archive.plan.fleet import Fleet
from bacctl.archive.plan.load import BackFill
from bacctl.archive.plan.run import simulate
from bacctl.archive.plan.times import Step, Times


def step(core_s: float, *alone_ms: float) -> Step:
    return Step(core_s, sum(alone_ms) / 1e3)


# One in flight; the client with tritonserver, and what is between and around the steps.
THIS = Times(
    client=step(0.0413 + 0.0150, 37.5),
    preprocess=step(0.104, 0.475, 96.8, 2.62),
    segment=step(0.196, 0.884, 103.0, 1.28),
    quantify=step(0.0875, 2.31, 42.7, 9.73),
    sizes=(1.06, 0.82, 1.15, 1.13, 0.86, 0.98, 0.86, 1.19),
    card_s=None,
    source=(),
)
EARLIER = Times(
    client=step(0.0288 + 0.0150, 32.3),
    preprocess=step(0.195, 0.452, 195.0, 2.27),
    segment=step(0.198, 0.838, 100.0, 0.914),
    quantify=step(0.118, 1.81, 114.0, 5.26),
    sizes=(1.0, 0.90, 1.05, 1.13, 0.96, 0.99, 0.93, 1.15),
    card_s=None,
    source=(),
)


@pytest.mark.parametrize(
    ("times", "in_flight", "measured"),
    [
        (THIS, 1, 3.39),
        (THIS, 2, 4.66),
        (THIS, 4, 4.84),
        (THIS, 8, 4.94),
        (EARLIER, 1, 2.26),
        (EARLIER, 2, 3.39),
        (EARLIER, 4, 3.55),
        (EARLIER, 8, 3.51),
    ],
)
def test_throughput_is_within_15_percent_of_what_was_measured(
    times: Times, in_flight: int, measured: float
) -> None:
    fleet = Fleet(1, 2.0, times, clients_beside=True)

    found = simulate(fleet, 1, archive=BackFill(in_flight, 400))

    assert found.archive_per_s == pytest.approx(measured, rel=0.15)
