"""How often what is given a probability is true: the reliability table and the expected calibration error."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any

import numpy as np
import numpy.typing as npt

from bac_evaluation.probability.judged import JudgedImage, weights_of
from bac_imaging.vessels.probability import Probabilities

__all__ = ["Bin", "Reliability", "SourceMeans", "means_by_source", "reliability", "reliability_of"]

DoubleArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
Judge = Callable[[JudgedImage], Probabilities]

BINS = 10


@dataclass(frozen=True)
class Bin:
    """Cases whose probability lies in one tenth.

    Attributes
    ----------
    low, high : float
        The tenth.
    cases, positives : int
        How many there are, and how many of them are true.
    mean, observed : float
        Mean probability and share that is true, weighted to the prevalence.
    """

    low: float
    high: float
    cases: int
    positives: int
    mean: float
    observed: float


@dataclass(frozen=True)
class Reliability:
    """A reliability diagram.

    Attributes
    ----------
    cases, positives : int
        Over all bins.
    error : float or None
        Expected calibration error: mean over the cases, weighted to the prevalence, of how far the share
        that is true lies from the mean probability in their bin (Naeini et al. 2015). None without cases.
    bins : tuple of Bin
        Those that hold cases.
    """

    cases: int
    positives: int
    error: float | None
    bins: tuple[Bin, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return {**asdict(self), "bins": [asdict(entry) for entry in self.bins]}


@dataclass(frozen=True)
class SourceMeans:
    """How images of one source are judged on average.

    Attributes
    ----------
    source : str
        The source.
    positives, negatives : int
        Images with and without BAC that were measured.
    mean_positive, mean_negative : float or None
        Mean probability of either; None without any.
    """

    source: str
    positives: int
    negatives: int
    mean_positive: float | None
    mean_negative: float | None


def means_by_source(images: Sequence[JudgedImage], judge: Judge) -> list[SourceMeans]:
    """Compute the mean probability of images with and without BAC, by source."""
    given: dict[str, dict[bool, list[float]]] = {}
    for image in images:
        own = given.setdefault(image.source, {True: [], False: []})
        if image.findings is not None:
            own[image.is_true].append(judge(image).image)
    return [
        SourceMeans(source, len(own[True]), len(own[False]), _mean(own[True]), _mean(own[False]))
        for source, own in sorted(given.items())
    ]


def _mean(values: Sequence[float]) -> float | None:
    return fmean(values) if values else None


def reliability(probability: DoubleArray, truth: BoolArray, weights: DoubleArray) -> Reliability:
    """Hold probabilities against the truth.

    Parameters
    ----------
    probability : ndarray of float64, shape (n,)
        From 0 to 1.
    truth : ndarray of bool, shape (n,)
        Which cases are true.
    weights : ndarray of float64, shape (n,)
        How much each counts.
    """
    places = np.minimum((probability * BINS).astype(np.int64), BINS - 1)
    bins, error = [], 0.0
    for place in range(BINS):
        own = places == place
        weight = weights[own].sum()
        if not own.any() or weight <= 0.0:
            continue
        mean, observed = (float((weights * values)[own].sum() / weight) for values in (probability, truth))
        bins.append(
            Bin(place / BINS, (place + 1) / BINS, int(own.sum()), int(truth[own].sum()), mean, observed)
        )
        error += float(weight / weights.sum()) * abs(observed - mean)
    return Reliability(len(truth), int(truth.sum()), error if bins else None, tuple(bins))


def reliability_of(
    images: Sequence[JudgedImage], judge: Judge, prevalence: float
) -> tuple[Reliability, Reliability]:
    """Hold the probabilities of images and of their findings against the truth.

    Parameters
    ----------
    images : sequence of JudgedImage
        Those that were not measured are left out.
    judge : callable
        From an image to its probabilities.
    prevalence : float
        Share of images with BAC to weigh to.

    Returns
    -------
    Reliability
        Per image.
    Reliability
        Per vessel; findings count as their image does, those of which nobody knows not at all.
    """
    measured = [image for image in images if image.findings is not None]
    weights = weights_of(measured, prevalence) if measured else np.zeros(0)
    by_image, by_vessel = [], []
    for image, weight in zip(measured, weights, strict=True):
        given = judge(image)
        by_image.append((given.image, image.is_true, weight))
        findings = image.findings.vessels if image.findings is not None else ()
        by_vessel += [
            (value, finding.true, weight)
            for value, finding in zip(given.vessels, findings, strict=True)
            if finding.true is not None
        ]
    return _of(by_image), _of(by_vessel)


def _of(cases: Sequence[tuple[float, bool, float]]) -> Reliability:
    columns = np.array(cases, dtype=np.float64).reshape(len(cases), 3)
    return reliability(columns[:, 0], columns[:, 1] > 0.5, columns[:, 2])
