"""The findings of one image held against its truth, one by one: what an operating point would leave out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from bac_evaluation.vessels.geometry import near, shape_of
from bac_evaluation.vessels.matching import MATCHED_FRACTION, TOLERANCE_MM
from bac_imaging.pipeline import Quantified
from bac_imaging.vessels.evidence import Evidence, VesselEvidence

__all__ = ["Finding", "Findings", "judge_findings"]

DoubleArray = npt.NDArray[np.float64]
_NOTHING = np.zeros((0, 2))


@dataclass(frozen=True)
class Finding:
    """One finding of the pipeline.

    Attributes
    ----------
    evidence : VesselEvidence
        What speaks for it.
    true : bool or None
        Whether a quarter of its centre line or more lies within 1 mm of the truth; None where that cannot be
        told.
    false_mm2 : float
        Of its mask, what lies more than 1 mm from the truth, in the artery's plane.
    """

    evidence: VesselEvidence
    true: bool | None
    false_mm2: float


@dataclass(frozen=True)
class Findings:
    """All findings of an image.

    Attributes
    ----------
    peak : float
        Of `bac_imaging.vessels.evidence.Evidence`.
    vessels : tuple of Finding
        Numbered from 0.
    lines : tuple of (float, tuple of int)
        The truth's centre line in parts: their lengths in mm at the detector, and the numbers of the findings
        that come within 1 mm of them.
    """

    peak: float
    vessels: tuple[Finding, ...] = ()
    lines: tuple[tuple[float, tuple[int, ...]], ...] = ()

    @property
    def evidence(self) -> Evidence:
        """Return what `bac_imaging.vessels.probability` takes."""
        return Evidence(self.peak, tuple(finding.evidence for finding in self.vessels))

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return {
            "peak": self.peak,
            "finds": [
                {**asdict(finding.evidence), "true": finding.true, "false_mm2": finding.false_mm2}
                for finding in self.vessels
            ],
            "lines": [[length, list(numbers)] for length, numbers in self.lines],
        }

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Findings:
        """Read what `to_dict` wrote."""
        findings = []
        for entry in value["finds"]:
            evidence = dict(entry)
            true, false_mm2 = evidence.pop("true"), evidence.pop("false_mm2")
            findings.append(Finding(VesselEvidence(**evidence), true, false_mm2))
        lines = tuple((float(length), tuple(numbers)) for length, numbers in value["lines"])
        return cls(value["peak"], tuple(findings), lines)


def judge_findings(
    result: Quantified,
    spacing_mm: tuple[float, float],
    pixel_mm2: float,
    true: DoubleArray,
    line: DoubleArray,
    step_mm: float,
    excused: DoubleArray = _NOTHING,
    *,
    nowhere: bool = False,
) -> Findings:
    """Hold the findings of an image against its truth.

    Parameters
    ----------
    result : Quantified
        Of the pipeline, without an operating point.
    spacing_mm : tuple of float
        Of the stored matrix, (between rows, between columns).
    pixel_mm2 : float
        Area of a pixel in the artery's plane.
    true : ndarray of float64, shape (n, 2)
        Points of the truth in mm at the detector: pixels of its mask, or points of lines that were drawn.
    line : ndarray of float64, shape (m, 2)
        Points of its centre line.
    step_mm : float
        Length that each of these stands for.
    excused : ndarray of float64, shape (k, 2), optional
        Points of which nobody knows whether they are true: what lies near them is not false.
    nowhere : bool, default False
        Whether there is BAC, and nobody said where: then nothing can be told of a finding.

    Returns
    -------
    Findings
    """
    true_or_excused = np.concatenate((true, excused))
    findings, covered = [], []
    boxes = ndimage.find_objects(result.labels, max_label=len(result.evidence.vessels))
    for number, (box, evidence) in enumerate(zip(boxes, result.evidence.vessels, strict=True), start=1):
        if box is None or nowhere:  # or it fell between the pixels of a coarser stored matrix
            findings.append(Finding(evidence, None, 0.0))
            covered.append(np.zeros(len(line), dtype=bool))
            continue
        shape = shape_of(result.labels[box] == number, spacing_mm, (box[0].start, box[1].start))
        is_true: bool | None = bool(near(shape.line, true, TOLERANCE_MM).mean() >= MATCHED_FRACTION)
        if not is_true and near(shape.line, true_or_excused, TOLERANCE_MM).mean() >= MATCHED_FRACTION:
            is_true = None
        false_mm2 = pixel_mm2 * float((~near(shape.pixels, true_or_excused, TOLERANCE_MM)).sum())
        findings.append(Finding(evidence, is_true, false_mm2))
        covered.append(near(line, shape.pixels, TOLERANCE_MM))
    return Findings(result.evidence.peak, tuple(findings), _parts(covered, len(line), step_mm))


def _parts(
    covered: list[npt.NDArray[np.bool_]], points: int, step_mm: float
) -> tuple[tuple[float, tuple[int, ...]], ...]:
    """Count the points of a line by the findings that cover them."""
    if not points:
        return ()
    covered_by = np.array(covered, dtype=bool).reshape(len(covered), points).T
    patterns, counts = np.unique(covered_by, axis=0, return_counts=True)
    return tuple(
        (step_mm * int(count), tuple(int(number) for number in np.flatnonzero(pattern)))
        for pattern, count in zip(patterns, counts, strict=True)
    )
