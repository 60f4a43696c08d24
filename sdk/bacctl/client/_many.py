"""Many images at a time: never more than allowed, none lost, and no more taken than results are."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any, TypeVar

from bac_terms.errors import from_catalogue

S = TypeVar("S")
R = TypeVar("R")


def in_flight(wanted: int) -> int:
    """Check how many images may be with the server at a time."""
    if isinstance(wanted, bool) or not isinstance(wanted, int) or wanted < 1:
        raise from_catalogue("BAC-CLIENT-OPTIONS", "max_in_flight is no whole number from one on")
    return wanted


def in_threads(
    work: Callable[[S], R], sources: Iterable[S], max_in_flight: int, ordered: bool
) -> Iterator[R]:
    """Work on several sources at a time.

    Parameters
    ----------
    work : callable
        From a source to its result.
    sources : iterable
        Taken as results are, `max_in_flight` ahead.
    max_in_flight : int
        How many at a time.
    ordered : bool
        Give results in the order of the sources; otherwise as they come.

    Yields
    ------
    object
        Results.
    """
    pool = ThreadPoolExecutor(max_in_flight, thread_name_prefix="bacctl")
    waiting: deque[Future[R]] = deque()
    try:
        for source in sources:
            waiting.append(pool.submit(work, source))
            if len(waiting) >= max_in_flight:
                yield _next(waiting, ordered)
        while waiting:
            yield _next(waiting, ordered)
    finally:
        # Not waited for: after Ctrl-C the caller wants to leave, and close() ends what is under way.
        pool.shutdown(wait=False, cancel_futures=True)


def _next(waiting: deque[Future[R]], ordered: bool) -> R:
    if ordered:
        return waiting.popleft().result()
    done, _ = wait(waiting, return_when=FIRST_COMPLETED)
    first = next(future for future in waiting if future in done)
    waiting.remove(first)
    return first.result()


async def in_tasks(
    work: Callable[[S], Awaitable[R]],
    sources: Iterable[S] | AsyncIterable[S],
    max_in_flight: int,
    ordered: bool,
) -> AsyncGenerator[R, None]:
    """Work on several sources at a time in one event loop; as `in_threads`, but for two things.

    Sources that come one by one (an asynchronous iterable) keep no result waiting, and what is under way is
    cancelled when nobody wants the results any more.
    """
    feed = _feed(sources)
    waiting: deque[asyncio.Future[R]] = deque()
    coming: asyncio.Future[S] | None = None
    more = True
    try:
        while more or waiting:
            if more and coming is None and len(waiting) < max_in_flight:
                coming = asyncio.ensure_future(anext(feed))
            front = [waiting[0]] if ordered and waiting else list(waiting)
            pending: list[asyncio.Future[Any]] = [*front, *([coming] if coming is not None else [])]
            await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            if coming is not None and coming.done():
                try:
                    waiting.append(asyncio.ensure_future(work(coming.result())))
                except StopAsyncIteration:
                    more = False
                coming = None
                continue  # as many as allowed are on their way before the next result is handed out
            first = next(task for task in front if task.done())
            waiting.remove(first)
            yield first.result()
    finally:
        left: list[asyncio.Future[Any]] = [*waiting, *([coming] if coming is not None else [])]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        await feed.aclose()


async def _feed(sources: Iterable[S] | AsyncIterable[S]) -> AsyncGenerator[S, None]:
    if isinstance(sources, AsyncIterable):
        async for source in sources:
            yield source
    else:
        for source in sources:
            yield source
