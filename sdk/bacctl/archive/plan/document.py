"""The document of a plan: its answers, what they cost, and every assumption that they rest on.

``python -m bacctl.archive.plan.document`` writes the schema that belongs to the package.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bac_terms.json_schema import Schema, definitions, object_schema, record_schema
from bac_terms.record import Record
from bacctl.archive.plan.answers import ArchiveAnswer, DayAnswer, Estimate, Runs
from bacctl.archive.plan.fleet import Fleet
from bacctl.results import INTENDED_USE

SCHEMA = "bacctl.plan/1"
SCHEMA_FILE = Path(__file__).parents[2] / "schema" / "plan-1.json"


@dataclass(frozen=True)
class Prices(Record):
    """What the user pays, in any currency.

    Attributes
    ----------
    core_hour, card_hour : float
        For one core and for one card, an hour.
    """

    core_hour: float
    card_hour: float


@dataclass(frozen=True)
class Cost(Record):
    """What exams cost of processors, and of money where prices are known.

    Attributes
    ----------
    core_s_exam : float
        Core seconds that all views of an exam take, the client's included.
    exams_per_core_hour : float
        As many could be done on cores that are never idle.
    exams_per_paid_core_hour : float or null
        As many are done of the archive on the cores that are there, idle or not; null without an archive.
    prices : Prices or null
        As they were given.
    exams_per_unit : float or null
        Exams of the archive for one unit of the currency.
    archive_total : float or null
        What the servers cost for as long as the archive takes them.
    day_total : float or null
        What they cost from the opening to the end of a day.
    """

    core_s_exam: float
    exams_per_core_hour: float
    exams_per_paid_core_hour: float | None
    prices: Prices | None
    exams_per_unit: float | None
    archive_total: float | None
    day_total: float | None


@dataclass(frozen=True)
class Plan(Record):
    """What a fleet would do.

    Attributes
    ----------
    command : str
        What was typed.
    assumptions : tuple of str
        What the answers rest on. What nobody measured begins with "ASSUMED".
    archive : ArchiveAnswer or null
        What an archive takes.
    day : DayAnswer or null
        How long the exams of a day wait.
    cost : Cost
        What an exam costs.
    """

    command: str
    assumptions: tuple[str, ...]
    archive: ArchiveAnswer | None
    day: DayAnswer | None
    cost: Cost

    def to_json(self) -> dict[str, Any]:
        """Return the JSON document with its schema's name."""
        return {"schema": SCHEMA, "intended_use": INTENDED_USE, **self.to_dict()}


def cost_of(
    fleet: Fleet,
    views: int,
    archive: ArchiveAnswer | None,
    day_hours: float | None,
    prices: Prices | None,
) -> Cost:
    """Tell what exams cost; only the servers are paid for, and only while they work or are open."""
    core_s = views * fleet.times.core_s
    paid = total = per_unit = day_total = None
    hourly = None
    if prices is not None:
        card = prices.card_hour if fleet.times.card_s is not None else 0.0
        hourly = (prices.core_hour * fleet.cores + card) / fleet.servers_a_machine
    if archive is not None:
        paid = archive.exams_per_hour.mean * fleet.servers_a_machine / (archive.servers * fleet.cores)
        if hourly is not None:
            total = archive.servers * hourly * archive.days.mean * archive.hours_a_day
            per_unit = archive.exams / total if total else None
    if hourly is not None and day_hours is not None:
        day_total = fleet.servers * hourly * day_hours
    return Cost(core_s, 3600.0 / core_s, paid, prices, per_unit, total, day_total)


def assumptions(fleet: Fleet, views: int, runs: Runs, *, has_archive: bool, has_day: bool) -> tuple[str, ...]:
    """List what the answers rest on."""
    times, limits = fleet.times, fleet.layout.limits
    said = [
        *times.source,
        f"a view: {fleet.file_bytes / 1e6:.1f} MB; {times.core_s:.3f} core s; alone "
        f"{times.alone_s * 1e3:.0f} ms; {views} views an exam; costs of single views drawn from "
        f"{len(times.sizes)} measured",
        f"a server: {fleet.cores:g} cores, shared evenly by all that runs, each as fast as those measured; "
        f"{fleet.layout.preprocess}, {fleet.layout.segment} and {fleet.layout.quantify} instances of the "
        f"steps; at most {limits.work_images} images under way, {limits.waiting_bytes // 2**20} MB waiting",
    ]
    if times.card_s is None:
        said.append(
            f"the network uses {times.segment.most_cores:.1f} cores at most, as on the machine measured"
        )
    if has_archive:
        said.append(
            "archive: clients work on the servers' cores; images are always there to be sent; reading them, "
            "the network between machines and writing results cost nothing"
        )
    if has_day:
        said.append(
            "day: exams come at random within each hour, all views of one together; the client runs "
            "elsewhere; the network between machines costs nothing"
        )
    if math.isinf(fleet.mtbf_s):
        said.append("servers do not die")
    else:
        said.append(
            f"ASSUMED: a server dies every {fleet.mtbf_s / 3600.0:g} h on average, at random, and answers "
            f"again after {fleet.restart_s:g} s (seen: 1 s on an idle machine, docs/performance.md, 38 and "
            "67 s on a crowded one, docs/server.md); what it had under way is measured again"
        )
    said.append(
        f"{runs.count} runs, seeds {runs.seed} to {runs.seed + runs.count - 1}; intervals are of 95 % over "
        "the runs and know nothing of wrong assumptions"
    )
    return tuple(said)


def plan_schema() -> Schema:
    """Return the schema of what ``bacctl archive plan --json`` writes."""
    head = {"schema": {"const": SCHEMA}, "intended_use": {"const": INTENDED_USE}}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": SCHEMA,
        "title": "Plan of a fleet",
        "description": "Simulated, not measured. Times are in seconds. Research use only.",
        **object_schema({**head, **record_schema(Plan)["properties"]}),
        "$defs": definitions(Estimate, ArchiveAnswer, DayAnswer, Prices, Cost),
    }


if __name__ == "__main__":
    SCHEMA_FILE.write_text(json.dumps(plan_schema(), indent=2) + "\n", encoding="utf-8")
