"""Who waits for the server: callers take turns, and there is only so much room.

Turns go by bytes: of two callers that both wait, the one that was given less so far comes next (start-time
fair queueing). A caller that comes anew begins where the others stand.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from dataclasses import dataclass
from itertools import count
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Waiting(Generic[T]):
    """Something that waits for its turn.

    Attributes
    ----------
    item : object
        What waits.
    caller : str
        Who sent it; empty for all who do not say.
    size : int
        Bytes that it holds while it waits, above 0.
    end_ns : int
        When nobody waits for it any more; 0 for never.
    """

    item: T
    caller: str
    size: int
    end_ns: int


_Place = tuple[float, int, Waiting[T]]


class WaitingRoom(Generic[T]):
    """Everything that waits for one step.

    Parameters
    ----------
    most_bytes : int
        How much may wait. One is always let in where nothing else waits.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._order: list[_Place[T]] = []
        self._arrival = count()
        self._now = 0.0
        self._served: dict[str, float] = {}  # where each caller that waits stands after all that it sent
        self._held: defaultdict[str, int] = defaultdict(int)
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._order)

    def add(self, entry: Waiting[T], *, last: bool = False) -> list[Waiting[T]]:
        """Let something in.

        Parameters
        ----------
        entry : Waiting
            It.
        last : bool, optional
            Whether it goes behind all that waits now.

        Returns
        -------
        list of Waiting
            What has to leave for it, itself perhaps: the newest of whoever holds most.
        """
        start = max(self._now, self._served.get(entry.caller, 0.0))
        if last:
            start = max([start, *self._served.values()])
        self._served[entry.caller] = start + entry.size
        heapq.heappush(self._order, (start, next(self._arrival), entry))
        self._held[entry.caller] += entry.size
        self.bytes += entry.size
        leaving: list[Waiting[T]] = []
        while self.bytes > self._most_bytes and len(self._order) > 1:
            greedy = max(self._held, key=self._held.__getitem__)
            newest = max((place for place in self._order if place[2].caller == greedy), key=_arrival)
            leaving.append(self._unserved(newest))
        return leaving

    def first(self) -> Waiting[T] | None:
        """Return whose turn it is, without taking it."""
        return self._order[0][2] if self._order else None

    def take(self, entry: Waiting[T]) -> bool:
        """Take something out whose turn has come; False where it is no longer here."""
        place = next((place for place in self._order if place[2] is entry), None)
        if place is None:
            return False
        self._now = max(self._now, place[0])
        self._remove(place)
        for caller in [name for name, stands in self._served.items() if stands <= self._now]:
            if caller not in self._held:
                del self._served[caller]
        return True

    def too_late(self, now_ns: int) -> list[Waiting[T]]:
        """Take out all that nobody waits for any more."""
        return [self._unserved(place) for place in list(self._order) if 0 < place[2].end_ns < now_ns]

    def clear(self) -> list[Waiting[T]]:
        """Take out everything."""
        return [self._unserved(place) for place in list(self._order)]

    def _unserved(self, place: _Place[T]) -> Waiting[T]:
        """Take out what was given nothing, and so costs its caller nothing."""
        self._remove(place)
        entry = place[2]
        self._served[entry.caller] -= entry.size
        return entry

    def _remove(self, place: _Place[T]) -> None:
        self._order.remove(place)
        heapq.heapify(self._order)
        entry = place[2]
        self.bytes -= entry.size
        self._held[entry.caller] -= entry.size
        if not self._held[entry.caller]:
            del self._held[entry.caller]


def _arrival(place: _Place[T]) -> int:
    return place[1]
