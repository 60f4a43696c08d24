"""What a fleet is asked: a screening day, whose exams come by the clock, and an archive's images."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Day:
    """Exams that come by the clock, whatever was answered by then; the views of one come together.

    Attributes
    ----------
    per_hour : tuple of float
        Exams that are expected in each hour, from the opening on. Within an hour they come at random, evenly
        (a Poisson process).
    views : int
        Of an exam.
    """

    per_hour: tuple[float, ...]
    views: int = 4

    @property
    def length_s(self) -> float:
        """How long exams come, in seconds."""
        return 3600.0 * len(self.per_hour)

    def exams(self, draw: random.Random, sizes: Sequence[float]) -> Iterator[tuple[float, list[float]]]:
        """Draw when exams come, in seconds from the opening on, and what their views cost, out of `sizes`."""
        for hour, count in enumerate(self.per_hour):
            now = 0.0
            while count > 0 and (now := now + draw.expovariate(count / 3600.0)) < 3600.0:
                yield 3600.0 * hour + now, [draw.choice(sizes) for _ in range(self.views)]


@dataclass(frozen=True)
class Trace:
    """Exams that came, to be simulated as they were.

    Attributes
    ----------
    came_s : tuple of float
        When each came, in seconds, ascending.
    sizes : tuple of tuple of float
        What the views of each cost, in that of the mean view.
    """

    came_s: tuple[float, ...]
    sizes: tuple[tuple[float, ...], ...]

    def exams(self, draw: random.Random, sizes: Sequence[float]) -> Iterator[tuple[float, list[float]]]:
        """Return them; nothing is drawn."""
        for at_s, of in zip(self.came_s, self.sizes, strict=True):
            yield at_s, list(of)


@dataclass(frozen=True)
class BackFill:
    """Images of an archive: so many are always under way, the next one goes out as one is answered.

    Attributes
    ----------
    in_flight : int
        How many for each server.
    images : int
        How many there are.
    """

    in_flight: int
    images: int


def opening_hours(exams: float, hours: int, busiest: float) -> tuple[float, ...]:
    """Spread a day's exams: one hour in the middle so many times the average, all others alike.

    Raises
    ------
    ValueError
        That leaves no exams, or less than none, for the others.
    """
    if hours < 1 or exams <= 0:
        raise ValueError("a day has at least one hour and more than no exam")
    if not 1.0 <= busiest <= hours:
        raise ValueError(f"the busiest of {hours} hours has 1 to {hours} times the average")
    mean = exams / hours
    others = mean * (hours - busiest) / (hours - 1) if hours > 1 else mean
    return tuple(mean * busiest if hour == hours // 2 else others for hour in range(hours))
