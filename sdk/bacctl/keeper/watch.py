"""Looks after a server: asks it with a test image now and then, and says when it has failed.

The death of a model's process leaves Triton 2.51 "ready" and every request failing, and nothing brings the
process back but a new server. One whose steps mixed up images is not believed again.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from bac_terms.errors import BacctlError, ModelDiedError, ServerOverloadedError, ServerTimeoutError
from bacctl._claim import is_mix_up

LOOK_S = 0.5


@dataclass(frozen=True)
class WatchRules:
    """When a server is asked and when it has failed."""

    every_s: float = 30.0  # between two test images, in seconds
    again_s: float = 1.0  # after one that failed, in seconds: one failure may be a coincidence
    tolerated: int = 2  # how many in a row are too many


class Watch:
    """Watches one server. What becomes of one that has failed is for the caller to say.

    Parameters
    ----------
    name : str
        What the server is called in messages.
    ask : callable
        Has the server measure a test image; raises BacctlError where it does not.
    tell : callable
        Gets one line for each test image that fails.
    ended : callable
        Returns in one line how the server ended by itself; None while it runs.
    mixed_up : callable
        Says whether the server found that its steps mixed up images: no test image is waited for then.
    answered : callable, optional
        Returns how many requests the server has answered so far: a test image that does not come back in time
        from a server that answers others is only waiting behind them.
    rules : WatchRules, optional
        When.
    ready : bool, optional
        Whether it has measured a test image already. Before the first one failures do not count: loading may
        take minutes.
    clock : callable, optional
        Seconds that never go back.
    """

    def __init__(
        self,
        name: str,
        ask: Callable[[], object],
        tell: Callable[[str], object],
        ended: Callable[[], str | None],
        mixed_up: Callable[[], bool],
        answered: Callable[[], int] | None = None,
        rules: WatchRules | None = None,
        ready: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name = name
        self._ask = ask
        self._tell = tell
        self._ended = ended
        self._mixed_up = mixed_up
        self._answered = answered
        self._rules = rules or WatchRules()
        self._clock = clock
        self.ready = ready
        self._count = self._failures = 0
        self._due = clock() + (self._rules.every_s if ready else 0.0)

    def faults(self, stop: threading.Event) -> Iterator[str]:
        """Look twice a second until told to stop.

        Yields
        ------
        str
            Why the server cannot go on. Whoever then goes on looking has started it again.
        """
        while not stop.wait(LOOK_S):
            why = self._look(stop)
            if why is not None:
                yield why
                self._count = 0
                self._well()

    def _look(self, stop: threading.Event) -> str | None:
        mixed_up = f"{self._name} gave a request the answer to another"
        why = self._ended() or (mixed_up if self._mixed_up() else None)
        if why is not None or self._clock() < self._due:
            return why
        try:
            self._ask()
        except BacctlError as error:
            if is_mix_up(error):
                return mixed_up
            return None if stop.is_set() else self._failed(error)  # cut off by the end, it is no failure
        self._well()
        return None

    def _failed(self, error: BacctlError) -> str | None:
        if isinstance(error, (ServerTimeoutError, ServerOverloadedError)) and self._moves():
            self._well()
            return None
        rules = self._rules
        self._due = self._clock() + rules.again_s
        if not self.ready:
            return None
        self._failures += 1
        if isinstance(error, ModelDiedError):  # no coincidence: it does not come back by itself
            return f"a model of {self._name} has died or hangs"
        self._tell(f"test image {self._failures} of {rules.tolerated} failed: {error}")
        return f"{self._name} measures no test image any more" if self._failures >= rules.tolerated else None

    def _moves(self) -> bool:
        """Tell whether others have been answered since this was asked last."""
        try:
            count = 0 if self._answered is None else self._answered()
        except BacctlError:
            return False
        before, self._count = self._count, count
        return count > before

    def _well(self) -> None:
        self.ready = True
        self._failures = 0
        self._due = self._clock() + self._rules.every_s
