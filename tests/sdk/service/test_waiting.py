"""Whose turn it is, and who has to leave."""

from __future__ import annotations

import random
from collections import Counter

from bacctl.service.waiting import Waiting, WaitingRoom


def waiting(name: str, caller: str = "", size: int = 10, end_ns: int = 0) -> Waiting[str]:
    return Waiting(name, caller, size, end_ns)


def served(room: WaitingRoom[str], most: int = 1000) -> list[str]:
    out: list[str] = []
    while (entry := room.first()) is not None and len(out) < most:
        assert room.take(entry)
        out.append(entry.item)
    return out


def test_one_caller_is_served_in_the_order_of_arrival() -> None:
    room: WaitingRoom[str] = WaitingRoom(1000)
    for name in "abcdef":
        assert room.add(waiting(name)) == []
    assert room.bytes == 60
    assert served(room) == list("abcdef")
    assert (room.bytes, len(room)) == (0, 0)


def test_callers_take_turns_however_much_one_sent() -> None:
    room: WaitingRoom[str] = WaitingRoom(10_000)
    for _ in range(64):
        room.add(waiting("heavy", "heavy"))
    served(room, 3)
    for caller in "abc":
        room.add(waiting(caller, caller))
    # Each of the three after one of the heavy caller's at most.
    assert Counter(served(room, 4)) == Counter(["a", "b", "c", "heavy"])


def test_turns_go_by_bytes() -> None:
    room: WaitingRoom[str] = WaitingRoom(10_000)
    for _ in range(10):
        room.add(waiting("large", "large", 40))
    for _ in range(40):
        room.add(waiting("small", "small", 10))
    assert Counter(served(room, 20))["large"] == 4


def test_a_caller_cannot_save_up_turns_by_waiting() -> None:
    room: WaitingRoom[str] = WaitingRoom(10_000)
    for _ in range(50):
        room.add(waiting("busy", "busy"))
    served(room, 40)
    for _ in range(10):
        room.add(waiting("late", "late"))
    assert Counter(served(room, 10)) == Counter(busy=5, late=5)


def test_whoever_holds_most_gives_up_its_newest() -> None:
    room: WaitingRoom[str] = WaitingRoom(50)
    for number in range(5):
        assert room.add(waiting(f"heavy {number}", "heavy")) == []
    assert [entry.item for entry in room.add(waiting("light", "light"))] == ["heavy 4"]
    assert [entry.item for entry in room.add(waiting("heavy 5", "heavy"))] == ["heavy 5"]
    assert room.bytes == 50
    assert "light" in served(room, 2)


def test_one_that_is_larger_than_the_room_is_let_in_where_nothing_else_waits() -> None:
    room: WaitingRoom[str] = WaitingRoom(50)
    assert room.add(waiting("large", size=80)) == []
    assert [entry.item for entry in room.add(waiting("next"))] == ["next"]


def test_what_nobody_waits_for_leaves() -> None:
    room: WaitingRoom[str] = WaitingRoom(1000)
    for name, end_ns in (("gone", 5), ("patient", 0), ("in time", 50)):
        room.add(waiting(name, end_ns=end_ns))
    assert [entry.item for entry in room.too_late(20)] == ["gone"]
    assert served(room) == ["patient", "in time"]


def test_the_last_goes_behind_all_that_wait() -> None:
    room: WaitingRoom[str] = WaitingRoom(1000)
    for number in range(6):
        room.add(waiting(f"heavy {number}", "heavy"))
    room.add(waiting("last", "keeper"), last=True)
    room.add(waiting("light", "light"))
    order = served(room)
    assert order[-1] == "last"
    assert order.index("light") < 3


def test_nothing_is_lost_or_doubled_and_nothing_is_remembered_for_ever() -> None:
    chance = random.Random(7)
    room: WaitingRoom[str] = WaitingRoom(400)
    came, left = [], []
    for number in range(2000):
        name = f"{number}"
        came.append(name)
        entry = waiting(
            name, f"caller {chance.randrange(30)}", chance.randrange(1, 60), chance.choice((0, number + 5))
        )
        left += [other.item for other in room.add(entry, last=chance.random() < 0.05)]
        left += [other.item for other in room.too_late(number)]
        if chance.random() < 0.5:
            left += served(room, 1)
        assert room.bytes <= 400
    left += served(room)
    assert sorted(left) == sorted(came)
    assert room.bytes == len(room) == len(room._held) == 0
    assert len(room._served) <= 1
