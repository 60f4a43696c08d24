"""What each operating point costs and keeps, by source."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bac_evaluation.probability.judged import JudgedImage
from bac_evaluation.probability.reliability import Judge
from bac_evaluation.vessels.findings import Findings
from bac_imaging.vessels.probability import Probabilities

__all__ = ["POINTS", "Point", "points_of"]

POINTS = (0.0, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9)


@dataclass(frozen=True)
class Point:
    """What an operating point does on the images of one source.

    Attributes
    ----------
    source : str
        The source.
    min_probability : float
        The point.
    negatives, flagged : int
        Images without BAC that were measured, and of them those on which anything is reported.
    false_mm2 : float or None
        Mean area reported on one of these; None without any.
    positives, found : int
        Images with BAC, and of them those on which anything is reported; one that was not measured is not
        found.
    line_recall : float or None
        Part of the centre lines of their arteries that is covered, where these are known, of those that were
        measured.
    """

    source: str
    min_probability: float
    negatives: int
    flagged: int
    false_mm2: float | None
    positives: int
    found: int
    line_recall: float | None


def points_of(images: Sequence[JudgedImage], judge: Judge, points: Sequence[float] = POINTS) -> list[Point]:
    """Return what each operating point costs, by source, then by point."""
    judged = [
        (image, image.findings, judge(image) if image.findings is not None else None) for image in images
    ]
    return [
        _point(source, point, [entry for entry in judged if entry[0].source == source])
        for source in sorted({image.source for image in images})
        for point in points
    ]


def _point(
    source: str, point: float, judged: Sequence[tuple[JudgedImage, Findings | None, Probabilities | None]]
) -> Point:
    negatives = flagged = positives = found = 0
    false_mm2 = length = covered = 0.0
    for image, findings, given in judged:
        if findings is None or given is None:
            positives += image.is_true
            continue
        kept = {number for number, value in enumerate(given.vessels) if value >= point}
        if image.is_true:
            positives += 1
            found += bool(kept)
            length += sum(part for part, _ in findings.lines)
            covered += sum(part for part, near in findings.lines if kept & set(near))
        else:
            negatives += 1
            # What lies on a line of which nobody knows is not held against it.
            flagged += any(findings.vessels[number].true is not None for number in kept)
            false_mm2 += sum(findings.vessels[number].false_mm2 for number in kept)
    return Point(
        source=source,
        min_probability=point,
        negatives=negatives,
        flagged=flagged,
        false_mm2=false_mm2 / negatives if negatives else None,
        positives=positives,
        found=found,
        line_recall=covered / length if length else None,
    )
