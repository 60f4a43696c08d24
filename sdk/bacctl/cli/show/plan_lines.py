"""A plan in lines for people."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bacctl.archive.plan.answers import ArchiveAnswer, DayAnswer, Estimate
    from bacctl.archive.plan.document import Cost, Plan

# PMC11092813: 126,000 CT volumes of NLST, TotalSegmentator, 2024; another work on other images.
_ANCHOR = (
    "beside it: 126,000 CT volumes through segmentation in a cloud, 1,011 dollars, 125 a dollar "
    "(PMC11092813); a volume is far more work than four views"
)


def plan_lines(plan: Plan) -> Iterator[str]:
    """Yield the lines: answers, costs, assumptions."""
    if plan.archive is not None:
        yield from _archive(plan.archive)
    if plan.day is not None:
        yield from _day(plan.day)
    yield from _cost(plan.cost)
    yield "Simulated, not measured; intervals of 95 % over the runs. It rests on:"
    yield from (f"- {line}" for line in plan.assumptions)
    yield "Research use only."


def _archive(answer: ArchiveAnswer) -> Iterator[str]:
    within = "" if answer.days_allowed is None else f" for {answer.days_allowed:g} days"
    yield f"{answer.exams:,} exams: {_count(answer.servers)}{within}, {answer.hours_a_day:g} h a day"
    yield f"  exams an hour   {_shown(answer.exams_per_hour, ',.0f')}"
    yield f"  days            {_shown(answer.days, ',.2f')}"
    yield f"  cores used      {_shown(answer.core_share, '.0%')}"


def _day(answer: DayAnswer) -> Iterator[str]:
    beside = "" if answer.archive_exams_per_hour is None else ", an archive beside it: the busiest hour"
    yield f"{answer.exams:,.0f} exams a day on {_count(answer.servers)}{beside}"
    for name, estimate in (
        ("exam, p50", answer.exam_p50_s),
        ("exam, p95", answer.exam_p95_s),
        ("exam, p99", answer.exam_p99_s),
        ("view, p50", answer.view_p50_s),
        ("view, p95", answer.view_p95_s),
    ):
        yield f"  {name}       {_shown(estimate, ',.2f')} s"
    yield f"  cores used      {_shown(answer.core_share, '.0%')}"
    yield f"  views late      {_shown(answer.late, ',.1f')}, after 300 s or given up"
    yield (
        "  a server dies in the busiest hour, exams until it is back: "
        f"p95 {_shown(answer.death_p95_s, ',.2f')} s, longest {_shown(answer.death_longest_s, ',.2f')} s"
    )
    if answer.archive_exams_per_hour is not None:
        yield f"  exams of the archive an hour   {_shown(answer.archive_exams_per_hour, ',.0f')}"


def _cost(cost: Cost) -> Iterator[str]:
    yield (
        f"cost: {cost.core_s_exam:.2f} core s an exam, {cost.exams_per_core_hour:,.0f} exams a core hour "
        "on cores that are never idle"
    )
    if cost.exams_per_paid_core_hour is not None:
        yield f"  {cost.exams_per_paid_core_hour:,.0f} exams of the archive for each core hour that is there"
    if cost.prices is None:
        return
    card = f", {cost.prices.card_hour:g} a card hour" if cost.prices.card_hour else ""
    yield f"  at your prices, {cost.prices.core_hour:g} a core hour{card}; processors only:"
    if cost.archive_total is not None and cost.exams_per_unit is not None:
        yield f"  the archive {cost.archive_total:,.2f}, {cost.exams_per_unit:,.0f} exams for 1"
        yield f"  {_ANCHOR}"
    if cost.day_total is not None:
        yield f"  a day {cost.day_total:,.2f}"


def _count(servers: int) -> str:
    return f"{servers:,} server{'' if servers == 1 else 's'}"


def _shown(estimate: Estimate, form: str) -> str:
    return f"{estimate.mean:{form}} ({estimate.low:{form}} to {estimate.high:{form}})"
