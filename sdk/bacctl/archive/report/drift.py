"""Drift: months, units and releases of software held against each other, with control limits."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from bacctl.archive.report.limits import (
    TAIL,
    Mean,
    Point,
    Run,
    Share,
    mean_points,
    runs,
    share_points,
    stretched,
)
from bacctl.archive.report.rows import UNKNOWN, Rows
from bacctl.archive.report.table import Column, Table

_BY = ("month", "device", "software", "month of a device")
_LOOK = "look at the overlays of a dozen of these exams and of a dozen others"
_ASK = "find out whether unit, software, processing or the women changed"
# Beyond 0.001 and 0.999 the logarithm of odds tells of the last digit alone.
_GROUPS = """
WITH followed AS (
    SELECT month, device, software, 'found' AS measure, CAST(found AS DOUBLE) AS value FROM exams
        WHERE complete
    UNION ALL SELECT month, device, software, 'unanswered', CAST(NOT complete AS DOUBLE) FROM exams
    UNION ALL SELECT month, device, software, 'probability',
        ln(least(greatest(probability, 0.001), 0.999) / (1 - least(greatest(probability, 0.001), 0.999)))
        FROM exams WHERE complete AND probability IS NOT NULL
    UNION ALL SELECT month, device, software, 'area', ln(area_mm2) FROM exams WHERE found AND area_mm2 > 0
    UNION ALL SELECT month, device, software, 'mass', ln(mass_mg) FROM exams
        WHERE found AND basis = 'calibrated' AND mass_mg > 0
), charted AS (
    SELECT measure, 'month' AS kind, '' AS unit, month AS name, value FROM followed
    UNION ALL SELECT measure, 'device', '', device, value FROM followed
    UNION ALL SELECT measure, 'software', '', software, value FROM followed
    UNION ALL SELECT measure, 'month of a device', device, month, value FROM followed
)
SELECT measure, kind, unit, name, count(*), avg(value), coalesce(var_samp(value), 0), sum(value)
FROM charted GROUP BY ALL ORDER BY measure, kind, unit, name
"""


@dataclass(frozen=True)
class Measure:
    """What is followed.

    Attributes
    ----------
    name, title, unit : str
        In tables; on the page; of its values.
    back : callable or None
        From a mean to the scale of what was measured; None for a share.
    advice : str
        What to do where it is outside its limits.
    """

    name: str
    title: str
    unit: str
    back: Callable[[float], float] | None
    advice: str

    @property
    def scale(self) -> float:
        """What values are multiplied with to be shown in `unit`."""
        return 100.0 if self.back is None else 1.0


def _probability(odds: float) -> float:
    return 1.0 / (1.0 + math.exp(-odds))


MEASURES = (
    Measure(
        "found",
        "share of exams with BAC found",
        "%",
        None,
        f"{_LOOK}, {_ASK}, and where software is the cause propose an operating point for it with"
        " `bacctl archive calibrate`",
    ),
    Measure(
        "unanswered",
        "share of exams without an answer",
        "%",
        None,
        "look which refusals and failures these exams have, and whether views are missing",
    ),
    Measure(
        "probability",
        "typical probability of BAC (largest of an exam; mean of the logarithm of odds)",
        "",
        _probability,
        f"{_LOOK} and {_ASK}: it moves before the share of exams with BAC does",
    ),
    Measure(
        "area",
        "typical calcified area where BAC was found (geometric mean)",
        "mm²",
        math.exp,
        f"{_LOOK}, and check pixel spacing and magnification in their headers",
    ),
    Measure(
        "mass",
        "typical calibrated calcium mass where BAC was found (geometric mean)",
        "mg",
        math.exp,
        "run `bacctl qa`, and check beam, grid and thickness in the headers of these exams",
    ),
)
BY_NAME = {measure.name: measure for measure in MEASURES}


@dataclass(frozen=True)
class Drift:
    """All charts.

    Attributes
    ----------
    table : Table
        One row a point.
    runs : sequence of tuple
        (measure, unit or "" of all, run): months in a row on one side.
    """

    table: Table
    runs: Sequence[tuple[Measure, str, Run]]


def drift(rows: Rows, baseline: tuple[str, str] | None = None) -> Drift:
    """Make all charts.

    Parameters
    ----------
    rows : Rows
        With the exams that were put together.
    baseline : tuple of str, optional
        First and last month of the time that is the rule. Default: each month is held against all others.

    Returns
    -------
    Drift
    """
    found: list[dict[str, Any]] = []
    in_row: list[tuple[Measure, str, Run]] = []
    for measure, by, within, groups in _charts(rows):
        months = by.startswith("month")
        points = _points(measure, groups, baseline if months else None)
        if months:
            known = [point for point in points if point.name != UNKNOWN]
            bounds = (0.0, 1.0) if measure.back is None else (-math.inf, math.inf)
            known = stretched(known, bounds)
            in_row += [(measure, within, run) for run in runs(known)]
            points = [*known, *(point for point in points if point.name == UNKNOWN)]
        hits = {group.name: group.hits for group in groups if isinstance(group, Share)}
        found += [
            {
                "by": by,
                "within": within,
                "measure": measure.name,
                "group": point.name,
                "exams": point.count,
                "hits": hits.get(point.name),
                **{
                    name: _shown(measure, getattr(point, name)) for name in ("value", "centre", "low", "high")
                },
                "state": point.state,
            }
            for point in points
        ]
    return Drift(_table(found), in_row)


def point_of(row: Mapping[str, Any]) -> Point | None:
    """Return a row of the table as a point; None where it is withheld."""
    if row["value"] is None or row["exams"] is None:
        return None
    return Point(
        row["group"], row["exams"], *(row[name] for name in ("value", "centre", "low", "high", "state"))
    )


def signals(found: Drift) -> list[str]:
    """Put into words what is outside its limits, and what to do.

    Parameters
    ----------
    found : Drift
        Its table may have been protected.

    Returns
    -------
    list of str
        One a point or run.
    """
    said = []
    for number, row in enumerate(found.table.rows):
        if row["state"] not in ("above", "below"):
            continue
        measure = BY_NAME[row["measure"]]
        where = f"{row['by']} {row['group']}" if not row["within"] else f"{row['group']} of {row['within']}"
        numbers = "its numbers are withheld, since they are of few women"
        if not found.table.hidden(number):
            value, centre, low, high = (
                _text(measure, row[name]) for name in ("value", "centre", "low", "high")
            )
            numbers = f"{value} in {row['exams']} exams; limits {low} to {high}, the others {centre}"
        said.append(
            f"{_first(measure.title)}, {where}: {row['state']} its limits ({numbers})."
            f" To do: {measure.advice}."
        )
    for measure, within, run in found.runs:
        of = f" of {within}" if within else ""
        side = "above" if run.above else "below"
        said.append(
            f"{_first(measure.title)}, {run.first} to {run.last}{of}: {run.months} months in a row {side}"
            f" their centre. To do: {measure.advice}."
        )
    return said


def by_chance(found: Drift) -> tuple[int, float]:
    """Return how many points were judged, and how many of them fall outside by chance, at most."""
    judged = sum(row["state"] != "not judged" for row in found.table.rows)
    return judged, 2.0 * TAIL * judged


_Groups = Sequence[Share] | Sequence[Mean]


def _charts(rows: Rows) -> list[tuple[Measure, str, str, _Groups]]:
    """Return the groups of each chart: measure, what they are, the unit they are of or ""."""
    asked = rows.query(_GROUPS)
    [(units,)] = rows.query("SELECT count(DISTINCT device) FROM exams")
    charts = []
    for (name, by, within), same in groupby(asked, key=lambda row: row[:3]):
        if within and units < 2:  # the same as that of all
            continue
        measure, found = BY_NAME[name], list(same)
        groups: _Groups = (
            [Share(group, count, round(total)) for *_, group, count, _, _, total in found]
            if measure.back is None
            else [Mean(group, count, mean, variance) for *_, group, count, mean, variance, _ in found]
        )
        charts.append((measure, by, within, groups))
    order = list(BY_NAME)
    return sorted(charts, key=lambda chart: (order.index(chart[0].name), _BY.index(chart[1])))


def _points(measure: Measure, groups: _Groups, baseline: tuple[str, str] | None) -> list[Point]:
    names: Collection[str] | None = None
    if baseline is not None:
        names = {group.name for group in groups if baseline[0] <= group.name <= baseline[1]}
    shares = [group for group in groups if isinstance(group, Share)]
    means = [group for group in groups if isinstance(group, Mean)]
    return share_points(shares, names) if measure.back is None else mean_points(means, names)


def _shown(measure: Measure, value: float | None) -> float | None:
    return value if measure.back is None or value is None else measure.back(value)


def _text(measure: Measure, value: float | None) -> str:
    if value is None:
        return "-"
    return f"{100.0 * value:.1f} %" if measure.back is None else f"{value:.3g} {measure.unit}".strip()


def _first(text: str) -> str:
    return text[:1].upper() + text[1:]


def _table(rows: Sequence[Mapping[str, Any]]) -> Table:
    return Table(
        "drift",
        "Drift",
        (
            Column("by", "by"),
            Column("within", "unit"),
            Column("measure", "measure"),
            Column("group", "group"),
            Column("exams", "exams", "count"),
            Column("hits", "with it", "count", "exams", part=True),
            Column("value", "value", "number", "hits"),
            Column("centre", "the others", "number", "hits"),
            Column("low", "lower limit", "number", "hits"),
            Column("high", "upper limit", "number", "hits"),
            Column("state", "state"),
        ),
        rows,
        groups=("by", "within", "measure"),
    )
