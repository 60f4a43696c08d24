"""``bacctl archive``: millions of images, from a look through their headers to a report."""

from __future__ import annotations

import typer

from bacctl.cli.commands.archive.calibrate import calibrate
from bacctl.cli.commands.archive.merge import merge
from bacctl.cli.commands.archive.plan import plan
from bacctl.cli.commands.archive.report import report
from bacctl.cli.commands.archive.run import run
from bacctl.cli.commands.archive.scan import scan
from bacctl.cli.commands.archive.status import status

archive_app = typer.Typer(
    help="Measure whole archives: scan, run, merge, report, plan. Research use only.", no_args_is_help=True
)
for command in (scan, run, status, merge, report, calibrate, plan):
    archive_app.command()(command)
