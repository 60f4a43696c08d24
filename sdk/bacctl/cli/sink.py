"""Where a command's words go: results to stdout, talk and progress to stderr.

While a sink is open, what libraries and child processes write to file descriptor 1 lands on stderr, so that
stdout holds the command's data and nothing else.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any, Literal

from bacctl.cli.guard import UsageError, complain
from bacctl.wording import escaped

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

Form = Literal["human", "json", "jsonl"]
Report = Callable[[int, int | None], None]

# Into a file or a pipe there is no terminal to fit; results must not be cut there.
PIPED_WIDTH = 160


class OutputLostError(OSError):
    """Stdout takes no more, since its disk is full or the like."""


class Sink:
    """The two streams of one command.

    Parameters
    ----------
    form : {"human", "json", "jsonl"}
        What stdout is: text and tables for people, one JSON document, or one JSON object a line.
    quiet : bool
        Leave out progress and talk; refusals, failures and results stay.

    Raises
    ------
    BrokenPipeError
        By every method that writes, when the reader of stdout has gone away.
    OutputLostError
        By the same, when stdout cannot be written for another reason.

    Examples
    --------
    >>> with Sink() as sink:
    ...     sink.text("1 image")
    1 image
    """

    def __init__(self, form: Form = "human", *, quiet: bool = False) -> None:
        self.form = form
        self.quiet = quiet
        self._stream: IO[str] = sys.stdout
        self._diverted = False

    def __enter__(self) -> Sink:
        sys.stdout.flush()
        try:
            sys.stdout.fileno()
            own = os.dup(1)
        except OSError:  # closed by the caller, or a stream in memory: there is nothing to keep clean
            return self
        with contextlib.suppress(OSError):  # stderr may be closed
            os.dup2(2, 1)
        # Line by line, so that the reader of a pipe has each result when it is there.
        encoding = sys.stdout.encoding or "utf-8"
        self._stream = open(own, "w", 1, encoding, "backslashreplace")  # closed on exit
        self._diverted = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._diverted:
            return
        sys.stdout.flush()
        os.dup2(self._stream.fileno(), 1)
        with contextlib.suppress(OSError):  # told already, by whatever was written
            self._stream.close()
        self._stream, self._diverted = sys.stdout, False

    @property
    def is_terminal(self) -> bool:
        """Whether somebody looks at the results as they come."""
        return self._stream.isatty()

    # Data.

    def text(self, text: str) -> None:
        """Write lines for people; nothing where stdout is JSON."""
        if self.form == "human":
            self._write(text + "\n")

    def render(self, make: Callable[[Console], RenderableType | None]) -> None:
        """Print a table or styled text for people; nothing where stdout is JSON.

        Parameters
        ----------
        make : callable
            From the console, whose width is that of the terminal or 160, to what is printed on it; None where
            it has printed everything itself.
        """
        if self.form != "human":
            return
        from rich.console import Console

        # Whoever reads a pipe wants the words: colours are for terminals, and for them only without NO_COLOR.
        console = Console(file=self._stream, highlight=False, width=None if self.is_terminal else PIPED_WIDTH)
        # Made first and written here: where the reader is gone, rich would leave the process by itself.
        with console.capture() as captured:
            made = make(console)
            if made is not None:
                console.print(made)
        self._write(captured.get())

    def document(self, document: Mapping[str, Any]) -> None:
        """Write the one JSON document of the command; nothing in another form.

        ASCII, so that no locale and no odd file name can break it.
        """
        if self.form == "json":
            self._write(json.dumps(document, indent=2, allow_nan=False) + "\n")

    def line(self, document: Mapping[str, Any]) -> None:
        """Write one JSON object on a line of its own, at once; nothing in another form."""
        if self.form == "jsonl":
            self._write(json.dumps(document, allow_nan=False) + "\n")

    def _write(self, text: str) -> None:
        try:
            self._stream.write(text)
            self._stream.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            raise OutputLostError(error.errno, f"stdout cannot be written: {error.strerror}") from None

    # Talk.

    def talk(self, text: str) -> None:
        """Write a line to stderr that nobody has to read."""
        if not self.quiet:
            complain(text)

    def waiting(self, text: str) -> AbstractContextManager[object]:
        """Show that something takes its time, while a terminal looks on."""
        if not self.is_lively:
            return nullcontext()
        from rich.console import Console

        return Console(stderr=True).status(text)

    @contextmanager
    def progress(self, verb: str, unit: str) -> Iterator[Report]:
        """Show on stderr how far a run has come, how fast it is and how long it will take.

        A bar on a terminal. Elsewhere one plain line a minute, so that the log of a long run shows that it
        lives and that of a short one stays empty. What is yielded is called with how many are done and how
        many there are, None where that is not known.
        """
        if self.quiet:
            yield lambda done, total: None
        elif self.is_lively:
            from bacctl.cli.pace import bar

            with bar(verb, unit) as show:
                yield show
        else:
            from bacctl.cli.pace import PlainLines

            yield PlainLines(verb, unit)

    @property
    def is_lively(self) -> bool:
        """Whether a bar can be shown on stderr."""
        # Lines of data and a bar would overwrite each other on one terminal.
        crowded = self.form == "jsonl" and self.is_terminal
        return not self.quiet and not crowded and sys.stderr.isatty()


def form_of(as_json: bool, as_lines: bool = False) -> Form:
    """Tell what ``--json`` and ``--jsonl`` ask for; both are wrong usage."""
    if as_json and as_lines:
        raise UsageError("--json and --jsonl: choose one of them")
    return "json" if as_json else "jsonl" if as_lines else "human"


def shortened(text: str, width: int) -> str:
    """Make a path fit into `width` characters, by leaving out its middle.

    The name of the file is kept whole where it fits: it tells the images of a run apart. Names that are long
    UIDs differ at their end, and lose their middle too.
    """
    text = escaped(text)
    if len(text) <= width:
        return text
    folder, slash, name = text.rpartition("/")
    room = width - len(slash + name) - 1
    if slash and room >= 0:
        return f"{folder[:room]}…/{name}"
    if width < 2:
        return name[-width:]
    end = (width - 1) * 2 // 3
    return f"{name[: width - 1 - end]}…{name[-end:] if end else ''}"
