"""Where words go: results to stdout, talk and progress to stderr."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

from bacctl.cli.guard import complain


class Console:
    """The two streams of one run.

    Parameters
    ----------
    quiet : bool
        Leave out progress and talk; refusals, failures and results stay.
    """

    def __init__(self, *, quiet: bool) -> None:
        self.quiet = quiet
        self._lively = not quiet and sys.stderr.isatty()

    def talk(self, text: str) -> None:
        """Write a line that nobody has to read."""
        if not self.quiet:
            complain(text)

    def waiting(self, text: str) -> AbstractContextManager[object]:
        """Show that something takes its time, while a terminal looks on."""
        if not self._lively:
            return nullcontext()
        from rich.console import Console as RichConsole

        return RichConsole(stderr=True).status(text)

    @contextmanager
    def progress(self, verb: str, unit: str) -> Iterator[Callable[[int, int], None]]:
        """Show how far a run has come, on stderr and only on a terminal.

        Parameters
        ----------
        verb, unit : str
            What is done to what.

        Yields
        ------
        callable
            To be called after each of them with how many are done and how many there are.
        """
        if not self._lively:
            yield lambda done, total: None
            return
        from rich.console import Console as RichConsole
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (
            TextColumn(verb),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn(unit),
            TimeRemainingColumn(),
        )
        # The bar redirects stderr but must leave stdout alone: data is written there.
        with Progress(
            *columns, console=RichConsole(stderr=True), transient=True, redirect_stdout=False
        ) as bar:
            task = bar.add_task("", total=None)
            yield lambda done, total: bar.update(task, completed=done, total=total)


@contextmanager
def stdout_kept_clean() -> Iterator[None]:
    """Send to stderr whatever libraries and child processes write to file descriptor 1 meanwhile."""
    sys.stdout.flush()
    try:
        kept = os.dup(1)
    except OSError:  # closed by the caller: there is nothing to keep clean
        yield
        return
    try:
        os.dup2(2, 1)
        yield
    finally:
        sys.stdout.flush()
        os.dup2(kept, 1)
        os.close(kept)
