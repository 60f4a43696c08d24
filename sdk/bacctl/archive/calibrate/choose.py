"""Which operating point flags no more women without BAC than is wanted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bacctl.archive.report.intervals import holm, wilson

SIGNIFICANT = 0.05
_STEPS = 100  # points are hundredths: a person writes them into a file

Find = float | None
"""The largest probability of a find on a woman's images that count; None where nothing was found."""


@dataclass(frozen=True)
class Point:
    """What an operating point does to women without BAC.

    Attributes
    ----------
    min_probability : float
        The point: finds of a lower probability are left out.
    women, flagged : int
        How many, and on how many of them anything is reported.
    low, high : float
        Wilson's 95 % interval of the share flagged.
    """

    min_probability: float
    women: int
    flagged: int
    low: float
    high: float

    @property
    def share(self) -> float:
        """The share flagged."""
        return self.flagged / self.women


@dataclass(frozen=True)
class Group:
    """A unit or a release of software beside the others, at one point.

    Attributes
    ----------
    by, name : str
        "device" or "software"; which.
    at : Point
        Of its women alone.
    p_value : float
        Fisher's exact test against all others, adjusted for the number of groups (Holm).
    own : Point or None
        The point for it alone, where it differs significantly and has women enough.
    """

    by: str
    name: str
    at: Point
    p_value: float
    own: Point | None

    @property
    def differs(self) -> bool:
        """Whether it is flagged more or less often than the others."""
        return self.p_value < SIGNIFICANT


def points(finds: Sequence[Find], least: float = 0.0) -> list[Point]:
    """Count at each point whom it flags.

    Parameters
    ----------
    finds : sequence of (float or None)
        One a woman; at least one.
    least : float, optional
        The point at which they were measured; what lies below was not reported.

    Returns
    -------
    list of Point
        From `least` to 1 by hundredths.
    """
    wanted = sorted({least, *(step / _STEPS for step in range(_STEPS + 1) if step / _STEPS > least)})
    return [point_at(finds, point) for point in wanted]


def point_at(finds: Sequence[Find], point: float) -> Point:
    """Count whom one point flags: a find counts that is not below it, as everywhere."""
    flagged = sum(find is not None and find >= point for find in finds)
    return Point(point, len(finds), flagged, *wilson(flagged, len(finds)))


def propose(counted: Sequence[Point], share: float) -> Point | None:
    """Choose the least point that is known to flag no more than a share.

    Known: the upper end of its interval is no more. The share falls with the point, so that the choice among
    many points costs no certainty: each stricter one holds, too.

    Parameters
    ----------
    counted : sequence of Point
        As of `points`.
    share : float
        Of women without BAC that may be flagged.

    Returns
    -------
    Point or None
        None where no point is known to.
    """
    return next((point for point in counted if point.high <= share), None)


def compare(
    by: str, finds: Mapping[str, Sequence[Find]], point: float, share: float, least: float
) -> list[Group]:
    """Hold groups of women against each other at a point.

    Parameters
    ----------
    by : str
        What groups them.
    finds : mapping
        Of the women of each group.
    point, share, least : float
        The point; the share that may be flagged; the point at which all were measured.

    Returns
    -------
    list of Group
        In the order of `finds`; none where there is one group alone.
    """
    from scipy.stats import fisher_exact

    if len(finds) < 2:
        return []
    at = {name: point_at(group, point) for name, group in finds.items()}
    women, flagged = sum(one.women for one in at.values()), sum(one.flagged for one in at.values())
    values = [
        float(
            fisher_exact(
                [
                    [one.flagged, one.women - one.flagged],
                    [flagged - one.flagged, women - one.women - flagged + one.flagged],
                ]
            ).pvalue
        )
        for one in at.values()
    ]
    return [
        Group(
            by,
            name,
            at[name],
            value,
            propose(points(finds[name], least), share) if value < SIGNIFICANT else None,
        )
        for name, value in zip(finds, holm(values), strict=True)
    ]
