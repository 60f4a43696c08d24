"""``bacctl doctor``: can this machine serve, and if not, what is to be done."""

from __future__ import annotations

from typing import Annotated

import typer

from bacctl.cli.guard import EXIT_SOME_FAILED, guarded
from bacctl.cli.options import AsJson
from bacctl.cli.sink import Sink, form_of


@guarded
def doctor(
    as_json: AsJson = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Only what failed.")] = False,
) -> None:
    """Check whether this machine can serve.

    One line a check; what fails says what to do, and the command leaves with 1. Research use only.
    """
    from bacctl.doctor import run_checks
    from bacctl.results import INTENDED_USE
    from bacctl.wording import escaped

    mark = {True: "ok  ", False: "FAIL"}
    found = []
    with Sink(form_of(as_json), quiet=quiet) as sink:
        with sink.waiting("checking"):
            for check in run_checks():
                found.append(check)
                advice = "" if check.passed or not check.remedy else f"; {check.remedy}"
                if not (quiet and check.passed):
                    sink.text(f"{mark[check.passed]}  {check.name}: {escaped(check.finding)}{advice}")
        ill = sum(not check.passed for check in found)
        if not quiet:
            sink.text("all is well" if ill == 0 else f"{ill} checks failed")
        checks = [
            {
                "name": one.name,
                "passed": one.passed,
                "finding": one.finding,
                "remedy": "" if one.passed else one.remedy,
            }
            for one in found
        ]
        sink.document({"intended_use": INTENDED_USE, "passed": ill == 0, "checks": checks})
    if ill:
        raise typer.Exit(EXIT_SOME_FAILED)
