"""``bacctl archive plan``: how many servers an archive takes, and how long the exams of a day wait."""

from __future__ import annotations

import math
import shlex
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeVar

import typer

from bacctl.cli.extras import needs
from bacctl.cli.guard import CommandError, UsageError, guarded
from bacctl.cli.options import AsJson, Quiet
from bacctl.cli.show.plan_lines import plan_lines
from bacctl.cli.sink import Sink, form_of

if TYPE_CHECKING:
    from bacctl.archive.plan.load import Day
    from bacctl.archive.plan.times import Times

T = TypeVar("T")
EXTRA = "archive"
_ASSUMED_CARD_MS = 12.0
_SHORTEST_LIFE_H = 0.1
_ASSUMED = (
    f"ASSUMED: the network takes {_ASSUMED_CARD_MS:g} ms a view on the card, and no core meanwhile. Nobody "
    "measured that: it is the slow end of what a T4's data sheet allows (docs/performance.md). Give yours "
    "with --card-ms or --card-stats"
)


@guarded
def plan(
    exams: Annotated[int | None, typer.Option(min=1, metavar="N", help="Exams of an archive.")] = None,
    days: Annotated[
        float | None, typer.Option(metavar="D", help="In how many days: how many servers does that take?")
    ] = None,
    hours_a_day: Annotated[
        float, typer.Option(metavar="H", max=24.0, help="For how many hours of a day they work at it.")
    ] = 24.0,
    per_day: Annotated[
        float | None,
        typer.Option(metavar="N", help="Exams that come on a screening day: how long do they wait?"),
    ] = None,
    open_hours: Annotated[int, typer.Option(min=1, max=24, metavar="H", help="Of a screening day.")] = 10,
    busiest: Annotated[
        float, typer.Option(metavar="X", help="Exams of its busiest hour, in those of an average one.")
    ] = 1.5,
    beside: Annotated[
        int,
        typer.Option(
            min=0, max=1000, metavar="N", help="Images of an archive under way meanwhile, for each server."
        ),
    ] = 0,
    servers: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="How many servers there are.")
    ] = None,
    on: Annotated[
        Literal["cores", "card"],
        typer.Option(help="Where the network runs; a server has one card then."),
    ] = "cores",
    cores: Annotated[
        float | None,
        typer.Option(metavar="N", help="Cores of a server.  [default: 2, with a card 8]", show_default=False),
    ] = None,
    times: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="bench.json of `bacctl bench --part served,cost` on such a machine.  "
            "[default: docs/performance.md's]",
        ),
    ] = None,
    card_ms: Annotated[
        float | None,
        typer.Option(metavar="MS", help="What the network takes on the card, for a view; measured by you."),
    ] = None,
    card_stats: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The same from Triton's statistics, /v2/models/stats as JSON."),
    ] = None,
    views: Annotated[int, typer.Option(min=1, metavar="N", help="Images of an exam.")] = 4,
    pixels: Annotated[int, typer.Option(min=1, metavar="N", help="Of an image, of two bytes each.")] = 2394
    * 1800,
    in_flight: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=1000,
            metavar="N",
            help="Images of the archive under way for each server.  [default: 8, with a card 32]",
            show_default=False,
        ),
    ] = None,
    mtbf_h: Annotated[
        float, typer.Option(metavar="H", help="Hours until a server dies, on average; inf for never.")
    ] = 168.0,
    restart_s: Annotated[float, typer.Option(metavar="S", help="Seconds until it answers again.")] = 60.0,
    core_price: Annotated[
        float | None, typer.Option(min=0.0, metavar="X", help="What you pay for a core, an hour.")
    ] = None,
    card_price: Annotated[
        float, typer.Option(min=0.0, metavar="X", help="What you pay for a card, an hour.")
    ] = 0.0,
    runs: Annotated[int, typer.Option(min=2, max=1000, metavar="N", help="How often is simulated.")] = 5,
    seed: Annotated[int, typer.Option(metavar="N", help="Of the first run.")] = 1,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Plan a fleet by simulation: servers for an archive, waiting on a screening day, costs.

    Nothing is measured here: the answers are as good as the step times and the assumptions, which are
    listed. Research use only.
    """
    _check(exams, days, per_day, servers)
    for name, value in (
        ("--days", days),
        ("--hours-a-day", hours_a_day),
        ("--per-day", per_day),
        ("--cores", cores),
        ("--card-ms", card_ms),
        ("--restart-s", restart_s),
    ):
        if value is not None:
            _positive(name, value)
    if not mtbf_h >= _SHORTEST_LIFE_H:
        raise UsageError(f"--mtbf-h is a number of hours, {_SHORTEST_LIFE_H:g} at least, or inf")
    if not all(math.isfinite(price) for price in (core_price or 0.0, card_price)):
        raise UsageError("--core-price and --card-price are numbers from 0 on")
    if (card_ms is not None or card_stats is not None) and on != "card":
        raise UsageError("--card-ms and --card-stats are of a card: add --on card")
    with needs(EXTRA):
        from bacctl.archive.plan.answers import Runs, for_archive, for_day
        from bacctl.archive.plan.document import Plan, Prices, assumptions, cost_of
        from bacctl.archive.plan.fleet import ON_CARD, ON_CORES, Fleet
    card = on == "card"
    fleet = Fleet(
        servers=servers or 1,
        cores=cores or (8.0 if card else 2.0),
        times=_times(times, card, card_ms, card_stats),
        layout=ON_CARD if card else ON_CORES,
        file_bytes=2 * pixels,
        work_bytes=8 * pixels,
        mtbf_s=mtbf_h * 3600.0,
        restart_s=restart_s,
    )
    day = None if per_day is None else _day(per_day, open_hours, busiest, views)
    several = Runs(runs, seed)
    with Sink(form_of(as_json), quiet=quiet) as sink:
        archive_answer = day_answer = None
        try:
            if exams is not None:
                sink.talk("simulating the archive")
                archive_answer = for_archive(
                    replace(fleet, clients_beside=True),
                    exams,
                    views,
                    in_flight or (32 if card else 8),
                    several,
                    days=days,
                    hours_a_day=hours_a_day,
                )
            if day is not None:
                sink.talk("simulating the day")
                day_answer = for_day(fleet, day, several, beside)
        except ValueError as error:
            raise CommandError(str(error)) from None
        document = Plan(
            command=shlex.join(["bacctl", *sys.argv[1:]]),
            assumptions=assumptions(
                fleet, views, several, has_archive=archive_answer is not None, has_day=day is not None
            ),
            archive=archive_answer,
            day=day_answer,
            cost=cost_of(
                fleet,
                views,
                archive_answer,
                None if day is None else day.length_s / 3600.0,
                None if core_price is None else Prices(core_price, card_price),
            ),
        )
        sink.document(document.to_json())
        for line in plan_lines(document):
            sink.text(line)


def _check(exams: int | None, days: float | None, per_day: float | None, servers: int | None) -> None:
    if exams is None and per_day is None:
        raise UsageError("say what is asked: --exams of an archive, or --per-day of a screening day")
    if exams is not None and (days is None) == (servers is None):
        raise UsageError("--exams: give either --days or --servers; the other one is the answer")
    if per_day is not None and servers is None:
        raise UsageError("--per-day: give --servers")


def _positive(name: str, value: float) -> None:
    if not value > 0 or math.isinf(value):
        raise UsageError(f"{name} is a number above 0")


def _day(per_day: float, open_hours: int, busiest: float, views: int) -> Day:
    from bacctl.archive.plan.load import Day, opening_hours

    try:
        return Day(opening_hours(per_day, open_hours, busiest), views)
    except ValueError as error:
        raise UsageError(f"--busiest: {error}") from None


def _times(file: Path | None, card: bool, card_ms: float | None, stats: Path | None) -> Times:
    """Read what a view costs; what the network takes on a card is the caller's, or said to be assumed."""
    from bacctl.archive.plan.times import REFERENCE, read_card_s, read_times

    times = REFERENCE if file is None else _read(file, lambda text: read_times(text, file.name))
    if not card:
        return times
    if stats is not None:
        card_s = _read(stats, read_card_s)
        source = f"the network on the card: {card_s * 1e3:.3g} ms a view, Triton's statistics, {stats.name}"
        return times.on_card(card_s, source)
    if card_ms is None:
        return times.on_card(_ASSUMED_CARD_MS / 1e3, _ASSUMED)
    return times.on_card(
        card_ms / 1e3, f"the network on the card: {card_ms:g} ms a view, as given with --card-ms"
    )


def _read(file: Path, read: Callable[[str], T]) -> T:
    try:
        return read(file.read_text(encoding="utf-8"))
    except ValueError as error:  # bytes that are no text included
        raise CommandError(f"{file}: {error}") from None
