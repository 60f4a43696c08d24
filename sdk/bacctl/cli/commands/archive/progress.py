"""How a run over an archive goes, in words: a bar on a terminal, a line a minute elsewhere."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from bacctl.cli.guard import complain
from bacctl.cli.pace import pace
from bacctl.cli.sink import Sink

if TYPE_CHECKING:
    from bacctl.archive.run.loop import Progress

_BETWEEN_LINES_S = 60.0
_MOST_CODES = 4


class Watcher:
    """Tells of a run, as `bacctl.archive.run.loop.Watcher` has it."""

    def __init__(self, sink: Sink, show: Callable[[Progress], None]) -> None:
        self._sink = sink
        self._show = show

    def show(self, progress: Progress) -> None:
        """Show how far it is."""
        self._show(progress)

    def talk(self, text: str) -> None:
        """Say something beside it."""
        self._sink.talk(text)


@contextmanager
def watching(sink: Sink) -> Iterator[Watcher]:
    """Show rate, time left and codes on stderr while a run goes on."""
    if sink.quiet:
        yield Watcher(sink, lambda progress: None)
    elif sink.is_lively:
        with _bar() as show:
            yield Watcher(sink, show)
    else:
        yield Watcher(sink, _Lines())


def codes_text(codes: Counter[str] | dict[str, int]) -> str:
    """Write the most frequent codes with their numbers, such as ``"BAC-VIEW-SPOT 12, BAC-MODALITY 3"``."""
    shown = Counter(codes).most_common()
    more = len(shown) - _MOST_CODES
    text = ", ".join(f"{code} {count}" for code, count in shown[:_MOST_CODES])
    return f"{text} and {more} more codes" if more > 0 else text


def _speed(progress: Progress, elapsed_s: float) -> str:
    # By this start alone: what was done before took its time before.
    left = progress.images - progress.settled
    return pace(progress.new, progress.new + left, elapsed_s, "image")


class _Lines:
    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._start = self._told = clock()

    def __call__(self, progress: Progress) -> None:
        at = self._clock()
        if at - self._told < _BETWEEN_LINES_S:
            return
        self._told = at
        facts = [f"archive run: {progress.settled} of {progress.images} images"]
        facts += [text for text in (_speed(progress, at - self._start), codes_text(progress.codes)) if text]
        complain("; ".join(facts))


@contextmanager
def _bar() -> Iterator[Callable[[Progress], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
    from rich.progress import Progress as Bar

    columns = (
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TextColumn("images  {task.fields[speed]}  {task.fields[codes]}"),
    )
    start = time.monotonic()
    with Bar(*columns, console=Console(stderr=True), transient=True, redirect_stdout=False) as shown:
        task = shown.add_task("", total=None, speed="", codes="")

        def show(progress: Progress) -> None:
            shown.update(
                task,
                completed=progress.settled,
                total=progress.images,
                speed=_speed(progress, time.monotonic() - start),
                codes=codes_text(progress.codes),
            )

        yield show
