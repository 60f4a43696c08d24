"""How long a call may go unanswered before it is sent once more.

A server may lose a call and go on measuring others: Triton 2.51 does, now and then, where the process of its
first step is replaced. Nothing ends such a call but its own time, in which many could have been measured.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from bac_terms.errors import ServerTimeoutError, from_catalogue

LEAST_S = 60.0
"""So long every call may take: images differ in size, and other clients come and go."""
_TIMES = 20.0
"""As many times as long as calls took lately may one take; a crowded server is slow with all of them."""
_ENOUGH, _REMEMBERED = 8, 32
_NEARLY = 0.9


class Patience:
    """Remembers how long the calls of one client took, and ends one that takes far longer.

    Parameters
    ----------
    clock : callable, optional
        Seconds that never go back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._took: deque[float] = deque(maxlen=_REMEMBERED)
        self._lock = threading.Lock()

    @contextmanager
    def call(self, left_s: float, *, is_last: bool = False) -> Iterator[float]:
        """Make a call.

        Parameters
        ----------
        left_s : float
            How long it may take at most, in seconds.
        is_last : bool, optional
            Whether it is not to be sent once more: it then has all of that.

        Yields
        ------
        float
            How long it may take now.

        Raises
        ------
        ServerUnavailableError
            BAC-SERVER-UNAVAILABLE, in the place of a timeout: there is time to send it once more.
        """
        usual_s = self._usual_s()
        most_s = left_s if is_last or usual_s is None else max(LEAST_S, _TIMES * usual_s)
        if left_s < 2.0 * most_s:  # too little would be left for another
            most_s = left_s
        began = self._clock()
        try:
            yield min(most_s, left_s)
        except ServerTimeoutError:
            # A server may say sooner that time is up: by a time of its own, which this does not lengthen.
            if most_s >= left_s or self._clock() - began < _NEARLY * most_s:
                raise
            why = f"a call was not answered in {most_s:.0f} s, where {usual_s:.1f} s were usual"
            raise from_catalogue("BAC-SERVER-UNAVAILABLE", why) from None
        with self._lock:
            self._took.append(self._clock() - began)

    def _usual_s(self) -> float | None:
        with self._lock:
            took = sorted(self._took)
        return took[len(took) // 2] if len(took) >= _ENOUGH else None
