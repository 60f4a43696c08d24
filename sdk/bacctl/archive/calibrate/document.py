"""A proposal for a site's operating point: worked out, as JSON, and in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from bac_terms.errors import RefusedError
from bacctl._version import __version__
from bacctl.archive.calibrate.choose import SIGNIFICANT, Group, Point, compare, points, propose
from bacctl.archive.calibrate.known import Cost, costs
from bacctl.archive.calibrate.sample import Sample, Woman, women_text
from bacctl.archive.report.intervals import women_needed
from bacctl.archive.report.rows import Measurer
from bacctl.wording import INTENDED_USE

SCHEMA = "bacctl.archive-calibration/1"
WHY = (
    "One commercial AI recalled 48.3 % of the women of a site at its preset threshold and 13.0 % after"
    " calibration to the site, and about three times as many after an upgrade of the mammographs' software"
    " (de Vries et al., Radiology: Artificial Intelligence 2023, PMC10245180)."
)
_BY: Mapping[str, str] = {"device": "unit", "software": "software"}


@dataclass(frozen=True)
class Proposal:
    """What a sample says of operating points.

    Attributes
    ----------
    specificity : float
        Share of women without BAC that shall not be flagged.
    measurer : Measurer
        What measured them.
    sample : Sample
        The women.
    listed : bool
        Whether somebody said who of them has no BAC.
    counted : sequence of Point
        From the point of the run to 1.
    chosen : Point or None
        What is proposed; None where no point is known to be good enough.
    groups : sequence of Group
        Units and releases of software at that point, or at that of the run where there is none.
    """

    specificity: float
    measurer: Measurer
    sample: Sample
    listed: bool
    counted: Sequence[Point]
    chosen: Point | None
    groups: Sequence[Group]

    @property
    def known(self) -> Sequence[Cost]:
        """What the proposed point is known to cost."""
        return () if self.chosen is None else costs(self.measurer.weights, self.chosen.min_probability)


def work_out(sample: Sample, measurer: Measurer, specificity: float, *, listed: bool) -> Proposal:
    """Choose a point.

    Parameters
    ----------
    sample : Sample
        Women without BAC.
    measurer : Measurer
        What measured them.
    specificity : float
        Above 0 and below 1.
    listed : bool
        Whether somebody said who has no BAC.

    Returns
    -------
    Proposal

    Raises
    ------
    RefusedError
        BAC-ARCHIVE-SAMPLE: there are too few women for any point to be shown good enough.
    """
    share, least = 1.0 - specificity, measurer.point or 0.0
    needed = women_needed(share)
    if len(sample.women) < needed:
        raise RefusedError(
            "BAC-ARCHIVE-SAMPLE",
            f"{women_text(len(sample.women))} with an answer cannot show a"
            f" specificity of {specificity:g}, even if none is flagged",
            f"give at least {needed}, better {women_needed(share, share / 2.0)}",
        )
    counted = points([woman.find for woman in sample.women], least)
    chosen = propose(counted, share)
    # Without a point for all, one unit may be what stands in the way: then at what the run was measured at.
    at = least if chosen is None else chosen.min_probability
    groups: list[Group] = []
    for by in _BY:
        finds: dict[str, list[float | None]] = {}
        for woman in sorted(sample.women, key=lambda woman: _name(woman, by)):
            finds.setdefault(_name(woman, by), []).append(woman.find)
        groups += compare(by, finds, at, share, least)
    return Proposal(specificity, measurer, sample, listed, counted, chosen, groups)


def to_dict(proposal: Proposal, settings: str) -> dict[str, Any]:
    """Put a proposal into one JSON object; `settings` is the text for ``bacctl.toml``."""
    measurer, share = proposal.measurer, 1.0 - proposal.specificity
    return {
        "schema": SCHEMA,
        "intended_use": INTENDED_USE,
        "software": {
            "bacctl": __version__,
            "model": measurer.weights,
            "probability_map": measurer.probability_map,
        },
        "settings_sha256": measurer.settings,
        "probability_prevalence": measurer.prevalence,
        "specificity": proposal.specificity,
        "women": {
            "counted": len(proposal.sample.women),
            "without_answer": proposal.sample.unanswered,
            "listed_and_not_found": proposal.sample.missing,
            "listed": proposal.listed,
            "needed_if_none_is_flagged": women_needed(share),
            "needed_if_half_as_many_are_flagged": women_needed(share, share / 2.0),
        },
        "points": [_point(point) for point in proposal.counted],
        "proposed": None if proposal.chosen is None else _point(proposal.chosen),
        "groups": [
            {
                "by": group.by,
                "name": group.name,
                "at": _point(group.at),
                "p_value_holm": group.p_value,
                "differs": group.differs,
                "own": None if group.own is None else _point(group.own),
            }
            for group in proposal.groups
        ],
        "known_costs": [asdict(cost) for cost in proposal.known],
        "why": WHY,
        "bacctl_toml": settings,
    }


def words(proposal: Proposal) -> list[str]:
    """Say what was found, line by line."""
    sample, chosen, share = proposal.sample, proposal.chosen, 1.0 - proposal.specificity
    said = [WHY, f"{women_text(len(sample.women))} with an answer, each by her latest such exam."]
    if not proposal.listed:
        said.append(
            "All women of the run count as without BAC, as was said; whoever has it drives the point up."
        )
    if sample.unanswered:
        said.append(f"Women without an answer, who are left out: {sample.unanswered}.")
    if sample.missing:
        said.append(f"On the list and in no row: {sample.missing}.")
    if proposal.measurer.prevalence is None:
        said.append(
            "The server has no probability map: its point is a score, and holds for these weights alone."
        )
    differing = [_group(group) for group in proposal.groups if group.differs]
    if chosen is None:
        said.append(
            f"No point is known to leave {100.0 * proposal.specificity:g} % of these women unflagged: at"
            f" {proposal.counted[-1].min_probability:g} {_flagged(proposal.counted[-1])}. Look at what is"
            " found on these women before anything else, and give more of them."
        )
        said += differing
        return said
    said.append(
        f"Proposed: {chosen.min_probability:g}. It flags {_flagged(chosen)}; the upper end is at most"
        f" {100.0 * share:g} %. A site that flags half as many as it may needs"
        f" {women_needed(share, share / 2.0)} women to show it."
    )
    said += differing
    if proposal.groups and not differing:
        said.append(
            "No unit and no software differs significantly at this point; that does not say they are alike."
        )
    said += _known(proposal)
    said.append(
        "A find counts that is not below the point; finds below it are in no mask, area, length or mass, and"
        " take true arteries with them. bac_probability of an image stays as it is."
    )
    return said


def _known(proposal: Proposal) -> list[str]:
    if not proposal.known:
        return [
            "What this costs in sensitivity is not known for these weights: docs/evaluation.md tells how to"
            " find out."
        ]
    return [
        "What is known of its cost (docs/model-card.md; phantoms, few real films, not your images):",
        *(
            f"  {cost.source}, at {cost.min_probability:g}: {cost.found} of {cost.positives} views with BAC"
            f" found, {100.0 * cost.line_recall:.0f} % of their centre lines covered"
            for cost in proposal.known
        ),
    ]


def _group(group: Group) -> str:
    own = "no point of its own can be shown good enough with so few women or so many flagged"
    if group.own is not None:
        own = f"alone it would take {group.own.min_probability:g} ({_flagged(group.own)})"
    return (
        f"{_BY[group.by].capitalize()} {group.name} differs from the others (p = {group.p_value:.2g},"
        f" Fisher's exact test, Holm; below {SIGNIFICANT:g}): {_flagged(group.at)}; {own}. One bacctl.toml"
        " holds one point: run what it takes apart from the others."
    )


def _flagged(point: Point) -> str:
    return (
        f"{point.flagged} of {point.women} women, {100.0 * point.share:.1f} %"
        f" [{100.0 * point.low:.1f}, {100.0 * point.high:.1f}]"
    )


def _name(woman: Woman, by: str) -> str:
    return woman.device if by == "device" else woman.software


def _point(point: Point) -> dict[str, Any]:
    return {**asdict(point), "share": point.share}
