"""The figures of labelled images, each a sum over a sum, and their bootstrap intervals over patients."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from bac_evaluation.figures import Estimate
from bac_evaluation.real.rows import RealRow
from bac_training.data.labelled import LABELS, LabelledImage

__all__ = ["FIGURES", "Group", "group_images"]

Case = tuple[LabelledImage, RealRow]
DoubleArray = npt.NDArray[np.float64]

GROUPS = ("digital", "film", "simulated", "other")


@dataclass(frozen=True)
class Group:
    """Images of one kind, or of one kind and source, and what was found on them.

    Attributes
    ----------
    name : str
        ``"digital"``, ``"film"``, ``"simulated"`` or ``"other"``.
    kind, source : str or None
        As the list tells them; None where the group holds all kinds and sources of its name.
    views, patients : mapping of str to int
        By label. A patient is positive with one positive image, of this group or not, else negative with one
        negative, else uncertain.
    measured, flagged : int
        Negative views that were measured, and of them those on which BAC was reported.
    patients_measured, patients_flagged : int
        The same of negative patients: measured on a negative view, and flagged on one.
    found : int
        Positive views on which BAC was reported.
    line_mm : float
        Length drawn as BAC on positive views, at the detector.
    refused, failed : mapping of str to int
        Images by code.
    figures : mapping of str to Estimate
        By name, see `FIGURES`.
    """

    name: str
    kind: str | None
    source: str | None
    views: Mapping[str, int]
    patients: Mapping[str, int]
    measured: int
    flagged: int
    patients_measured: int
    patients_flagged: int
    found: int
    line_mm: float
    refused: Mapping[str, int]
    failed: Mapping[str, int]
    figures: Mapping[str, Estimate] = field(default_factory=dict)


@dataclass(frozen=True)
class _Patient:
    """The images of one patient in a group, and what all of the patient's images say together."""

    cases: Sequence[Case]
    label: str

    @property
    def negative(self) -> list[RealRow]:
        """Negative views that were measured: a refusal is no merit."""
        return [row for image, row in self.cases if image.label == "negative" and row.status == "ok"]

    @property
    def positive(self) -> list[RealRow]:
        """Positive views, also those not measured: an artery there is one not found."""
        return [row for image, row in self.cases if image.label == "positive"]

    @property
    def flagged(self) -> int:
        return sum(is_flagged(row) for row in self.negative)

    @property
    def is_negative(self) -> bool:
        return self.label == "negative" and bool(self.negative)


def is_flagged(row: RealRow) -> bool:
    """Tell whether an image raises BAC, elsewhere than on a line that is drawn as uncertain."""
    return row.found and not (row.area_mm2 > 0 and row.far_mm2 == 0)


def _per_negative(value: Callable[[RealRow], float]) -> Callable[[_Patient], tuple[float, float]]:
    return lambda p: (sum(map(value, p.negative)), len(p.negative))


# Each from a patient to what is counted and what it is a share of.
FIGURES: Mapping[str, Callable[[_Patient], tuple[float, float]]] = {
    "views_flagged": lambda p: (p.flagged, len(p.negative)),
    "patients_flagged": lambda p: (p.is_negative and p.flagged > 0, p.is_negative),
    "false_mm2": _per_negative(lambda row: sum(row.false_mm2)),
    "false_skin_mm2": _per_negative(lambda row: row.false_mm2[0]),
    "false_below_skin_mm2": _per_negative(lambda row: row.false_mm2[1]),
    "false_deep_mm2": _per_negative(lambda row: row.false_mm2[2]),
    "views_found": lambda p: (sum(row.found for row in p.positive), len(p.positive)),
    "patients_found": lambda p: (any(row.found for row in p.positive), bool(p.positive)),
    "line_recall": lambda p: (
        sum(row.covered_mm for row in p.positive),
        sum(row.line_mm for row in p.positive),
    ),
    "far_positive_mm2": lambda p: (
        sum(row.far_mm2 for row in p.positive if row.line_mm and row.status == "ok"),
        sum(row.line_mm > 0 and row.status == "ok" for row in p.positive),
    ),
}
"""Figures by name: shares of negative views and patients flagged, false mm2 a negative view (all, within 3 mm
of the skin line, from there to 10 mm, deeper), shares of positive views and patients found, part of the drawn
length covered, and mm2 farther than 3 mm from any line on a positive view with lines."""


def group_images(cases: Sequence[Case], draws: int, seed: int) -> list[Group]:
    """Compute the figures of every kind, and within it of every kind as told and source.

    Parameters
    ----------
    cases : sequence of (LabelledImage, RealRow)
        Images and what was measured on them.
    draws : int
        Bootstrap samples of patients, each with all their images.
    seed : int
        Of the draws.
    """
    labels: dict[str, set[str]] = {}
    for image, _ in cases:
        labels.setdefault(image.patient, set()).add(image.label)
    label_of = {
        patient: next(label for label in ("positive", "negative", "uncertain") if label in own)
        for patient, own in labels.items()
    }
    groups = []
    for name in GROUPS:
        of_name = [case for case in cases if case[0].group == name]
        if not of_name:
            continue
        groups.append(_group(name, None, None, of_name, label_of, draws, seed))
        parts: dict[tuple[str, str], list[Case]] = {}
        for case in of_name:
            parts.setdefault((case[0].kind, case[0].source), []).append(case)
        groups += [
            _group(name, kind, source, part, label_of, draws, seed)
            for (kind, source), part in sorted(parts.items())
        ]
    return groups


def _group(
    name: str,
    kind: str | None,
    source: str | None,
    cases: Sequence[Case],
    label_of: Mapping[str, str],
    draws: int,
    seed: int,
) -> Group:
    by_patient: dict[str, list[Case]] = {}
    for case in cases:
        by_patient.setdefault(case[0].patient, []).append(case)
    patients = [_Patient(own, label_of[patient]) for patient, own in by_patient.items()]
    codes: dict[str, Counter[str]] = {"refused": Counter(), "failed": Counter()}
    for _, row in cases:
        if row.status in codes:
            codes[row.status][row.code or ""] += 1
    views = Counter(image.label for image, _ in cases)
    of_label = Counter(patient.label for patient in patients)
    return Group(
        name=name,
        kind=kind,
        source=source,
        views={label: views[label] for label in LABELS},
        patients={label: of_label[label] for label in LABELS},
        measured=sum(len(patient.negative) for patient in patients),
        flagged=sum(patient.flagged for patient in patients),
        patients_measured=sum(patient.is_negative for patient in patients),
        patients_flagged=sum(patient.is_negative and patient.flagged > 0 for patient in patients),
        found=sum(row.found for patient in patients for row in patient.positive),
        line_mm=sum(row.line_mm for patient in patients for row in patient.positive),
        refused=dict(codes["refused"]),
        failed=dict(codes["failed"]),
        figures={what: _estimate([of(p) for p in patients], draws, seed) for what, of in FIGURES.items()},
    )


def _estimate(sums: Sequence[tuple[float, float]], draws: int, seed: int) -> Estimate:
    """Return the ratio of the sums, and its interval over draws of those whom it is about.

    One patient cannot tell how far others are from the figure: then there is no interval.
    """
    pairs = np.array([pair for pair in sums if pair[1] > 0], dtype=np.float64).reshape(-1, 2)
    if not len(pairs):
        return Estimate(None, None, None)
    part, whole = pairs.sum(axis=0)
    value = float(part / whole)
    if len(pairs) < 2 or not draws:
        return Estimate(value, None, None)
    drawn = pairs[np.random.default_rng(seed).integers(len(pairs), size=(draws, len(pairs)))].sum(axis=1)
    low, high = np.percentile(drawn[:, 0] / drawn[:, 1], (2.5, 97.5))
    return Estimate(value, float(low), float(high))
