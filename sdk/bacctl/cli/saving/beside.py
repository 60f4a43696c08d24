"""Work on what comes one by one, beside the coming of the next."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from types import TracebackType
from typing import Generic, TypeVar

from bacctl.cli.stopping import deferred

T = TypeVar("T")


class Beside(Generic[T]):
    """Works on items in the order in which they are given, in a thread of its own.

    What was given is worked on, whatever ends the block: no signal reaches that thread.

    Parameters
    ----------
    work : callable
        Is given each item.
    most : int, optional
        How many items may wait or be under way; whoever gives another one waits until there is room.

    Examples
    --------
    >>> with Beside(print) as printer:
    ...     printer.give("one")
    one
    """

    def __init__(self, work: Callable[[T], None], most: int = 2) -> None:
        self._work = work
        self._most = most
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="bacctl-beside")
        self._given: deque[Future[None]] = deque()

    def give(self, item: T) -> None:
        """Have an item worked on.

        Raises
        ------
        Exception
            What the work on an item before it has raised.
        """
        with deferred():  # neither lost nor given twice
            self._given.append(self._pool.submit(self._work, item))
        while len(self._given) >= self._most or (self._given and self._given[0].done()):
            self._given[0].result()
            self._given.popleft()

    def __enter__(self) -> Beside[T]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        with deferred():
            wait(self._given)
            self._pool.shutdown()
        faults = [fault for work in self._given if (fault := work.exception()) is not None]
        if faults and kind is None:
            raise faults[0]
