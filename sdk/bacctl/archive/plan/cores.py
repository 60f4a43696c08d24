"""Cores that processes share, as an operating system shares them out."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import simpy

_DONE_S = 1e-9  # what is left by rounding


@dataclass(eq=False)
class _Work:
    left: float
    most: float
    done: simpy.Event
    rate: float = 0.0


class Cores:
    """Processor sharing: what runs gets equal shares, none more than it can use.

    Parameters
    ----------
    env : simpy.Environment
        The clock.
    count : float
        How many there are; infinite where they are no limit.
    """

    def __init__(self, env: simpy.Environment, count: float) -> None:
        self._env = env
        self._count = count
        self._running: list[_Work] = []
        self._since = 0.0
        self._timer: simpy.Event | None = None
        self._fires_s = float("inf")
        self.worked = 0.0
        """Core seconds so far."""

    def work(self, core_s: float, most: float = 1.0) -> Generator[simpy.Event, Any, None]:
        """Work so many core seconds on at most so many cores; what interrupts it ends the work too."""
        if core_s <= 0:
            return
        one = _Work(core_s, most, self._env.event())
        self._advance()
        self._running.append(one)
        self._share()
        try:
            yield one.done
        finally:
            if not one.done.triggered:
                self._advance()
                self._running.remove(one)
                self._share()

    def _advance(self) -> None:
        passed = self._env.now - self._since
        self._since = self._env.now
        if passed > 0:
            for one in self._running:
                one.left -= one.rate * passed
                self.worked += one.rate * passed

    def _share(self) -> None:
        """Give everybody an equal share, and what some cannot use to the others; then wait for the first."""
        left, of = self._count, len(self._running)
        first_s = float("inf")
        for one in sorted(self._running, key=lambda work: work.most):
            one.rate = min(one.most, left / of)
            left -= one.rate
            of -= 1
            first_s = min(first_s, max(one.left, 0.0) / one.rate)
        at = self._env.now + first_s
        # A timer that rings too early sets itself anew, which is cheaper than one for each change.
        if self._running and (self._timer is None or at < self._fires_s):
            self._timer = self._env.timeout(first_s)
            self._fires_s = at
            self._timer.callbacks.append(self._rings)

    def _rings(self, timer: simpy.Event) -> None:
        if timer is not self._timer:
            return
        self._timer = None
        self._advance()
        # By time and not by work: a rest too small to move the clock must not be waited for.
        finished = [one for one in self._running if one.left <= _DONE_S * max(one.rate, 1.0)]
        for one in finished:
            self._running.remove(one)
            one.done.succeed()
        self._share()
