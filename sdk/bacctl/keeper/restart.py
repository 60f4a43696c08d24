"""Starts an embedded server again, or the step of it that died, unless it does not stay up."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from bac_terms.errors import BacctlError, unavailable

if TYPE_CHECKING:
    from bacctl.server.embedded import EmbeddedServer

MOST = 8
"""How many new starts in a row, none of them followed by `WELL_S` seconds without another."""
WELL_S = 60.0
_FIRST_WAIT_S, _LONGEST_WAIT_S = 1.0, 30.0


class Restarts:
    """The new starts of one server.

    The first of a row is made at once, the next after 1 s, 2 s, 4 s and so on to 30 s: what keeps a server
    from starting may pass.

    Parameters
    ----------
    server : EmbeddedServer
        Started.
    ask : callable
        Has the server measure a test image; raises BacctlError where it does not.
    tell : callable
        Gets one line for each new start and what came of it.
    revive : callable
        Has the server load its dead steps again; returns whether that came about.
    wait : callable
        Waits for some seconds and returns whether to give up, since the service is to end.
    clock : callable, optional
        Seconds that never go back.
    """

    def __init__(
        self,
        server: EmbeddedServer,
        ask: Callable[[], object],
        tell: Callable[[str], object],
        revive: Callable[[], bool],
        wait: Callable[[float], bool],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._server = server
        self._ask = ask
        self._tell = tell
        self._revive = revive
        self._wait = wait
        self._clock = clock
        self._row = 0
        self._up_since = clock()

    def start_again(self, why: str) -> None:
        """Bring the server back until it measures a test image, or until it is to end.

        Raises
        ------
        ServerUnavailableError
            It does not stay up.
        """
        if self._clock() - self._up_since >= WELL_S:
            self._row = 0
        began = self._clock()
        while True:
            if self._row >= MOST:
                raise unavailable(
                    f"{why}, after {MOST} new starts in a row", "run again with --log FILE to see why"
                )
            pause = min(_FIRST_WAIT_S * 2 ** (self._row - 1), _LONGEST_WAIT_S) if self._row else 0.0
            self._row += 1
            soon = f" in {pause:.0f} s" if pause else ""
            self._tell(f"{why}: starting it again{soon} ({self._row} of at most {MOST} in a row)")
            if pause and self._wait(pause):
                return
            try:
                if not self._revived():
                    self._server.restart()
                    self._ask()
            except BacctlError as error:
                why = f"the new start failed ({error})"
                continue
            self._up_since = self._clock()
            self._tell(
                f"the server answers again at {self._server.url}, after {self._up_since - began:.1f} s"
            )
            return

    def _revived(self) -> bool:
        """Bring back what has died in a server that runs; where that fails, all of it is started anew."""
        if not self._server.dead_steps() or self._server.mixed_up or not self._revive():
            return False
        try:
            self._ask()
        except BacctlError:
            return False
        return True
