"""Figures of merit: Dice, detection, agreement of masses."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

import numpy as np
import numpy.typing as npt

__all__ = ["Agreement", "Detection", "Overlap", "agreement"]


@dataclass(frozen=True)
class Overlap:
    """Pixels of two masks.

    Attributes
    ----------
    found, true, both : int
        Pixels in the found mask, in the true one, and in both.
    """

    found: int
    true: int
    both: int

    @classmethod
    def of(cls, found: npt.NDArray[np.bool_], true: npt.NDArray[np.bool_]) -> Overlap:
        """Count the pixels of two masks of one shape."""
        return cls(int(found.sum()), int(true.sum()), int((found & true).sum()))

    def __add__(self, other: Overlap) -> Overlap:
        return Overlap(self.found + other.found, self.true + other.true, self.both + other.both)

    @property
    def dice(self) -> float:
        """Dice coefficient; 1 where both masks are empty."""
        total = self.found + self.true
        return 2.0 * self.both / total if total else 1.0


@dataclass(frozen=True)
class Detection:
    """Images with and without BAC, and what was said of them."""

    true_positive: int
    false_positive: int
    true_negative: int
    false_negative: int

    @classmethod
    def of(cls, pairs: Sequence[tuple[bool, bool]]) -> Detection:
        """Count (found, true) pairs."""
        counts = {
            key: sum(pair == key for pair in pairs) for key in ((True, True), (True, False), (False, False))
        }
        hits, false_alarms, rejections = counts.values()
        return cls(hits, false_alarms, rejections, len(pairs) - hits - false_alarms - rejections)

    @property
    def sensitivity(self) -> float | None:
        """Part of the images with BAC where it was found; None without such images."""
        return _ratio(self.true_positive, self.true_positive + self.false_negative)

    @property
    def specificity(self) -> float | None:
        """Part of the images without BAC where none was found; None without such images."""
        return _ratio(self.true_negative, self.true_negative + self.false_positive)

    @property
    def f1(self) -> float | None:
        """Harmonic mean of sensitivity and precision; None where BAC is neither there nor found."""
        return _ratio(
            2 * self.true_positive, 2 * self.true_positive + self.false_positive + self.false_negative
        )


@dataclass(frozen=True)
class Agreement:
    """Measured against true masses: Bland and Altman's difference with limits, and the fitted line.

    Attributes
    ----------
    count : int
        Number of pairs.
    mean_difference_mg : float
        Mean of measured minus true.
    limits_mg : tuple of float or None
        Mean difference -+ 1.96 standard deviations; None under two pairs.
    slope, intercept_mg, correlation : float or None
        Least-squares line measured = slope x true + intercept, and Pearson's r; None where the true masses
        are all the same.
    """

    count: int
    mean_difference_mg: float
    limits_mg: tuple[float, float] | None
    slope: float | None
    intercept_mg: float | None
    correlation: float | None


def agreement(measured_mg: Sequence[float], true_mg: Sequence[float]) -> Agreement | None:
    """Compare measured with true masses; None without any pair."""
    if not measured_mg:
        return None
    differences = [m - t for m, t in zip(measured_mg, true_mg, strict=True)]
    mean = fmean(differences)
    if len(differences) < 2:
        return Agreement(1, mean, None, None, None, None)
    spread = 1.96 * stdev(differences)
    slope = intercept = correlation = None
    if len(set(true_mg)) > 1:
        slope, intercept = (float(v) for v in np.polyfit(true_mg, measured_mg, 1))
        if len(set(measured_mg)) > 1:
            correlation = float(np.corrcoef(true_mg, measured_mg)[0, 1])
    return Agreement(len(differences), mean, (mean - spread, mean + spread), slope, intercept, correlation)


def _ratio(part: int, whole: int) -> float | None:
    value = part / whole if whole else math.nan
    return None if math.isnan(value) else value
