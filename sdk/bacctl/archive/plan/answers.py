"""Answers of the simulation: servers for an archive, and how long exams of a day wait."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from bac_terms.record import Record
from bacctl.archive.plan.fleet import Fleet
from bacctl.archive.plan.load import BackFill, Day
from bacctl.archive.plan.run import Outcome, simulate

LATE_S = 300.0
"""How long the client waits unless it is told otherwise."""
MOST_SERVERS, MOST_VIEWS = 10_000, 1_000_000
_REST_S = 10.0  # for which a client leaves a server out that was away
_IMAGES_A_SERVER, _FEWEST_IMAGES = 150, 600
_MOST_SIMULATED = 32  # servers at a time


@dataclass(frozen=True)
class Estimate(Record):
    """A mean over the runs of the simulation, and its uncertainty.

    Attributes
    ----------
    mean, low, high : float
        Mean, and its interval of confidence, 95 % (Student's t over the runs). It says how far the figure
        would move with other random numbers, not how good the assumptions are.
    """

    mean: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Estimate:
        """Estimate from one value a run; of a single run the interval is that value."""
        mean = statistics.fmean(values)
        if len(values) < 2:
            return cls(mean, mean, mean)
        from scipy.special import stdtrit

        half = float(stdtrit(len(values) - 1, 0.975)) * statistics.stdev(values) / math.sqrt(len(values))
        return cls(mean, mean - half, mean + half)


@dataclass(frozen=True)
class ArchiveAnswer(Record):
    """What an archive takes.

    Attributes
    ----------
    exams : int
        How many it has.
    servers : int
        How many servers: the fewest that end in time, or those that were asked about.
    days_allowed : float or null
        How long it may take; null where the servers were given.
    hours_a_day : float
        For how many hours of a day they work at it.
    exams_per_hour : Estimate
        What all servers do together, new starts counted in.
    days : Estimate
        How long they take.
    core_share : Estimate
        How much of the machines' cores is used while they work.
    availability : float
        For how much of the time a server answers.
    """

    exams: int
    servers: int
    days_allowed: float | None
    hours_a_day: float
    exams_per_hour: Estimate
    days: Estimate
    core_share: Estimate
    availability: float


@dataclass(frozen=True)
class DayAnswer(Record):
    """How long the exams of a day wait. Times in seconds, from when an exam came.

    Beside an archive they are those of the busiest hour.

    Attributes
    ----------
    exams : float
        How many are expected.
    servers : int
        How many servers there are.
    exam_p50_s, exam_p95_s, exam_p99_s : Estimate
        Until all views of an exam were answered.
    view_p50_s, view_p95_s : Estimate
        Of single views.
    core_share : Estimate
        How much of the machines' cores was used meanwhile.
    late : Estimate
        Views that waited for more than 300 s, after which the client gives up unless told otherwise, or
        that were given up.
    death_p95_s : Estimate
        The 95th percentile where one server dies in the middle of the busiest hour, of the exams that come
        until it is back.
    death_longest_s : Estimate
        The longest of these.
    archive_exams_per_hour : Estimate or null
        What is done of an archive beside it; null where nothing of one was asked for.
    """

    exams: float
    servers: int
    exam_p50_s: Estimate
    exam_p95_s: Estimate
    exam_p99_s: Estimate
    view_p50_s: Estimate
    view_p95_s: Estimate
    core_share: Estimate
    late: Estimate
    death_p95_s: Estimate
    death_longest_s: Estimate
    archive_exams_per_hour: Estimate | None


@dataclass(frozen=True)
class Runs:
    """How often is simulated, and from which seed on."""

    count: int = 5
    seed: int = 1

    def each(self, run: Callable[[int], Outcome]) -> list[Outcome]:
        """Run once with each seed."""
        return [run(self.seed + number) for number in range(self.count)]


def availability(fleet: Fleet) -> float:
    """Return for how much of the time a server is there for its clients."""
    away = fleet.restart_s + _REST_S
    return 1.0 if math.isinf(fleet.mtbf_s) else fleet.mtbf_s / (fleet.mtbf_s + away)


def lasting_per_s(fleet: Fleet, undisturbed_per_s: float) -> float:
    """Return the images a second of servers that die now and then, from that of servers that do not.

    Deaths are too rare to be seen in the minutes that are simulated. What is lost with a server is all that
    it may have under way, at most.
    """
    if math.isinf(fleet.mtbf_s):
        return undisturbed_per_s
    cycle_s = fleet.mtbf_s + fleet.restart_s + _REST_S
    lost_per_s = fleet.servers * fleet.layout.limits.work_images / cycle_s
    return max(0.0, undisturbed_per_s * availability(fleet) - lost_per_s)


def for_archive(
    fleet: Fleet,
    exams: int,
    views: int,
    in_flight: int,
    runs: Runs,
    *,
    days: float | None = None,
    hours_a_day: float = 24.0,
) -> ArchiveAnswer:
    """Answer how many servers measure an archive in time, or how long so many servers take.

    Parameters
    ----------
    fleet : Fleet
        The servers; how many there are matters only without `days`.
    exams, views : int
        Exams of the archive, and images of an exam.
    in_flight : int
        Images under way for each server.
    runs : Runs
        How often is simulated.
    days : float, optional
        In how many days it has to be done.
    hours_a_day : float, optional
        For how many hours of each day the servers work at it.

    Returns
    -------
    ArchiveAnswer

    Raises
    ------
    ValueError
        More than 10,000 servers would be needed.
    """
    if days is None:
        return _answer(fleet, exams, views, in_flight, runs, None, hours_a_day)
    needed_per_s = exams * views / (days * hours_a_day * 3600.0)
    one = replace(fleet, servers=fleet.servers_a_machine)
    per_server = lasting_per_s(one, _per_s(one, in_flight, runs)[0].mean) / one.servers
    if per_server <= 0 or needed_per_s / per_server > MOST_SERVERS:
        raise ValueError(f"more than {MOST_SERVERS} servers; give more days, or faster ones")
    servers = max(1, math.ceil(needed_per_s / per_server))
    while True:  # at the edge the interval may ask for one more
        answer = _answer(replace(fleet, servers=servers), exams, views, in_flight, runs, days, hours_a_day)
        if answer.days.high <= days:
            return answer
        servers += 1


def _answer(
    fleet: Fleet,
    exams: int,
    views: int,
    in_flight: int,
    runs: Runs,
    days: float | None,
    hours_a_day: float,
) -> ArchiveAnswer:
    per_s, share = _per_s(fleet, in_flight, runs)
    lasting = [lasting_per_s(fleet, value) for value in (per_s.low, per_s.mean, per_s.high)]
    low, mean, high = (value * 3600.0 / views for value in lasting)
    if low <= 0:
        raise ValueError("the servers die faster than they work; look at --mtbf-h and --restart-s")
    of_a_day = [exams / (hourly * hours_a_day) for hourly in (high, mean, low)]
    return ArchiveAnswer(
        exams=exams,
        servers=fleet.servers,
        days_allowed=days,
        hours_a_day=hours_a_day,
        exams_per_hour=Estimate(mean, low, high),
        days=Estimate(of_a_day[1], of_a_day[0], of_a_day[2]),
        core_share=share,
        availability=availability(fleet),
    )


def _per_s(fleet: Fleet, in_flight: int, runs: Runs) -> tuple[Estimate, Estimate]:
    """Images a second of servers that do not die, and how much of their cores is used.

    Machines that have nothing in common but their client are as fast together as the sum of them.
    """
    seen = replace(fleet, servers=min(fleet.servers, _MOST_SIMULATED), mtbf_s=math.inf)
    images = max(_FEWEST_IMAGES, _IMAGES_A_SERVER * seen.servers)
    outcomes = runs.each(lambda seed: simulate(seen, seed, archive=BackFill(in_flight, images)))
    scale = fleet.servers / seen.servers
    return (
        Estimate.of([outcome.archive_per_s * scale for outcome in outcomes]),
        Estimate.of([outcome.core_share for outcome in outcomes]),
    )


def for_day(fleet: Fleet, day: Day, runs: Runs, beside: int = 0) -> DayAnswer:
    """Answer how long exams of a day wait.

    Parameters
    ----------
    fleet : Fleet
        The servers.
    day : Day
        When exams come.
    runs : Runs
        How often is simulated.
    beside : int, optional
        Images of an archive that are under way for each server meanwhile. Only the busiest hour is simulated
        then.

    Returns
    -------
    DayAnswer

    Raises
    ------
    ValueError
        More than a million views come.
    """
    if sum(day.per_hour) * day.views > MOST_VIEWS:
        raise ValueError(
            f"more than {MOST_VIEWS} views a day; ask about a part of the fleet and of the day's exams"
        )
    busiest = Day((max(day.per_hour),), day.views)
    archive = BackFill(beside, 0) if beside else None
    outcomes = runs.each(lambda seed: simulate(fleet, seed, busiest if beside else day, archive))
    dies_s = busiest.length_s / 2.0
    disturbed = runs.each(lambda seed: simulate(fleet, seed, busiest, archive, [dies_s]))
    hit = [
        [waited for came, waited in outcome.exams if dies_s <= came <= dies_s + fleet.restart_s]
        for outcome in disturbed
    ]

    def exam(share: float) -> Estimate:
        return Estimate.of([_quantile([waited for _, waited in o.exams], share) for o in outcomes])

    def view(share: float) -> Estimate:
        return Estimate.of([_quantile(o.views_s, share) for o in outcomes])

    return DayAnswer(
        exams=sum(day.per_hour),
        servers=fleet.servers,
        exam_p50_s=exam(0.50),
        exam_p95_s=exam(0.95),
        exam_p99_s=exam(0.99),
        view_p50_s=view(0.50),
        view_p95_s=view(0.95),
        core_share=Estimate.of([outcome.core_share for outcome in outcomes]),
        late=Estimate.of([sum(s > LATE_S for s in o.views_s) + o.given_up for o in outcomes]),
        death_p95_s=Estimate.of([_quantile(waited, 0.95) for waited in hit]),
        death_longest_s=Estimate.of([max(waited, default=0.0) for waited in hit]),
        archive_exams_per_hour=None
        if not beside
        else Estimate.of([o.archive_per_s * 3600.0 / day.views for o in outcomes]),
    )


def _quantile(values: Sequence[float], share: float) -> float:
    return float(np.quantile(values, share)) if len(values) else 0.0
