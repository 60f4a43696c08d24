"""``bacctl qa``: does this installation weigh phantoms of known mass as it must."""

from __future__ import annotations

import itertools
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bacctl.cli.console import Console, stdout_kept_clean
from bacctl.cli.extras import needs
from bacctl.cli.guard import CommandError, UsageError, complain, guarded

if TYPE_CHECKING:
    from bacctl.qa_report import Report


@guarded
def qa(
    url: Annotated[
        str | None,
        typer.Option(
            envvar="BACCTL_URL",
            metavar="HOST:PORT",
            help="A server that runs already; without it one is started here and stopped again.",
        ),
    ] = None,
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="Where phantoms, reports and the trend are kept.")
    ] = Path("bacctl-qa"),
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress and no talk.")] = False,
) -> None:
    """Weigh phantoms of known calcium mass and compare with the truth.

    Over every calibrated anode and filter, 3 to 7 cm, 2 to 80 mg; the same phantoms each time. Leaves with 0
    when every figure is within its tolerance, 1 when one is not or the server failed. To be run after every
    update. Research use only.
    """
    if os.path.exists(out) and not os.path.isdir(out):
        raise UsageError(f"{out}: is a file; give a folder with --out")
    with needs("server"):
        from bacctl import qa_trend
        from bacctl.outputs.files import write_atomic
        from bacctl.qa_report import as_markdown, change_text, failure_text
    console = Console(quiet=quiet)
    # What cannot be written is better known before the phantoms are measured than after.
    folder, trend_file = out / "phantoms", out / "trend.csv"
    folder.mkdir(parents=True, exist_ok=True)
    write_atomic(
        out / "RESEARCH-USE-ONLY.txt", b"Digital phantoms and what was measured on them. Research use only.\n"
    )
    try:
        trend = qa_trend.read_trend(trend_file)
    except qa_trend.TrendError as error:
        raise CommandError(str(error)) from None
    for number in trend.damaged:
        complain(f"{trend_file}: line {number} is damaged; it stays there and is left out of the trend")
    report = _run(console, url or None, folder)
    row = report.trend_row()
    stem = _free(out, report.stem)
    for suffix, text in (
        (".json", _json(report)),
        (".md", as_markdown(report, [*trend.rows, row])),
    ):
        write_atomic(out / f"{stem}{suffix}", text.encode())
    qa_trend.append_trend(trend_file, row)
    _show(report)
    if change := change_text(trend.rows, row):
        typer.echo(change)
    typer.echo(f"report: {out / stem}.md and .json; trend: {trend_file}")
    if not report.passed:
        raise CommandError(failure_text(report))


def _run(console: Console, url: str | None, folder: Path) -> Report:
    from datetime import datetime, timezone

    from bacctl.cli.connect import connect
    from bacctl.qa import identify, measure, phantoms_digest
    from bacctl.qa_judge import judge
    from bacctl.qa_report import Report

    date = datetime.now(timezone.utc)
    with stdout_kept_clean():
        with console.waiting("starting the server" if url is None else "calling the server"):
            client = connect(url)
        with client:
            subject = identify(client, url)
            if subject.remark:
                complain(subject.remark)
            with console.progress("weighing", "phantoms") as show:
                rows = measure(client, folder, progress=show)
    return Report(date, subject, phantoms_digest(folder, rows), rows, judge(rows))


def _free(out: Path, stem: str) -> str:
    """Give a name that no report has yet: two runs may end within one second."""
    numbered = (stem if number == 1 else f"{stem}-{number}" for number in itertools.count(1))
    return next(name for name in numbered if not (out / f"{name}.json").exists())


def _json(report: Report) -> str:
    import json

    return json.dumps(report.to_dict(), indent=2, allow_nan=False) + "\n"


def _show(report: Report) -> None:
    from rich import box
    from rich.console import Console as RichConsole
    from rich.table import Table

    from bacctl.qa_report import PHANTOM_TITLES, VERDICT_TITLES, phantom_cells, verdict_cells
    from bacctl.results import INTENDED_USE

    screen = RichConsole(highlight=False, width=max(110, RichConsole().width))
    for titles, rows in (
        (PHANTOM_TITLES, [phantom_cells(row) for row in report.rows]),
        (VERDICT_TITLES, [verdict_cells(verdict) for verdict in report.verdicts]),
    ):
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        for title in titles:
            left = title in ("beam", "figure", "found", "remark", "")
            table.add_column(title, justify="left" if left else "right", no_wrap=True)
        for cells in rows:
            table.add_row(*cells)
        screen.print(table)
    subject = report.subject
    typer.echo(
        f"{'passed' if report.passed else 'FAILED'}: model {subject.model[:12]}, Triton {subject.triton}. "
        f"Digital phantoms, {INTENDED_USE}."
    )
