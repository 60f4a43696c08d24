"""``bacctl doctor``: can this machine serve, and if not, what is to be done."""

from __future__ import annotations

import sys

import typer

from bacctl.cli.console import Console
from bacctl.cli.guard import EXIT_SOME_FAILED, guarded


@guarded
def doctor() -> None:
    """Check whether this machine can serve.

    One line a check; what fails says what to do, and the command leaves with 1. Research use only.
    """
    from bacctl.doctor import run_checks
    from bacctl.outputs.wording import one_line

    mark = {True: "ok  ", False: "FAIL"}
    ill = 0
    with Console(quiet=not sys.stdout.isatty()).waiting("checking"):
        for check in run_checks():
            ill += not check.passed
            advice = "" if check.passed or not check.remedy else f"; {check.remedy}"
            typer.echo(f"{mark[check.passed]}  {check.name}: {one_line(check.finding)}{advice}")
    typer.echo("all is well" if ill == 0 else f"{ill} checks failed")
    if ill:
        raise typer.Exit(EXIT_SOME_FAILED)
