"""``bacctl archive report``: what an archive shows, and whether it drifts."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

import typer

from bacctl.cli.extras import needs
from bacctl.cli.guard import UsageError, complain, guarded
from bacctl.cli.options import AsJson, Quiet
from bacctl.cli.sink import Sink, form_of

_MONTHS = re.compile(r"(\d{4}-(?:0[1-9]|1[0-2])):(\d{4}-(?:0[1-9]|1[0-2]))")

Places = Annotated[
    list[str],
    typer.Argument(metavar="RUN_OR_MERGED...", help="Folder of a run, or the file that was merged of it."),
]
Weights = Annotated[
    str,
    typer.Option(metavar="DIGEST", help="Of several weights take those whose SHA-256 begins like this."),
]
Settings = Annotated[
    str,
    typer.Option(metavar="DIGEST", help="Of several settings take those whose SHA-256 begins like this."),
]


@guarded
def report(
    places: Places,
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="Folder of the report; an earlier one is replaced.")
    ],
    baseline: Annotated[
        str | None,
        typer.Option(
            metavar="FIRST:LAST",
            help="Months that the others are held against, such as 2023-01:2023-06."
            "  [default: each against all others]",
        ),
    ] = None,
    min_cell: Annotated[
        int, typer.Option(min=0, metavar="N", help="Smallest count that is shown; 1 shows all.")
    ] = 11,
    weights: Weights = "",
    settings: Settings = "",
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Report what a run found: prevalence, masses, areas, refusals, and drift with control limits.

    Writes report.html, a table of each kind as CSV and Parquet, and report.json into DIR, whole or not at
    all. Of a run that is under way its complete parts are reported. Leaves with 0 when the report was
    written, 1 when not, 2 on wrong usage. Research use only.
    """
    months = _months(baseline)
    with needs("archive"):
        import matplotlib.figure  # noqa: F401  # looked for before minutes are spent

        from bacctl.archive.report.make import collected
        from bacctl.archive.report.source import Source
        from bacctl.archive.report.write import check_out, write_report
    check_out(out)
    source = Source(places)
    with Sink(form_of(as_json), quiet=quiet) as sink:
        with (
            sink.waiting("reading"),
            collected(source, weights=weights, settings=settings, least=min_cell, baseline=months) as found,
        ):
            document = write_report(out, found)
        for line in source.incomplete:
            complain(line)
        sink.document(document)
        _show(sink, out, document)


def _show(sink: Sink, out: Path, document: dict[str, Any]) -> None:
    from bacctl.wording import INTENDED_USE, count_of

    for row in document["tables"]["analysed"]:
        sink.text(f"{'withheld' if row['withheld'] else row['count']:>10}  {row['what']}")
    for line in document["signals"]:
        sink.text(line)
    sink.text(
        f"{count_of(len(document['signals']), 'signal')}; {document['judged']} points were judged, up to"
        f" {document['expected_by_chance']:.1f} of them outside by chance. Report: {out / 'report.html'}"
        f" ({INTENDED_USE})"
    )


def _months(given: str | None) -> tuple[str, str] | None:
    """Check ``--baseline``."""
    if given is None:
        return None
    found = _MONTHS.fullmatch(given)
    if found is None or found[1] > found[2]:
        raise UsageError(f"--baseline {given}: give two months, such as 2023-01:2023-06")
    return found[1], found[2]
