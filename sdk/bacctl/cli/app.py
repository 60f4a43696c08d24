"""The application: its commands, its entry point, and how every error becomes one line and one exit code."""

from __future__ import annotations

import logging
import os
import signal
import sys
import warnings
from types import FrameType
from typing import Annotated

import typer

from bacctl.cli.analyze import analyze
from bacctl.cli.compare import compare
from bacctl.cli.demo import demo
from bacctl.cli.doctor import doctor
from bacctl.cli.evaluate import evaluate
from bacctl.cli.export import export_app
from bacctl.cli.phantom import phantom
from bacctl.cli.qa import qa
from bacctl.cli.serve import serve
from bacctl.cli.train import train

app = typer.Typer(
    name="bacctl",
    help="Find, outline and weigh breast arterial calcification on mammograms. Research use only.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (analyze, compare, serve, doctor, qa, phantom, train, evaluate):
    app.command()(command)
app.add_typer(export_app, name="export")
app.command()(demo)


def _print_version(wanted: bool) -> None:
    if wanted:
        from bacctl import __version__

        typer.echo(f"bacctl {__version__} (research use only)")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Hold the options that stand before the command."""


def main() -> None:
    """Run the command line and leave the process with the command's exit code."""
    _open_closed_streams()
    _keep_quiet()
    signal.signal(signal.SIGTERM, _leave_on_sigterm)
    try:
        app(prog_name="bacctl")  # also where it was called as `python -m bacctl`
    except KeyboardInterrupt:
        # Ctrl-C before or after a command's own work, such as during an import.
        sys.exit(130)
    except BrokenPipeError:
        # The reader of our output went away, as `head` does. Python would complain once more when it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        sys.exit(1)


def _open_closed_streams() -> None:
    """Give a caller who closed stdout or stderr (``>&-``) the null device: Python has None there."""
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115  # lives as long as the process
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115


def _leave_on_sigterm(_signal: int, _frame: FrameType | None) -> None:
    """Leave through the finally clauses, so that a server is stopped and no temporary file stays."""
    sys.exit(128 + signal.SIGTERM)


def _keep_quiet() -> None:
    """Silence what libraries say about odd headers: it can quote values that identify a patient."""
    if not sys.warnoptions:
        warnings.simplefilter("ignore")
    logging.getLogger("pydicom").setLevel(logging.CRITICAL)
