"""How much one client has with its servers at a time, whatever its caller asks for.

Images beyond that wait here, where they cost nothing but their files, and go out in the order that they came.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import asynccontextmanager, contextmanager

from bac_terms.errors import BacctlError, from_catalogue

MOST_BYTES = 2**30
"""For each server, of what `bac_imaging.read.size.work_bytes` counts."""
_SHORTEST_CALL_S = 0.001


class Room:
    """Bytes of one client's images under way, for threads and for event loops.

    Parameters
    ----------
    most_bytes : int
        How many. One image is always let through where no other is under way.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._held = 0
        self._under_way = 0
        self._waiting: deque[tuple[int, Future[None]]] = deque()
        self._lock = threading.Lock()

    @contextmanager
    def taken(self, size: int, left_s: float) -> Iterator[float]:
        """Wait for room, and hold it meanwhile.

        Parameters
        ----------
        size : int
            Bytes.
        left_s : float
            How long may be waited, in seconds.

        Yields
        ------
        float
            How much of that is left, above zero.

        Raises
        ------
        ServerTimeoutError
            BAC-SERVER-TIMEOUT: there was none in time.
        """
        start = time.monotonic()
        turn = self._ask(size)
        try:
            turn.result(left_s)
        except BaseException as error:
            self._withdraw(size, turn)
            raise (_late() if isinstance(error, FutureTimeoutError) else error) from None
        try:
            yield _rest(left_s, start)
        finally:
            self._free(size)

    @asynccontextmanager
    async def taken_async(self, size: int, left_s: float) -> AsyncIterator[float]:
        """Do the same in an event loop."""
        start = time.monotonic()
        turn = self._ask(size)
        try:
            if not turn.done():
                await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(turn)), left_s)
        except BaseException as error:
            self._withdraw(size, turn)
            raise (_late() if isinstance(error, asyncio.TimeoutError) else error) from None
        try:
            yield _rest(left_s, start)
        finally:
            self._free(size)

    def _ask(self, size: int) -> Future[None]:
        turn: Future[None] = Future()
        with self._lock:
            self._waiting.append((size, turn))
            self._let_through()
        return turn

    def _withdraw(self, size: int, turn: Future[None]) -> None:
        with self._lock:
            if (size, turn) in self._waiting:
                self._waiting.remove((size, turn))
                self._let_through()  # it may have stood in the way of smaller ones
                return
        self._free(size)  # let through at the last moment

    def _free(self, size: int) -> None:
        with self._lock:
            self._held -= size
            self._under_way -= 1
            self._let_through()

    def _let_through(self) -> None:
        while self._waiting:
            size, turn = self._waiting[0]
            if self._under_way and self._held + size > self._most_bytes:
                return
            self._waiting.popleft()
            self._held += size
            self._under_way += 1
            turn.set_result(None)


def _late() -> BacctlError:
    return from_catalogue("BAC-SERVER-TIMEOUT", "the images sent before it were not answered in time")


def _rest(left_s: float, start: float) -> float:
    return max(left_s - (time.monotonic() - start), _SHORTEST_CALL_S)
