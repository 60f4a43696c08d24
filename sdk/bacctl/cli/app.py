"""The application: its commands, its entry point, and how every error becomes one line and one exit code."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from bacctl.cli.commands.analyze import analyze
from bacctl.cli.commands.archive import archive_app
from bacctl.cli.commands.bench import bench
from bacctl.cli.commands.compare import compare
from bacctl.cli.commands.config import config
from bacctl.cli.commands.container import container
from bacctl.cli.commands.demo import demo
from bacctl.cli.commands.dicom import dicom_app
from bacctl.cli.commands.doctor import doctor
from bacctl.cli.commands.evaluate import evaluate
from bacctl.cli.commands.export import export_app
from bacctl.cli.commands.phantom import phantom
from bacctl.cli.commands.qa import qa
from bacctl.cli.commands.serve import serve
from bacctl.cli.commands.train import train
from bacctl.cli.commands.weigh import weigh
from bacctl.cli.guard import EXIT_READER_GONE, EXIT_USAGE, UsageError, complain, forget_output
from bacctl.cli.settings import read_settings
from bacctl.cli.stopping import exit_code, listen

PREFIX = "BACCTL"
"""What the names of environment variables begin with."""

app = typer.Typer(
    name="bacctl",
    help="Find, outline and weigh breast arterial calcification on mammograms. Research use only.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (
    analyze,
    compare,
    weigh,
    serve,
    doctor,
    config,
    qa,
    bench,
    phantom,
    train,
    evaluate,
    container,
):
    app.command()(command)
app.add_typer(export_app, name="export")
app.add_typer(dicom_app, name="dicom")
app.add_typer(archive_app, name="archive")
app.command()(demo)


def _print_version(wanted: bool) -> None:
    if wanted:
        from bacctl import __version__

        typer.echo(f"bacctl {__version__} (research use only)")
        raise typer.Exit


@app.callback()
def _options(
    context: typer.Context,
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            callback=_print_version,
            is_eager=True,
            help="Print the version.",
        ),
    ] = False,
    settings: Annotated[
        Path | None,
        typer.Option(
            "--config",
            envvar=f"{PREFIX}_CONFIG",
            metavar="FILE",
            help="Settings.  [default: the nearest bacctl.toml, see `bacctl config --help`]",
        ),
    ] = None,
) -> None:
    """Hold the options that stand before the command."""
    # A settings file with a fault in it must not hide the help, nor a list of variables the options.
    if not {"-h", "--help"} & set(sys.argv):
        context.obj = read_settings(settings, getattr(context.command, "commands", {}))
        context.default_map = context.obj.defaults
        context.auto_envvar_prefix = PREFIX


def main() -> None:
    """Run the command line and leave the process with the command's exit code."""
    _open_closed_streams()
    listen()
    try:
        # The name, also where it was called as `python -m bacctl`.
        sys.exit(app(prog_name="bacctl", standalone_mode=False))
    except UsageError as error:
        complain(str(error))
        sys.exit(EXIT_USAGE)
    except KeyboardInterrupt as stop:
        # Before or after a command's own work, such as during an import.
        sys.exit(exit_code(stop))
    except BrokenPipeError:
        forget_output()
        sys.exit(EXIT_READER_GONE)
    except Exception as error:
        # The errors of typer share no public class across its releases, but a way to be put into words.
        if not hasattr(error, "format_message"):
            raise
        sys.exit(_explain(error))


def _explain(error: Any) -> int:
    """Put a complaint of typer's about the command line into one line; return the exit code."""
    context = getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError":
        typer.echo(error.format_message(), err=True)
        return EXIT_USAGE
    words = error.format_message().rstrip(".")
    parameter = getattr(error, "param", None)
    if context is not None and parameter is not None:
        source = context.get_parameter_source(parameter.name)
        file = getattr(context.find_root().obj, "path", None)
        if source is not None and source.name == "DEFAULT_MAP":
            words = f"{file}: {words}"
        elif source is not None and source.name == "ENVIRONMENT":
            words = f"environment: {words}"
    hint = f"; see {context.command_path} --help" if context is not None else ""
    complain(" ".join(f"{words}{hint}".split()))
    return EXIT_USAGE


def _open_closed_streams() -> None:
    """Give a caller who closed stdout or stderr (``>&-``) the null device: Python has None there."""
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115  # lives as long as the process
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115
