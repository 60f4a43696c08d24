"""A server as the simulation has it: its entry, its three steps, its death and its new start."""

from __future__ import annotations

import itertools
import math
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import simpy

from bacctl.archive.plan.cores import Cores
from bacctl.archive.plan.times import Times
from bacctl.service.entry import Limits
from bacctl.service.waiting import Waiting, WaitingRoom

_MIB = 2**20
Events = Generator[simpy.Event, Any, None]


@dataclass(frozen=True)
class Layout:
    """How a server is set up, as ``model_repository`` has it.

    Attributes
    ----------
    preprocess, segment, quantify : int
        Instances of the steps.
    limits : Limits
        What all instances of the first step together let in.
    """

    preprocess: int
    segment: int
    quantify: int
    limits: Limits


ON_CORES = Layout(1, 1, 1, Limits(512 * _MIB, 384 * _MIB, 4))
ON_CARD = Layout(4, 2, 3, Limits(512 * _MIB, 2048 * _MIB, 24))


@dataclass(frozen=True)
class Fleet:
    """Servers that are alike, and what they serve.

    Attributes
    ----------
    servers : int
        How many.
    cores : float
        Cores of a machine.
    times : Times
        What a view costs.
    layout : Layout
        How each server is set up.
    servers_a_machine : int
        How many share the cores of one machine.
    clients_beside : bool
        Whether what asks them works on their cores, as the shards of an archive's run do with servers of
        their own; otherwise its cores are no limit.
    file_bytes, work_bytes : int
        Of a view: its file, and what it takes of memory as `bac_imaging.read.size.work_bytes` counts it.
    mtbf_s : float
        How long a server lives on average, in seconds; lifetimes are exponential.
    restart_s : float
        How long it then takes until it answers again, in seconds.
    """

    servers: int
    cores: float
    times: Times
    layout: Layout = ON_CORES
    servers_a_machine: int = 1
    clients_beside: bool = False
    file_bytes: int = 8_618_400
    work_bytes: int = 34_473_600
    mtbf_s: float = math.inf
    restart_s: float = 60.0

    @property
    def machines(self) -> int:
        """How many machines there are."""
        return -(-self.servers // self.servers_a_machine)


class RefusedError(Exception):
    """The server has no room; the argument says after how many seconds it wants to be asked again."""


class DiedError(Exception):
    """The server is away, or died meanwhile."""


@dataclass(eq=False)
class _Asked:
    """A view that a server was asked to measure."""

    size: float
    prepared: simpy.Event


class _Entry:
    """An instance of the first step with its waiting room, as `bacctl.service.entry.Entry` is."""

    def __init__(self, env: simpy.Environment, fleet: Fleet, cores: Cores) -> None:
        limits, instances = fleet.layout.limits, fleet.layout.preprocess
        self._env = env
        self._fleet = fleet
        self._cores = cores
        self._most = max(
            1,
            min(
                limits.work_images // instances,
                limits.work_bytes // instances // fleet.work_bytes,
            ),
        )
        self._room: WaitingRoom[_Asked] = WaitingRoom(limits.waiting_bytes // instances)
        self._under_way = 0
        self._changed = env.event()
        self._worker = env.process(self._work())

    def add(self, size: float, caller: str) -> _Asked:
        one = _Asked(size, self._env.event())
        one.prepared.defused = True  # whoever asked may be gone when it is refused
        leaving = self._room.add(Waiting(one, caller, self._fleet.file_bytes, 0))
        for other in leaving:
            other.item.prepared.fail(RefusedError(self._again_s()))
        self._wake()
        return one

    def left(self) -> None:
        """Say that a view that was begun is no longer under way."""
        self._under_way -= 1
        self._wake()

    def end(self) -> None:
        self._worker.interrupt()

    def _again_s(self) -> float:
        waiting = self._room.bytes / self._fleet.file_bytes
        return min(max(math.ceil(waiting * self._fleet.times.core_s / self._fleet.cores), 1.0), 60.0)

    def _wake(self) -> None:
        if not self._changed.triggered:
            self._changed.succeed()

    def _work(self) -> Events:
        step = self._fleet.times.preprocess
        try:
            while True:
                waiting = self._room.first()
                if waiting is None or self._under_way >= self._most:
                    self._changed = self._env.event()
                    yield self._changed
                    continue
                self._room.take(waiting)
                self._under_way += 1
                yield from self._cores.work(step.core_s * waiting.item.size, step.most_cores)
                waiting.item.prepared.succeed()
        except simpy.Interrupt:
            return


class _Life:
    """A server from one start to its end."""

    def __init__(self, env: simpy.Environment, fleet: Fleet, cores: Cores) -> None:
        layout = fleet.layout
        self.entries = [_Entry(env, fleet, cores) for _ in range(layout.preprocess)]
        self.turn = itertools.cycle(self.entries)
        self.segment = simpy.Resource(env, layout.segment)
        self.quantify = simpy.Resource(env, layout.quantify)
        self.inside: set[simpy.Process] = set()

    def end(self) -> None:
        for process in tuple(self.inside):
            process.interrupt()
        for entry in self.entries:
            entry.end()


class Server:
    """One server of a fleet.

    Parameters
    ----------
    env : simpy.Environment
        The clock.
    fleet : Fleet
        What it is one of.
    cores : Cores
        Those of its machine.

    Attributes
    ----------
    deaths : int
        So far.
    card : Cores
        The card, which several instances of the network share.
    """

    def __init__(self, env: simpy.Environment, fleet: Fleet, cores: Cores) -> None:
        self._env = env
        self._fleet = fleet
        self._cores = cores
        self._life: _Life | None = _Life(env, fleet, cores)
        self.card = Cores(env, 1.0)
        self.deaths = 0

    def die(self) -> Events:
        """End, with all that is under way, and come back."""
        if self._life is None:
            return
        self.deaths += 1
        self._life.end()
        self._life = None
        yield self._env.timeout(self._fleet.restart_s)
        self._life = _Life(self._env, self._fleet, self._cores)

    def measure(self, size: float, caller: str) -> Events:
        """Measure a view; run inside the process of whoever asks.

        Raises
        ------
        RefusedError, DiedError
            It was not measured.
        """
        life, me = self._life, self._env.active_process
        if life is None or me is None:
            raise DiedError
        life.inside.add(me)
        try:
            yield from self._through(life, size, caller)
        except simpy.Interrupt:
            raise DiedError from None
        finally:
            life.inside.discard(me)

    def _through(self, life: _Life, size: float, caller: str) -> Events:
        entry = next(life.turn)
        yield entry.add(size, caller).prepared
        times = self._fleet.times
        try:
            with life.segment.request() as turn:
                yield turn
                if times.card_s is None:
                    yield from self._cores.work(times.segment.core_s * size, times.segment.most_cores)
                else:
                    yield from self.card.work(times.card_s * size)
            with life.quantify.request() as turn:
                yield turn
                yield from self._cores.work(times.quantify.core_s * size, times.quantify.most_cores)
        finally:
            entry.left()
