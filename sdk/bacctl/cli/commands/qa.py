"""``bacctl qa``: does this installation weigh phantoms of known mass as it must."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bacctl.cli.extras import needs
from bacctl.cli.guard import CommandError, UsageError, complain, guarded
from bacctl.cli.options import AsJson, Quiet, ServerOptions, calls_server
from bacctl.cli.sink import Sink, form_of

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from bacctl.qa.report import Report


@guarded
@calls_server
def qa(
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="Where phantoms, reports and the trend are kept.")
    ] = Path("bacctl-qa"),
    as_json: AsJson = False,
    quiet: Quiet = False,
    *,
    server: ServerOptions,
) -> None:
    """Weigh phantoms of known calcium mass and compare with the truth.

    Over every calibrated anode and filter, 3 to 7 cm, 2 to 80 mg; the same phantoms each time. Leaves with 0
    when every figure is within its tolerance, 1 when one is not or the server failed. To be run after every
    update. Research use only.
    """
    if os.path.exists(out) and not os.path.isdir(out):
        raise UsageError(f"{out}: is a file; give a folder with --out")
    with needs("server"):
        from bac_imaging.files import write_whole
        from bacctl.qa import trend as qa_trend
        from bacctl.qa.report import as_markdown, change_text, failure_text
    # What cannot be written is better known before the phantoms are measured than after.
    folder, trend_file = out / "phantoms", out / "trend.csv"
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(
        out / "RESEARCH-USE-ONLY.txt", b"Digital phantoms and what was measured on them. Research use only.\n"
    )
    try:
        trend = qa_trend.read_trend(trend_file)
    except qa_trend.TrendError as error:
        raise CommandError(str(error)) from None
    for number in trend.damaged:
        complain(f"{trend_file}: line {number} is damaged; it stays there and is left out of the trend")
    with Sink(form_of(as_json), quiet=quiet) as sink:
        report = _run(sink, server, folder)
        row = report.trend_row()
        stem = _free(out, report.stem)
        document = report.to_dict()
        for suffix, text in (
            (".json", json.dumps(document, indent=2, allow_nan=False) + "\n"),
            (".md", as_markdown(report, [*trend.rows, row])),
        ):
            write_whole(out / f"{stem}{suffix}", text.encode())
        qa_trend.append_trend(trend_file, row)
        sink.document(document)
        _show(sink, report)
        if change := change_text(trend.rows, row):
            sink.text(change)
        sink.text(f"report: {out / stem}.md and .json; trend: {trend_file}")
    if not report.passed:
        raise CommandError(failure_text(report))


def _run(sink: Sink, server: ServerOptions, folder: Path) -> Report:
    from datetime import datetime, timezone

    from bacctl.cli.connect import connect
    from bacctl.qa.judge import judge
    from bacctl.qa.report import Report
    from bacctl.qa.run import identify, measure, phantoms_digest

    date = datetime.now(timezone.utc)
    with sink.waiting("calling the server" if server.url else "starting the server"):
        client = connect(replace(server, cache=None))  # what is remembered was not weighed
    with client:
        subject = identify(client, server.url or None)
        if subject.remark:
            complain(subject.remark)
        with sink.progress("weighing", "phantom") as show:
            rows = measure(client, folder, progress=show)
    return Report(date, subject, phantoms_digest(folder, rows), rows, judge(rows))


def _free(out: Path, stem: str) -> str:
    """Give a name that no report has yet: two runs may end within one second."""
    numbered = (stem if number == 1 else f"{stem}-{number}" for number in itertools.count(1))
    return next(name for name in numbered if not (out / f"{name}.json").exists())


def _show(sink: Sink, report: Report) -> None:
    from bacctl.qa.report import PHANTOM_TITLES, VERDICT_TITLES, phantom_cells, verdict_cells
    from bacctl.results import INTENDED_USE

    def make(console: Console) -> None:
        console.print(_table(PHANTOM_TITLES, [phantom_cells(row) for row in report.rows]))
        console.print(_table(VERDICT_TITLES, [verdict_cells(verdict) for verdict in report.verdicts]))

    sink.render(make)
    subject = report.subject
    sink.text(
        f"{'passed' if report.passed else 'FAILED'}: model {subject.model[:12]}, Triton {subject.triton}. "
        f"Digital phantoms, {INTENDED_USE}."
    )


def _table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for title in titles:
        # Numbers stay on one line; words may take several where the terminal is narrow.
        words = title in ("figure", "found", "remark", "")
        table.add_column(
            title, justify="left" if words or title == "beam" else "right", no_wrap=not words, overflow="fold"
        )
    for cells in rows:
        table.add_row(*cells)
    return table
