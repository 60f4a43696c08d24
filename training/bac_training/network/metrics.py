"""Figures of merit: Dice, detection, agreement of masses and of categories."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import isotonic_regression
from scipy.stats import rankdata

__all__ = ["Agreement", "Detection", "Overlap", "agreement", "auc", "smallest_found", "weighted_kappa"]

DoubleArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Overlap:
    """Pixels of two masks."""

    # pixels in the found mask, in the true one, and in both
    found: int
    true: int
    both: int

    @classmethod
    def of(cls, found: npt.NDArray[np.bool_], true: npt.NDArray[np.bool_]) -> Overlap:
        """Count the pixels of two masks of one shape."""
        return cls(int(found.sum()), int(true.sum()), int((found & true).sum()))

    @property
    def dice(self) -> float:
        """Dice coefficient; 1 where both masks are empty."""
        total = self.found + self.true
        return 2.0 * self.both / total if total else 1.0


@dataclass(frozen=True)
class Detection:
    """Units (images, breasts or women) with and without BAC, and what was said of them."""

    true_positive: int
    false_positive: int
    true_negative: int
    false_negative: int

    @classmethod
    def of(cls, found: BoolArray, true: BoolArray) -> Detection:
        """Count units; `found` and `true` are of shape (n,)."""
        counts = np.bincount(2 * true.astype(np.int64) + found, minlength=4)
        rejections, alarms, misses, hits = (int(count) for count in counts)
        return cls(hits, alarms, rejections, misses)

    @property
    def sensitivity(self) -> float:
        """Part of the units with BAC where it was found; NaN without such units."""
        return _ratio(self.true_positive, self.true_positive + self.false_negative)

    @property
    def specificity(self) -> float:
        """Part of the units without BAC where none was found; NaN without such units."""
        return _ratio(self.true_negative, self.true_negative + self.false_positive)

    @property
    def f1(self) -> float:
        """Harmonic mean of sensitivity and precision; NaN where BAC is neither there nor found."""
        return _ratio(
            2 * self.true_positive, 2 * self.true_positive + self.false_positive + self.false_negative
        )


def auc(score: DoubleArray, true: BoolArray) -> float:
    """Return the area under the ROC curve: how often a unit with BAC scores higher than one without.

    Ties count half (Mann and Whitney's U over the number of pairs). NaN where one class is missing.
    """
    positives = int(true.sum())
    negatives = true.size - positives
    if not positives or not negatives:
        return math.nan
    ranks = float(rankdata(score)[true].sum())
    return (ranks - positives * (positives + 1) / 2) / (positives * negatives)


@dataclass(frozen=True)
class Agreement:
    """Measured against true masses: Bland and Altman's difference with limits, and the fitted line.

    What cannot be computed is NaN: limits under two pairs, the line where all true masses are the same,
    its standard error under three pairs.

    Attributes
    ----------
    count : int
        Number of pairs.
    mean_difference_mg : float
        Mean of measured minus true.
    lower_limit_mg, upper_limit_mg : float
        Mean difference -+ 1.96 standard deviations.
    slope, intercept_mg, correlation : float
        Least-squares line measured = slope x true + intercept, and Pearson's r.
    see_mg : float
        Standard error of the estimate: root of the residuals' sum of squares over n - 2.
    """

    count: int
    mean_difference_mg: float
    lower_limit_mg: float
    upper_limit_mg: float
    slope: float
    intercept_mg: float
    correlation: float
    see_mg: float


def agreement(measured_mg: DoubleArray, true_mg: DoubleArray) -> Agreement:
    """Compare measured with true masses, both of shape (n,), in mg."""
    count = measured_mg.size
    if not count:
        return Agreement(0, *[math.nan] * 7)
    differences = measured_mg - true_mg
    mean = float(differences.mean())
    spread = 1.96 * float(differences.std(ddof=1)) if count > 1 else math.nan
    across, up = true_mg - true_mg.mean(), measured_mg - measured_mg.mean()
    sxx, syy, sxy = float(across @ across), float(up @ up), float(across @ up)
    slope = sxy / sxx if sxx > 0 else math.nan
    return Agreement(
        count=count,
        mean_difference_mg=mean,
        lower_limit_mg=mean - spread,
        upper_limit_mg=mean + spread,
        slope=slope,
        intercept_mg=float(measured_mg.mean()) - slope * float(true_mg.mean()),
        correlation=sxy / math.sqrt(sxx * syy) if sxx > 0 and syy > 0 else math.nan,
        see_mg=math.sqrt(max(syy - slope * sxy, 0.0) / (count - 2)) if count > 2 else math.nan,
    )


def weighted_kappa(confusion: npt.NDArray[np.int_], power: int) -> float:
    """Return Cohen's weighted kappa of ordered classes, true in rows and found in columns.

    Disagreement costs the distance of the classes to `power`: 1 linear, 2 quadratic weights. 1 is full
    agreement, 0 that of chance; NaN where chance could not disagree.
    """
    total = confusion.sum()
    classes = np.arange(len(confusion))
    cost = np.abs(classes[:, None] - classes[None, :]).astype(np.float64) ** power
    chance = np.outer(confusion.sum(axis=1), confusion.sum(axis=0)) / max(total, 1)
    expected = float((cost * chance).sum())
    return 1.0 - float((cost * confusion).sum()) / expected if expected > 0 else math.nan


def smallest_found(size: DoubleArray, found: BoolArray, sensitivity: float) -> float:
    """Return the smallest size present from which on things are found with a wanted sensitivity, else NaN.

    Sensitivity as a function of size is estimated without a model but for one assumption: what is larger is
    not found less often (isotonic regression).
    """
    if not size.size:
        return math.nan
    # Of one size those found come first, so that the regression pools them with those that were not.
    order = np.lexsort((~found, size))
    fitted = isotonic_regression(found[order].astype(np.float64)).x
    reached = np.flatnonzero(fitted >= sensitivity - 1e-9)
    return float(size[order][reached[0]]) if reached.size else math.nan


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else math.nan
