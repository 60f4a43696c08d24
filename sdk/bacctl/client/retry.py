"""When a call is tried again, and how long all its attempts may take together."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import TYPE_CHECKING, Protocol, TypeVar

from bac_terms.errors import ServerOverloadedError, ServerUnavailableError, TlsError, from_catalogue
from bacctl._claim import is_mix_up

if TYPE_CHECKING:
    import stamina

T = TypeVar("T")

DEFAULT_MAX_RETRIES = 2
_FIRST_WAIT_S = 0.2
_LONGEST_WAIT_S = 5.0
_JITTER_S = 0.3
_SHORTEST_CALL_S = 0.001

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
    max_retries : int
        How many attempts may follow the first.
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
        self, timeout: float, max_retries: int, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        if not isinstance(timeout, (int, float)) or not (timeout > 0 and math.isfinite(timeout)):
            raise from_catalogue("BAC-CLIENT-OPTIONS", "timeout is no number of seconds above zero")
        if isinstance(max_retries, bool) or not isinstance(max_retries, int) or max_retries < 0:
            raise from_catalogue("BAC-CLIENT-OPTIONS", "max_retries is no whole number from zero on")
        self._max_retries = max_retries
        self._clock = clock
        self._deadline = clock() + timeout
        self._tried = 0
        self.mixed_up = False

    def time_left(self) -> float:
        """Return how long an attempt that starts now may take, in seconds; always above zero."""
        return max(self._deadline - self._clock(), _SHORTEST_CALL_S)

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
                return call(self.time_left())
        raise AssertionError("the last attempt neither returned nor raised")

    async def run_async(self, call: Callable[[float], Awaitable[T]]) -> T:
        """Do the same with a call that is awaited."""
        async for attempt in self._attempts():
            with attempt:
                return await call(self.time_left())
        raise AssertionError("the last attempt neither returned nor raised")

    def _attempts(self) -> _Attempts:
        import stamina

        return stamina.retry_context(
            on=self._again,
            attempts=self._max_retries + 1,
            timeout=None,
            wait_initial=_FIRST_WAIT_S,
            wait_max=_LONGEST_WAIT_S,
            wait_jitter=_JITTER_S,
        )

    def _again(self, error: Exception) -> bool:
        """Decide on another attempt: not where the wait alone could use up the time."""
        longest_wait = min(_FIRST_WAIT_S * 2**self._tried + _JITTER_S, _LONGEST_WAIT_S)
        self._tried += 1
        self.mixed_up = self.mixed_up or is_mix_up(error)
        return can_help(error) and self._deadline - self._clock() > longest_wait


def can_help(error: Exception) -> bool:
    """Tell whether the same call may succeed later or elsewhere: it is away, has no room or mixes up."""
    if isinstance(error, TlsError):
        return False
    return isinstance(error, (ServerUnavailableError, ServerOverloadedError)) or is_mix_up(error)
