"""How far a run has come, how fast it is and how long it will still take: as a bar and as plain lines."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from bacctl.cli.guard import complain

if TYPE_CHECKING:
    from rich.progress import Task
    from rich.text import Text

_BETWEEN_LINES_S = 60.0


def pace(done: int, total: int | None, elapsed_s: float, unit: str) -> str:
    """Put the speed of a run and what is left of it into words, such as ``"2.1 s/image, 5 h 12 min left"``.

    By the mean of the whole run: images of one archive differ more among each other than its halves do. Empty
    as long as there is nothing to go by.
    """
    if done == 0 or elapsed_s <= 0.0:
        return ""
    each = elapsed_s / done
    speed = f"{each:.1f} s/{unit}" if each >= 1.0 else f"{1.0 / each:.1f} {unit}s/s"
    if total is None or done >= total:
        return speed
    return f"{speed}, {duration((total - done) * each)} left"


def duration(seconds: float) -> str:
    """Write a duration in the two units that matter, such as ``"5 h 12 min"``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


@contextmanager
def bar(verb: str, unit: str) -> Iterator[Callable[[int, int | None], None]]:
    """Show a bar on stderr, which must be a terminal; gone when the run is over."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, TextColumn
    from rich.text import Text

    class Pace(ProgressColumn):
        def render(self, task: Task) -> Text:
            total = None if task.total is None else int(task.total)
            return Text(pace(int(task.completed), total, task.elapsed or 0.0, unit))

    columns = (TextColumn(verb), BarColumn(), MofNCompleteColumn(), TextColumn(f"{unit}s"), Pace())
    # The bar redirects stderr but must leave stdout alone: data is written there.
    with Progress(*columns, console=Console(stderr=True), transient=True, redirect_stdout=False) as shown:
        task = shown.add_task("", total=None)
        yield lambda done, total: shown.update(task, completed=done, total=total)


class PlainLines:
    """Tells the state of a long run once a minute, in a line that a log can keep."""

    def __init__(self, verb: str, unit: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._verb, self._unit, self._clock = verb, unit, clock
        self._start = self._told = clock()

    def __call__(self, done: int, total: int | None) -> None:
        """Take note that so many of so many are done."""
        now = self._clock()
        if now - self._told >= _BETWEEN_LINES_S:
            self._told = now
            speed = pace(done, total, now - self._start, self._unit)
            how_many = str(done) if total is None else f"{done} of {total}"
            complain(f"{self._verb}: {how_many} {self._unit}s{', ' if speed else ''}{speed}")
