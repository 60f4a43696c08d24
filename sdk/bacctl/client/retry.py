"""When a call is tried again, and how long all its attempts may take together."""

from __future__ import annotations

import logging
import math
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import TYPE_CHECKING, Protocol, TypeVar

from bac_terms.errors import (
    ModelDiedError,
    ServerError,
    ServerOverloadedError,
    ServerUnavailableError,
    StartFailedError,
    TlsError,
    from_catalogue,
)
from bacctl._claim import is_mix_up
from bacctl.client.transports.weights import is_other

if TYPE_CHECKING:
    import stamina

T = TypeVar("T")

DEFAULT_RETRY_FOR_S = 60.0
"""Longer than a server takes to be started again."""
FIRST_WAIT_S = 0.2
LONGEST_WAIT_S = 1.0
"""Between two attempts, in seconds: the first, and what it doubles to."""
_SHORTEST_CALL_S = 0.001
_UNDER_WAY_S = 20.0
"""An attempt that lasted longer was with a server, or lost its connection: to connect takes less.

What it took is not time in which the server was known to be away.
"""
_MOST_OTHER_WEIGHTS = 8
"""So often the whole work on an image is done in vain before it fails: no server may have the right ones.

Behind a name or a front none can be left alone: where half of a fleet has them, 1 of 256 images fails.
"""

# Whoever sets up logging sees each retry; whoever does not is not told by Python's handler of last resort.
logging.getLogger("stamina").addHandler(logging.NullHandler())


class _Attempts(Protocol):
    """What `stamina.retry_context` gives: to be gone through in either way."""

    def __iter__(self) -> Iterator[stamina.Attempt]: ...
    def __aiter__(self) -> AsyncIterator[stamina.Attempt]: ...


class Retry:
    """One call with all its attempts.

    Parameters
    ----------
    timeout : float
        How long they may take together, in seconds; waits in between included.
    retry_for : float
        For how many seconds after the first failure another attempt may begin; 0 for none. They begin anew
        after an attempt that was long under way.
    max_retries : int or None, optional
        How many attempts may follow the first; None for as many as the time allows.
    clock : callable, optional
        Seconds that never go back.

    Attributes
    ----------
    mixed_up : bool
        Whether an attempt was answered with another image's result.

    Raises
    ------
    ClientUsageError
        One of them is not a number that can work.
    """

    def __init__(
        self,
        timeout: float,
        retry_for: float = DEFAULT_RETRY_FOR_S,
        max_retries: int | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if not _is_seconds(timeout) or not timeout > 0:
            raise from_catalogue("BAC-CLIENT-OPTIONS", "timeout is no number of seconds above zero")
        if not _is_seconds(retry_for) or not retry_for >= 0:
            raise from_catalogue("BAC-CLIENT-OPTIONS", "retry_for is no number of seconds from zero on")
        if max_retries is not None and (
            isinstance(max_retries, bool) or not isinstance(max_retries, int) or max_retries < 0
        ):
            raise from_catalogue("BAC-CLIENT-OPTIONS", "max_retries is no whole number from zero on")
        self._retry_for = retry_for
        self._left = max_retries
        self._clock = clock
        self._deadline = clock() + timeout
        self._began = clock()
        self._was_long = False
        self._failed_at: float | None = None
        self._tried = 0
        self._other_weights = 0
        self.mixed_up = False

    def time_left(self) -> float:
        """Return how long an attempt that starts now may take, in seconds; always above zero."""
        return max(self._deadline - self._clock(), _SHORTEST_CALL_S)

    @property
    def is_last(self) -> bool:
        """Whether the attempt that is under way is to have all the time that is left.

        None may follow it, or one was long under way already: a second would most likely end as that did.
        """
        return self._left == 0 or self._retry_for <= FIRST_WAIT_S or self._was_long

    def run(self, call: Callable[[float], T]) -> T:
        """Call until it succeeds or nothing more can help.

        Parameters
        ----------
        call : callable
            Is given the seconds that it may take.

        Returns
        -------
        object
            What the call gave.
        """
        for attempt in self._attempts():
            with attempt:
                self._began = self._clock()
                return call(self.time_left())
        raise AssertionError("the last attempt neither returned nor raised")

    async def run_async(self, call: Callable[[float], Awaitable[T]]) -> T:
        """Do the same with a call that is awaited."""
        async for attempt in self._attempts():
            with attempt:
                self._began = self._clock()
                return await call(self.time_left())
        raise AssertionError("the last attempt neither returned nor raised")

    def _attempts(self) -> _Attempts:
        import stamina

        return stamina.retry_context(on=self._again, attempts=None, timeout=None)

    def _again(self, error: Exception) -> float | bool:
        """Decide on another attempt and the wait before it: none where the wait could use up the time."""
        self.mixed_up = self.mixed_up or is_mix_up(error)
        self._other_weights += is_other(error)
        now = self._clock()
        # A refusal ends a wait in a queue, be it the server's or this client's own.
        is_long = now - self._began > _UNDER_WAY_S and not isinstance(error, ServerOverloadedError)
        self._was_long = self._was_long or is_long
        if self._failed_at is None or is_long:
            self._failed_at = now
        # Any moment of the second half of the wait: clients of one server do not come back all at once.
        # A server with other weights is not to be spared: another is called.
        times = 0 if is_other(error) else self._tried
        most = min(FIRST_WAIT_S * 2.0**times, LONGEST_WAIT_S)
        asked = error.retry_after_s if isinstance(error, ServerError) else None
        wait: float = max(most * random.uniform(0.5, 1.0), asked or 0.0)  # noqa: S311  # no secret
        ends = min(self._deadline, self._failed_at + self._retry_for)
        if not can_help(error) or self._left == 0 or now + wait >= ends:
            return False
        if self._other_weights >= _MOST_OTHER_WEIGHTS:
            return False
        self._tried += 1
        if self._left is not None:
            self._left -= 1
        return wait


def can_help(error: Exception) -> bool:
    """Tell whether the same call may succeed later or elsewhere.

    The server is away, is being started or brought back, has no room, mixes up answers, or has other weights
    than the next may have. To measure an image twice is safe. Not where the two sides do not agree on TLS,
    nor where a server of one's own cannot be started.
    """
    if isinstance(error, (TlsError, StartFailedError)):
        return False
    passing = (ServerUnavailableError, ServerOverloadedError, ModelDiedError)
    return isinstance(error, passing) or is_mix_up(error) or is_other(error)


def _is_seconds(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
