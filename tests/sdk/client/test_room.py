"""How much a client has with its servers at a time."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from bac_terms.errors import ServerTimeoutError
from bacctl.client._room import Room


def test_what_finds_room_does_not_wait() -> None:
    room = Room(100)
    with room.taken(60, 5.0) as left, room.taken(40, 5.0) as other:
        assert 4.0 < left <= 5.0
        assert 4.0 < other <= 5.0


def test_never_more_than_may_be_and_in_the_order_of_asking() -> None:
    room, lock = Room(100), threading.Lock()
    held, most = 0, 0

    def work(size: int) -> None:
        nonlocal held, most
        with room.taken(size, 30.0):
            with lock:
                held += size
                most = max(most, held)
            time.sleep(0.002)
            with lock:
                held -= size

    with ThreadPoolExecutor(12) as pool:
        list(pool.map(work, [30, 50, 100, 10] * 20))
    assert held == 0
    assert most <= 100


def test_one_that_is_too_large_goes_alone() -> None:
    room = Room(100)
    with room.taken(500, 1.0), pytest.raises(ServerTimeoutError), room.taken(1, 0.05):
        pass
    with room.taken(1, 1.0):
        pass


def test_one_that_gives_up_does_not_hold_up_who_comes_after() -> None:
    room = Room(100)
    with room.taken(50, 1.0):
        with pytest.raises(ServerTimeoutError, match="images sent before"), room.taken(90, 0.05):
            pass
        with room.taken(50, 1.0):
            pass


def test_an_event_loop_shares_it_with_threads() -> None:
    room = Room(100)

    async def main() -> None:
        with room.taken(80, 1.0):
            with pytest.raises(ServerTimeoutError):
                async with room.taken_async(50, 0.05):
                    pass
            waiting = asyncio.ensure_future(_take(room))
            await asyncio.sleep(0.01)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            async with room.taken_async(20, 1.0) as left:
                assert 0.0 < left <= 1.0
            later = asyncio.ensure_future(_take(room))
            await asyncio.sleep(0.01)
            assert not later.done()
        assert await later == "taken"
        async with room.taken_async(100, 1.0):
            pass

    asyncio.run(main())


async def _take(room: Room) -> str:
    async with room.taken_async(50, 5.0):
        return "taken"
