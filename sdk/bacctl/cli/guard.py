"""How an error leaves a command: one line on stderr and an exit code, never a traceback."""

from __future__ import annotations

import errno
import functools
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import ParamSpec

import typer

from bacctl.cli.stopping import exit_code
from bacctl.wording import escaped

P = ParamSpec("P")

EXIT_SOME_FAILED = 1
EXIT_USAGE = 2
EXIT_READER_GONE = 141  # what a shell says of a program that SIGPIPE ended


class UsageError(Exception):
    """The command was called in a way that cannot work; the text says how to call it."""


class CommandError(Exception):
    """The command could not do its work; the text is one line that says what to do."""


def guarded(command: Callable[P, None]) -> Callable[P, None]:
    """Wrap a command so that whatever it raises becomes one line and an exit code.

    Parameters
    ----------
    command : callable
        A typer command.

    Returns
    -------
    callable
        The same command. It leaves with 2 on wrong usage, 130 on Ctrl-C, 143 on SIGTERM, 129 on SIGHUP, 141
        when the reader of its output has gone away, as ``head`` does, and with 1 on everything else. With
        ``BACCTL_TRACEBACK=1`` in the environment unexpected errors keep their traceback, for reports.
    """

    @functools.wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> None:
        _keep_quiet()
        try:
            command(*args, **kwargs)
        except UsageError as error:
            complain(str(error))
            raise typer.Exit(EXIT_USAGE) from None
        except KeyboardInterrupt as stop:
            complain("stopped")
            raise typer.Exit(exit_code(stop)) from None
        except typer.Exit:
            raise
        except BrokenPipeError:
            forget_output()
            raise typer.Exit(EXIT_READER_GONE) from None
        except CommandError as error:
            complain(str(error))
            raise typer.Exit(EXIT_SOME_FAILED) from None
        except OSError as error:
            complain(describe_os_error(error))
            raise typer.Exit(EXIT_SOME_FAILED) from None
        except Exception as error:
            if os.environ.get("BACCTL_TRACEBACK"):
                raise
            complain(describe_unexpected(error))
            raise typer.Exit(EXIT_SOME_FAILED) from None

    return wrapped


@contextmanager
def about(what: str, *codes: str) -> Iterator[None]:
    """Say what an error is about, in front of it, where its code begins with one of some."""
    from bac_terms.errors import BacctlError

    try:
        yield
    except BacctlError as error:
        if error.code.startswith(codes):
            raise CommandError(f"{what}: {error}") from None
        raise


def _keep_quiet() -> None:
    """Silence what libraries say about odd headers: it can quote values that identify a patient."""
    import logging  # not wanted for --help

    if not sys.warnoptions:
        warnings.simplefilter("ignore")
    logging.getLogger("pydicom").setLevel(logging.CRITICAL)


def forget_output() -> None:
    """Send what is still written to nowhere: the reader has gone, and Python would complain."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(nowhere, stream)
    os.close(nowhere)


def complain(text: str) -> None:
    """Write one line to stderr; where that cannot be written either, nobody can be told."""
    try:
        print(escaped(text), file=sys.stderr, flush=True)
    except BrokenPipeError:
        raise
    except OSError:
        return


def describe_os_error(error: OSError) -> str:
    """Name the file and the fault of a system error, without Python's class and number."""
    named = isinstance(error.filename, (str, bytes, os.PathLike))
    where = f"{os.fsdecode(error.filename)}: " if named else ""
    too_many = error.errno in (errno.EMFILE, errno.ENFILE)
    return f"{where}{error.strerror or error}{'; raise the limit (ulimit -n 4096)' if too_many else ''}"


def describe_unexpected(error: Exception) -> str:
    """Put an error that no command foresaw into one line; errors of bacctl already say their code."""
    from bac_terms.errors import BacctlError  # not wanted for --help

    if isinstance(error, BacctlError):
        return str(error)
    return f"BAC-INTERNAL: {type(error).__name__}: {error}; please report it, with BACCTL_TRACEBACK=1 set"
