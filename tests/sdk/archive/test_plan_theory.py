"""The simulation against queueing theory: formulas and published values, not its own numbers."""

import math
import statistics

import pytest

pytest.importorskip("simpy")

from bacctl.archive.plan.answers import Estimate
from bacctl.archive.plan.fleet import Fleet, Layout
from bacctl.archive.plan.load import BackFill, Day
from bacctl.archive.plan.run import Outcome, simulate
from bacctl.archive.plan.times import Step, Times
from bacctl.service.entry import Limits

NOTHING = Step(0.0, 0.0)
ALIKE = (1.0,)
# Quantiles of the exponential distribution of mean 1.
EXPONENTIAL = tuple(-math.log(1.0 - (number + 0.5) / 20_000) for number in range(20_000))
WIDE = Limits(2**50, 2**50, 10**9)  # nothing is refused
RUNS = 8


def fleet(
    step: str,
    core_s: float,
    sizes: tuple[float, ...],
    instances: int = 1,
    cores: float = 64.0,
    servers: int = 1,
) -> Fleet:
    """One step that costs something, the others nothing."""
    steps = dict.fromkeys(("client", "preprocess", "segment", "quantify"), NOTHING)
    steps[step] = Step(core_s, core_s)
    layout = Layout(1, instances, instances, WIDE)
    return Fleet(servers, cores, Times(**steps, sizes=sizes, card_s=None, source=()), layout, work_bytes=1)


def waits(of: Fleet, per_s: float, hours: int = 1) -> list[float]:
    """Mean times of single views that come at random, by the clock; one value a run."""
    day = Day((per_s * 3600.0,) * hours, views=1)
    return [mean_wait(simulate(of, seed, day)) for seed in range(RUNS)]


def mean_wait(outcome: Outcome) -> float:
    return statistics.fmean(outcome.views_s)


def agrees(values: list[float], expected: float) -> None:
    """The mean is no further off than chance allows (3.3 standard errors), which is little."""
    error = statistics.stdev(values) / math.sqrt(len(values))
    assert error < 0.06 * expected
    assert abs(statistics.fmean(values) - expected) < 3.3 * error, (values, expected)


@pytest.mark.parametrize(
    ("servers", "load", "delayed"),
    # Erlang C: the chance to wait, as tables print it (2 servers and 1 erlang: 1/3; 3 and 2: 4/9).
    [
        (2, 1.0, 1 / 3),
        pytest.param(3, 2.0, 4 / 9, marks=(pytest.mark.full, pytest.mark.slow)),
        pytest.param(5, 4.0, 0.5541, marks=(pytest.mark.full, pytest.mark.slow)),
    ],
)
def test_several_instances_wait_as_erlang_c_says(servers: int, load: float, delayed: float) -> None:
    service_s = 2.0
    expected = service_s + delayed * service_s / (servers - load)

    hours = 1 if servers < 5 else 3
    found = waits(fleet("quantify", service_s, EXPONENTIAL, servers), load / service_s, hours)

    agrees(found, expected)


def test_one_instance_with_equal_views_waits_as_m_d_1_does() -> None:
    service_s, load = 2.0, 0.7
    expected = service_s + load * service_s / (2.0 * (1.0 - load))  # Pollaczek and Khinchine

    found = waits(fleet("preprocess", service_s, ALIKE), load / service_s)

    agrees(found, expected)


@pytest.mark.parametrize("sizes", [ALIKE, EXPONENTIAL])
def test_a_shared_core_is_as_fast_whatever_the_sizes(sizes: tuple[float, ...]) -> None:
    """M/G/1 with processor sharing: S / (1 - load), which only the mean of the work decides."""
    core_s, load = 2.0, 0.6
    expected = core_s / (1.0 - load)

    found = waits(fleet("quantify", core_s, sizes, 10**6, cores=1.0), load / core_s)

    agrees(found, expected)


def test_two_servers_on_one_machine_share_its_cores() -> None:
    """M/M/2 with processor sharing waits as M/M/2 does: S / (1 - load^2) where load is a core's."""
    core_s, load = 2.0, 0.6
    expected = core_s / (1.0 - load**2)
    one = fleet("quantify", core_s, EXPONENTIAL, 10**6, cores=2.0, servers=2)
    shared = Fleet(2, 2.0, one.times, one.layout, servers_a_machine=2, work_bytes=1)

    agrees(waits(shared, 2.0 * load / core_s), expected)


def test_cards_are_shared_too() -> None:
    times = Times(NOTHING, NOTHING, Step(1.0, 1.0), NOTHING, ALIKE, 2.0, ())
    of = Fleet(1, 1.0, times, Layout(1, 10**6, 1, WIDE), work_bytes=1)

    agrees(waits(of, 0.3), 2.0 / (1.0 - 0.6))


def test_littles_law() -> None:
    """What is on its way, on average, is what comes in a second times how long it stays."""
    of = fleet("preprocess", 2.0, EXPONENTIAL)
    for seed in range(3):
        outcome = simulate(of, seed, Day((500.0, 600.0), views=2))
        per_s = len(outcome.views_s) / outcome.length_s

        assert outcome.present == pytest.approx(per_s * mean_wait(outcome), rel=1e-9)


def test_a_pipeline_that_is_always_full_is_as_fast_as_its_slowest_step() -> None:
    times = Times(NOTHING, Step(0.1, 0.1), Step(0.3, 0.3), Step(0.2, 0.2), ALIKE, None, ())

    outcome = simulate(Fleet(1, 8.0, times), 1, archive=BackFill(4, 500))

    assert outcome.archive_per_s == pytest.approx(1 / 0.3, rel=0.01)


def test_cores_that_are_always_full_are_what_counts() -> None:
    """0.6 core s a view on 2 cores: 3 1/3 a second, however many servers share them."""
    times = Times(Step(0.1, 0.1), Step(0.1, 0.1), Step(0.3, 0.2), Step(0.1, 0.1), ALIKE, None, ())
    of = Fleet(3, 2.0, times, servers_a_machine=3, clients_beside=True)

    outcome = simulate(of, 1, archive=BackFill(4, 800))

    assert outcome.archive_per_s == pytest.approx(2.0 / 0.6, rel=0.01)
    assert outcome.core_share == pytest.approx(1.0, abs=0.01)


def test_exams_come_as_often_as_they_are_expected() -> None:
    """Counts of each hour have the mean and the variance of Poisson's distribution."""
    import random

    day = Day((40.0, 0.0, 90.0))
    counts = [[0, 0, 0] for _ in range(400)]
    for seed, count in enumerate(counts):
        times = [at for at, _ in day.exams(random.Random(seed), ALIKE)]
        assert times == sorted(times)
        for at in times:
            count[int(at // 3600)] += 1

    for hour, expected in enumerate(day.per_hour):
        seen = [count[hour] for count in counts]
        assert statistics.fmean(seen) == pytest.approx(expected, abs=3 * math.sqrt(expected / 400) + 1e-9)
        assert statistics.variance(seen) == pytest.approx(expected, rel=0.25, abs=1e-9)


def test_the_interval_is_students() -> None:
    """Of 1, 2, 3, 4, 5: mean 3, s = 1.5811, t(4; 97.5 %) = 2.776 in every table, so 3 +- 1.963."""
    found = Estimate.of([1.0, 2.0, 3.0, 4.0, 5.0])

    assert found.mean == 3.0
    assert (found.low, found.high) == pytest.approx((3 - 1.963, 3 + 1.963), abs=1e-3)
