"""``bacctl archive calibrate``: a site's own operating point, from women without BAC."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bacctl.cli.commands.archive.report import Places, Settings, Weights
from bacctl.cli.extras import needs
from bacctl.cli.guard import CommandError, UsageError, complain, guarded
from bacctl.cli.options import AsJson, Quiet
from bacctl.cli.settings import option_keys
from bacctl.cli.sink import Sink, form_of

if TYPE_CHECKING:
    from rich.table import Table

    from bacctl.archive.calibrate.choose import Point
    from bacctl.archive.calibrate.document import Proposal

_KEY = "min-probability"
_SHOWN = tuple(step / 10 for step in range(11))


@guarded
def calibrate(
    context: typer.Context,
    places: Places,
    women: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="CSV of women without BAC: a column patient_key, study_instance_uid or sop_instance_uid.",
        ),
    ] = None,
    all_without_bac: Annotated[
        bool, typer.Option("--all-without-bac", help="No woman of the run has BAC, as somebody has checked.")
    ] = False,
    specificity: Annotated[
        float, typer.Option(metavar="P", help="Share of women without BAC that shall not be flagged.")
    ] = 0.97,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where the proposal is written as JSON.")
    ] = None,
    weights: Weights = "",
    settings: Settings = "",
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Propose the operating point of a site, from women without BAC.

    The least --min-probability that is known, by Wilson's 95 % interval, to flag no more of them than is
    wanted. Prints what to write into bacctl.toml; changes nothing. Leaves with 0 when a point is proposed, 1
    when none is, 2 on wrong usage. Research use only.
    """
    if not 0.5 <= specificity < 1.0:
        raise UsageError(f"--specificity {specificity:g}: give a number from 0.5 to below 1, such as 0.97")
    if (women is None) is not all_without_bac:
        # Women with BAC would push the point up until theirs is left out, too.
        raise UsageError("say who has no BAC: --women FILE, or --all-without-bac for all women of the run")
    with needs("archive"):
        from bac_imaging.files import write_whole
        from bacctl.archive.calibrate.document import to_dict, words, work_out
        from bacctl.archive.calibrate.sample import read_list, take
        from bacctl.archive.report.rows import open_rows
        from bacctl.archive.report.source import Source
    listed = None if women is None else read_list(women)
    source = Source(places)
    with Sink(form_of(as_json), quiet=quiet) as sink:
        with (
            sink.waiting("reading"),
            open_rows(source.batches(), weights=weights, settings=settings, with_finds=True) as rows,
        ):
            sample = take(rows, listed)
            proposal = work_out(sample, rows.measurer, specificity, listed=listed is not None)
        for line in source.incomplete:
            complain(line)
        text = _settings(proposal, context.find_root().command)
        document = to_dict(proposal, text)
        if out is not None:
            write_whole(out, (json.dumps(document, indent=2, allow_nan=False) + "\n").encode(), synced=True)
        sink.document(document)
        sink.render(lambda console: _table(proposal))
        for line in words(proposal):
            sink.text(line)
        sink.text(text)
    if proposal.chosen is None:
        raise CommandError("no operating point is proposed")


def _settings(proposal: Proposal, root: Any) -> str:
    """Write what ``bacctl.toml`` is to say; empty without a proposal."""
    from bacctl.wording import INTENDED_USE

    if proposal.chosen is None:
        return ""
    measurer = proposal.measurer
    lines = [
        f"# bacctl.toml, proposed by `bacctl archive calibrate` ({INTENDED_USE}) from"
        f" {proposal.chosen.women} women.",
        f"# Holds for weights {(measurer.weights or '')[:12]}, map"
        f" {(measurer.probability_map or 'none')[:12]}.",
    ]
    for name in _with_point("", root):
        lines += [f"[{name}]", f"{_KEY} = {proposal.chosen.min_probability:g}"]
    return "\n".join(lines)


def _with_point(name: str, command: Any) -> Iterator[str]:
    """Name the commands that have an operating point, as the settings file does."""
    if name and _KEY in option_keys(command):
        yield name
    for below, subcommand in getattr(command, "commands", {}).items():
        yield from _with_point(f"{name}.{below}".lstrip("."), subcommand)


def _table(proposal: Proposal) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for title in ("min_probability", "women flagged", "of", "%", "95 % interval"):
        table.add_column(title, justify="right", no_wrap=True)
    shown = [
        point for point in proposal.counted if point.min_probability in _SHOWN or point is proposal.chosen
    ]
    for point in shown:
        table.add_row(*_cells(point), style="bold" if point is proposal.chosen else "")
    return table


def _cells(point: Point) -> tuple[str, ...]:
    return (
        f"{point.min_probability:g}",
        str(point.flagged),
        str(point.women),
        f"{100.0 * point.share:.1f}",
        f"{100.0 * point.low:.1f} to {100.0 * point.high:.1f}",
    )
