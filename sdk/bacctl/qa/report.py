"""The report of a quality assurance run: as JSON, as Markdown and as a line of the trend."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bacctl._version import __version__
from bacctl.qa.judge import Verdict
from bacctl.qa.run import Row, Subject
from bacctl.qa.trend import TREND_COLUMNS
from bacctl.results import INTENDED_USE
from bacctl.wording import milligrams, number

SCHEMA = "bacctl.qa/1"
_TREND_SHOWN = 10


@dataclass(frozen=True)
class Report:
    """A finished run."""

    date: datetime  # when it was started, UTC
    subject: Subject  # what was tested
    phantoms: str  # number of the set and SHA-256 of its files
    rows: Sequence[Row]  # all phantoms
    verdicts: Sequence[Verdict]  # what was judged

    @property
    def passed(self) -> bool:
        """Whether every figure lies within its tolerance."""
        return all(verdict.passed for verdict in self.verdicts)

    @property
    def stem(self) -> str:
        """Name of the report's files, without ending: they sort by date, in UTC."""
        return f"qa-{self.date:%Y%m%dT%H%M%SZ}"

    @property
    def intervals(self) -> tuple[int, int]:
        """How many intervals of phantoms with calcium hold the truth, and how many there are."""
        known = [r.within for r in self.rows if r.spec.calcium_mass_mg > 0 and r.within is not None]
        return sum(known), len(known)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object."""
        return {
            "schema": SCHEMA,
            "intended_use": INTENDED_USE,
            "date": f"{self.date:%Y-%m-%dT%H:%M:%SZ}",
            "passed": self.passed,
            "software": {
                "bacctl": __version__,
                "server": self.subject.server,
                "triton": self.subject.triton,
                "model": self.subject.model,
                "installed_model": self.subject.installed_model,
                "calibration": self.subject.calibration,
                "phantoms": self.phantoms,
            },
            "mass_reference": "calcium",
            "figures": [verdict.to_dict() for verdict in self.verdicts],
            "phantoms": [row.to_dict() for row in self.rows],
        }

    def trend_row(self) -> dict[str, str]:
        """Return the run's line of the trend."""
        value = {verdict.tolerance.name: verdict.value for verdict in self.verdicts}
        hold, known = self.intervals
        cells = (
            f"{self.date:%Y-%m-%dT%H:%M:%SZ}",
            __version__,
            self.subject.server,
            self.subject.triton,
            self.subject.model[:12],
            (self.subject.calibration or "")[:12],
            self.phantoms[:14],
            _cell(value["bias_mg"]),
            _cell(value["sd_mg"]),
            _cell(value["slope"]),
            str(hold),
            str(known),
            "yes" if self.passed else "no",
        )
        return dict(zip(TREND_COLUMNS, cells, strict=True))


def _cell(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def phantom_cells(row: Row) -> tuple[str, ...]:
    """Write a phantom's line: technique, kV, mm, true mg, measured mg with interval, difference, found."""
    beam = row.spec.beam
    found = {True: "yes", False: "no", None: "-"}[row.result.bac_detected]
    inside = {True: "", False: "outside the interval", None: row.remark}[row.within]
    interval = None if row.measured_mg is None else row.result.calcium_mass_interval_mg
    return (
        f"{beam.anode}/{beam.filter_material}",
        f"{beam.kvp}",
        f"{row.spec.thickness_mm:.0f}",
        f"{row.spec.calcium_mass_mg:.0f}",
        milligrams(row.measured_mg, interval),
        "-" if row.difference_mg is None else f"{row.difference_mg:+.1f}",
        found,
        inside,
    )


PHANTOM_TITLES = ("beam", "kV", "mm", "true mg", "measured mg [95 %]", "difference", "found", "remark")


def verdict_cells(verdict: Verdict) -> tuple[str, ...]:
    """Write a figure's line: what it is, its value, its tolerance, whether it passed."""
    wanted = verdict.tolerance
    return (
        wanted.text,
        number(verdict.value, 3),
        f"{wanted.low:g} to {wanted.high:g}",
        "pass" if verdict.passed else "FAIL",
    )


VERDICT_TITLES = ("figure", "value", "tolerance", "")


def failure_text(report: Report) -> str:
    """Say in one line what did not pass."""
    failed = [verdict for verdict in report.verdicts if not verdict.passed]
    parts = (
        f"{v.tolerance.text}: {number(v.value, 3)} (tolerance {v.tolerance.low:g} to {v.tolerance.high:g})"
        for v in failed
    )
    return f"QA failed: {'; '.join(parts)}"


def change_text(trend: Sequence[Mapping[str, str]], row: Mapping[str, str]) -> str | None:
    """Say in one line what is different from the last run on the same server; None where there was none."""
    last = next((line for line in reversed(trend) if line["server"] == row["server"]), None)
    if last is None:
        return None
    watched = ("bacctl", "triton", "model", "calibration", "phantoms")
    changed = [name for name in watched if last[name] != row[name]]
    return (
        f"since {last['date']}: {', '.join(changed) or 'nothing that is recorded'} changed; mean difference "
        f"{last['bias_mg'] or '-'} to {row['bias_mg'] or '-'} mg, standard deviation "
        f"{last['sd_mg'] or '-'} to {row['sd_mg'] or '-'} mg"
    )


def as_markdown(report: Report, trend: Sequence[Mapping[str, str]]) -> str:
    """Write a report for people.

    Parameters
    ----------
    report : Report
        The run.
    trend : sequence of mapping
        Lines of the trend, this run's last. Those of other servers are left out.

    Returns
    -------
    str
        Markdown.
    """
    subject = report.subject
    facts = (
        ("date", f"{report.date:%Y-%m-%d %H:%M} UTC"),
        ("bacctl", __version__),
        ("server", f"{subject.server}, Triton {subject.triton}"),
        ("model (SHA-256)", subject.model),
        ("calibration table (SHA-256)", subject.calibration or "not told by the server"),
        ("phantoms (set, SHA-256)", report.phantoms),
    )
    shown = [column for column in TREND_COLUMNS if column != "server"]
    own = [row for row in trend if row["server"] == subject.server][-_TREND_SHOWN:]
    lines = [
        f"# Quality assurance: {'passed' if report.passed else 'FAILED'}",
        "",
        f"{INTENDED_USE.capitalize()}. Digital phantoms of known calcium mass, not patients.",
        "",
        *_table(("", ""), facts),
        *([f"Note: {subject.remark}.", ""] if subject.remark else []),
        "## Figures",
        "",
        *_table(VERDICT_TITLES, [verdict_cells(verdict) for verdict in report.verdicts]),
        "## Phantoms",
        "",
        *_table(PHANTOM_TITLES, [phantom_cells(row) for row in report.rows]),
        f"## Trend, last {_TREND_SHOWN} runs on this server",
        "",
        *_table(shown, [[row[column] for column in shown] for row in own]),
    ]
    return "\n".join(lines).rstrip() + "\n"


def _table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

    return [line(titles), line(["---"] * len(titles)), *(line(row) for row in rows), ""]
