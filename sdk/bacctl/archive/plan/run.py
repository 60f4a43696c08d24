"""One run of the simulation: a fleet, what it is asked, and what came of it."""

from __future__ import annotations

import math
import random
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import Any

import simpy

from bacctl.archive.plan.cores import Cores
from bacctl.archive.plan.fleet import DiedError, Fleet, RefusedError, Server
from bacctl.archive.plan.load import BackFill, Day, Trace
from bacctl.client.retry import DEFAULT_RETRY_FOR_S, FIRST_WAIT_S, LONGEST_WAIT_S
from bacctl.client.transports.endpoints import Endpoints

Events = Generator[simpy.Event, Any, None]
CLIENT_BYTES = 2**30
"""What a client has under way with each of its servers (`bacctl.client`)."""
_WARM_UP = 0.1  # of the images of a back-fill, which come before there is a steady state


@dataclass
class Outcome:
    """What a run came to. Times in seconds.

    Attributes
    ----------
    views_s : list of float
        How long each view that came by the clock waited for its answer.
    exams : list of (float, float)
        When each exam came, and how long it waited for the answer to the last of its views.
    images_s : list of float
        The same of the archive's images.
    archive_per_s : float
        Images of the archive a second, without those at its beginning.
    core_share : float
        How much of all cores was used.
    present : float
        How many views were on their way, averaged over time.
    length_s : float
        Until the last answer.
    deaths, repeats, refusals, given_up : int
        Servers that died; attempts after a server died; attempts after one had no room; views that came by
        the clock and were given up after a minute of attempts. Images of an archive are tried again.
    """

    views_s: list[float] = field(default_factory=list)
    exams: list[tuple[float, float]] = field(default_factory=list)
    images_s: list[float] = field(default_factory=list)
    archive_per_s: float = 0.0
    core_share: float = 0.0
    present: float = 0.0
    length_s: float = 0.0
    deaths: int = 0
    repeats: int = 0
    refusals: int = 0
    given_up: int = 0


def simulate(
    fleet: Fleet,
    seed: int,
    day: Day | Trace | None = None,
    archive: BackFill | None = None,
    deaths_s: Sequence[float] = (),
) -> Outcome:
    """Let a fleet do its work once.

    Parameters
    ----------
    fleet : Fleet
        Who works.
    seed : int
        Of all that is drawn.
    day : Day or Trace, optional
        Exams that come by the clock.
    archive : BackFill, optional
        Images of an archive. Beside a day they go on until it is over, however many there are.
    deaths_s : sequence of float, optional
        When the first server dies, beside the deaths that are drawn.

    Returns
    -------
    Outcome
    """
    run = _Run(fleet, seed)
    return run.work(day, archive, deaths_s)


class _Client:
    """Who asks: turns between servers, a bound on what is under way, attempts."""

    def __init__(self, env: simpy.Environment, fleet: Fleet, name: str) -> None:
        self.name = name
        self.endpoints = Endpoints(
            [str(number) for number in range(fleet.servers)], clock=lambda: float(env.now)
        )
        most = max(1, CLIENT_BYTES * fleet.servers // fleet.work_bytes)
        self.room = simpy.Resource(env, most)


class _Run:
    def __init__(self, fleet: Fleet, seed: int) -> None:
        self._fleet = fleet
        self._env = simpy.Environment()
        # Streams of their own: what one part draws must not move what another does.
        self._arrivals, self._sizes, self._lives, self._waits = (
            random.Random(f"{seed} {name}")  # noqa: S311  # a fixed sequence, no secret
            for name in ("arrivals", "sizes", "lives", "waits")
        )
        self._machines = [Cores(self._env, fleet.cores) for _ in range(fleet.machines)]
        self._servers = [
            Server(self._env, fleet, self._machines[number // fleet.servers_a_machine])
            for number in range(fleet.servers)
        ]
        self._elsewhere = Cores(self._env, math.inf)
        self._outcome = Outcome()
        self._now_present = 0
        self._present_since = 0.0
        self._present_s = 0.0

    def work(self, day: Day | Trace | None, archive: BackFill | None, deaths_s: Sequence[float]) -> Outcome:
        env, outcome = self._env, self._outcome
        for server in self._servers:
            if math.isfinite(self._fleet.mtbf_s):
                env.process(self._mortal(server))
        for at in deaths_s:
            env.process(self._doomed(self._servers[0], at))
        parts: list[simpy.Process] = []
        if day is not None:
            parts.append(env.process(self._day(day)))
        if archive is not None:
            self._answered_s: list[float] = []
            until = parts[0] if parts else None
            parts.append(env.process(self._archive(archive, until)))
        env.run(until=simpy.AllOf(env, parts))
        self._count(0)
        outcome.length_s = float(env.now)
        outcome.present = self._present_s / env.now if env.now else 0.0
        worked = sum(machine.worked for machine in self._machines)
        outcome.core_share = worked / (self._fleet.machines * self._fleet.cores * env.now) if env.now else 0.0
        outcome.deaths = sum(server.deaths for server in self._servers)
        return outcome

    def _mortal(self, server: Server) -> Events:
        while True:
            yield self._env.timeout(self._lives.expovariate(1.0 / self._fleet.mtbf_s))
            yield from server.die()

    def _doomed(self, server: Server, at_s: float) -> Events:
        yield self._env.timeout(at_s)
        yield from server.die()

    def _day(self, day: Day | Trace) -> Events:
        client = _Client(self._env, self._fleet, "day")
        exams = []
        for at_s, sizes in day.exams(self._arrivals, self._fleet.times.sizes):
            yield self._env.timeout(at_s - self._env.now)
            exams.append(self._env.process(self._exam(client, sizes)))
        yield simpy.AllOf(self._env, exams)

    def _exam(self, client: _Client, sizes: Sequence[float]) -> Events:
        came = self._env.now
        asked = [self._env.process(self._view(client, size)) for size in sizes]
        yield simpy.AllOf(self._env, asked)
        self._outcome.exams.append((came, self._env.now - came))

    def _view(self, client: _Client, size: float) -> Events:
        came = self._env.now
        if (yield from self._measured(client, size)):
            self._outcome.views_s.append(self._env.now - came)
        else:
            self._outcome.given_up += 1

    def _archive(self, archive: BackFill, until: simpy.Process | None) -> Events:
        client = _Client(self._env, self._fleet, "archive")
        left = iter(range(archive.images)) if until is None else iter(int, 1)
        slots = [
            self._env.process(self._slot(client, left, until))
            for _ in range(archive.in_flight * self._fleet.servers)
        ]
        yield simpy.AllOf(self._env, slots)
        times = self._answered_s
        first = int(len(times) * _WARM_UP)
        # Not to the very end, where ever fewer are under way.
        last = max(first + 1, len(times) - len(slots))
        if last < len(times) and times[last] > times[first]:
            self._outcome.archive_per_s = (last - first) / (times[last] - times[first])
        elif self._env.now:
            self._outcome.archive_per_s = len(times) / float(self._env.now)

    def _slot(self, client: _Client, left: Any, until: simpy.Process | None) -> Events:
        for _ in left:
            if until is not None and until.triggered:
                return
            came = self._env.now
            size = self._sizes.choice(self._fleet.times.sizes)
            # A view that was given up is tried again: the run of an archive comes back to it.
            while not (yield from self._measured(client, size)):
                continue
            self._answered_s.append(self._env.now)
            self._outcome.images_s.append(self._env.now - came)

    def _measured(self, client: _Client, size: float) -> Generator[simpy.Event, Any, bool]:
        """Have a view measured, in as many attempts as the client makes; tell whether it was."""
        self._count(1)
        try:
            with client.room.request() as turn:
                yield turn
                return (yield from self._attempts(client, size))
        finally:
            self._count(-1)

    def _attempts(self, client: _Client, size: float) -> Generator[simpy.Event, Any, bool]:
        env, step = self._env, self._fleet.times.client
        failed_at: float | None = None
        for tried in range(1_000):  # the time ends it
            number = int(client.endpoints.pick())
            if tried == 0:
                beside = self._machines[number // self._fleet.servers_a_machine]
                cores = beside if self._fleet.clients_beside else self._elsewhere
                yield from cores.work(step.core_s, step.most_cores)
            asked_s = 0.0
            try:
                yield from self._servers[number].measure(size, client.name)
                return True
            except DiedError:
                client.endpoints.failed(str(number))
                self._outcome.repeats += 1
            except RefusedError as refusal:
                asked_s = refusal.args[0]
                self._outcome.refusals += 1
            failed_at = env.now if failed_at is None else failed_at
            most = min(FIRST_WAIT_S * 2.0**tried, LONGEST_WAIT_S)
            wait_s = max(most * self._waits.uniform(0.5, 1.0), asked_s)
            if env.now + wait_s >= failed_at + DEFAULT_RETRY_FOR_S:
                break
            yield env.timeout(wait_s)
        return False

    def _count(self, change: int) -> None:
        now = float(self._env.now)
        self._present_s += self._now_present * (now - self._present_since)
        self._present_since = now
        self._now_present += change
