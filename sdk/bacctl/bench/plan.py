"""How much is measured, and what every part of the benchmark gets to do it with."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from bacctl.bench.drive import Driven
from bacctl.bench.figures import Notebook

T = TypeVar("T")


@dataclass(frozen=True)
class Amount:
    """How much is measured.

    Attributes
    ----------
    rounds : int
        How often each figure is measured, all subjects in turn in each round.
    views : int
        How many images a round sends.
    in_flight : tuple of int
        How many callers there are, in turn.
    with_density : int
        How many there are where the density is asked for too.
    arrivals : int
        How many images are sent by the clock, at each load.
    arrivals_s : float
        For how long they come at most.
    memory_images : int
        After how many images memory is looked at for the last time.
    memory_s : float
        After how many seconds no more are sent for that.
    cold_rounds : int
        How often a command is started cold.
    sizes : tuple of float
        Areas of the detector, in that of the image.
    counts : tuple of int
        Numbers of images whose cost is compared.
    """

    rounds: int = 5
    views: int = 8
    in_flight: tuple[int, ...] = (1, 2, 3, 4, 8)
    with_density: int = 4
    arrivals: int = 200
    arrivals_s: float = 90.0
    memory_images: int = 48
    memory_s: float = 900.0
    cold_rounds: int = 3
    sizes: tuple[float, ...] = (1.0, 1.5, 2.0)
    counts: tuple[int, ...] = (4, 8, 16)


USUAL = Amount()
QUICK = Amount(
    rounds=1,
    views=1,
    in_flight=(1, 2),
    with_density=2,
    arrivals=2,
    memory_images=4,
    cold_rounds=1,
    sizes=(1.0, 2.0),
    counts=(1, 2),
)
"""Enough to see that everything works; its figures mean nothing."""


@dataclass(frozen=True)
class Bench:
    """What a part has to work with.

    Attributes
    ----------
    amount : Amount
        How much to measure.
    images : sequence of Path
        What to send; every subject has measured each once.
    driven : sequence of Driven
        The subjects with their servers, the first the one that others are held against.
    notes : Notebook
        Takes the values.
    folder : Path
        Where a part may write.
    progress : callable
        Told what is measured now.
    """

    amount: Amount
    images: Sequence[Path]
    driven: Sequence[Driven]
    notes: Notebook
    folder: Path
    progress: Callable[[str], None]

    def in_turn(self, rounds: int, of: Sequence[T]) -> Iterator[tuple[int, Sequence[T]]]:
        """Yield rounds, each with all subjects; who goes first changes from round to round."""
        for number in range(rounds):
            yield number, list(of) if number % 2 == 0 else list(reversed(of))
