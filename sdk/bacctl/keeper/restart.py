"""Starts an embedded server again, unless it has to be done too often."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from bac_terms.errors import BacctlError, unavailable

if TYPE_CHECKING:
    from bacctl.server.embedded import EmbeddedServer

# A server that does not stay up is better given up than kept coming and going.
MOST, WITHIN_S = 5, 3600.0


class Restarts:
    """The new starts of one server.

    Parameters
    ----------
    server : EmbeddedServer
        Started.
    ask : callable
        Has the server measure a test image; raises BacctlError where it does not.
    tell : callable
        Gets one line for each new start and what came of it.
    clock : callable, optional
        Seconds that never go back.
    """

    def __init__(
        self,
        server: EmbeddedServer,
        ask: Callable[[], object],
        tell: Callable[[str], object],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._server = server
        self._ask = ask
        self._tell = tell
        self._clock = clock
        self._starts: list[float] = []

    def start_again(self, why: str) -> None:
        """Start the server again until it measures a test image.

        Raises
        ------
        ServerUnavailableError
            This was needed too often.
        """
        while True:
            now = self._clock()
            self._starts = [moment for moment in self._starts if now - moment < WITHIN_S]
            if len(self._starts) >= MOST:
                raise unavailable(
                    f"{why}, after {MOST} new starts within {WITHIN_S / 60:.0f} minutes",
                    "run again with --log FILE to see why",
                )
            self._starts.append(now)
            self._tell(f"{why}: starting it again ({len(self._starts)} of at most {MOST})")
            try:
                self._server.restart()
                self._ask()
            except BacctlError as error:
                why = f"the new start failed ({error})"
                continue
            self._tell(f"the server answers again at {self._server.url}, after {self._clock() - now:.1f} s")
            return
