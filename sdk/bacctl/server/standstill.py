"""A server that hangs for good: calls are under way, none is answered, and no processor works on them."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bacctl.server.embedded import EmbeddedServer

STILL_S = 15.0
"""How long, in seconds. One that works, even on a crowded machine, uses more of a processor than `_IDLE`."""
_IDLE = 0.01  # of one processor; at rest it is a fifth of that
_LOOK_S = 1.0
_PROC = Path("/proc")
_TICKS = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100


class Standstill:
    """Watches one server while calls are under way, in a thread that is there only then.

    Parameters
    ----------
    server : EmbeddedServer
        It is stopped when it hangs: its calls break off, and whoever made them has it started again.
    """

    def __init__(self, server: EmbeddedServer) -> None:
        self._server = server
        self._lock = threading.Lock()
        self._calls = 0
        self._watching = False
        self._answers = 0

    @contextmanager
    def call(self) -> Iterator[None]:
        """Make a call; one that ends in whatever way shows that the server moves."""
        with self._lock:
            self._calls += 1
            if not self._watching:
                self._watching = True
                threading.Thread(target=self._watch, name="bacctl-standstill", daemon=True).start()
        try:
            yield
        finally:
            with self._lock:
                self._calls -= 1
                self._answers += 1

    def _watch(self) -> None:
        steps = self._server.steps
        still = Stillness(lambda: [] if steps is None else steps.processes())
        answers = -1
        while True:
            with self._lock:
                if self._calls == 0 or self._server.steps is not steps:
                    self._watching = False
                    return
                moved, answers = answers != self._answers, self._answers
            if moved:
                still.begin()
            elif still.lasts():
                self._server.stop()
            time.sleep(_LOOK_S)


class Stillness:
    """Tells how long some processes have used no processor.

    Parameters
    ----------
    processes : callable
        Returns their numbers.
    clock : callable, optional
        Seconds that never go back.
    """

    def __init__(
        self, processes: Callable[[], list[int]], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._processes = processes
        self._clock = clock
        self.begin()

    def begin(self) -> None:
        """Begin anew: they have moved."""
        self._since = self._looked = self._clock()
        self._used = sum(used for _, used in self._read())

    def lasts(self) -> bool:
        """Look, once a second or so; return whether they have stood still for `STILL_S`."""
        now, found = self._clock(), self._read()
        # Where this thread has not run either, the whole machine stood still. Whoever waits for a disk moves.
        paused, self._looked = now - self._looked > 5 * _LOOK_S, now
        used = sum(used for _, used in found) - self._used
        waits = any(state == "D" for state, _ in found)
        if not found or paused or waits or not 0.0 <= used <= _IDLE * STILL_S:
            self.begin()
            return False
        return now - self._since >= STILL_S

    def _read(self) -> list[tuple[str, float]]:
        """Return the state of each process and the seconds of processor that it has used."""
        found = []
        for pid in self._processes():
            try:
                fields = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            found.append((fields[0], (int(fields[11]) + int(fields[12])) / _TICKS))
        return found
