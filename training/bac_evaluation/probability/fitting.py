"""Fitting the map from what speaks for a finding, or an image, to the probability that it is BAC."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

from bac_evaluation.probability.judged import JudgedImage, weights_of
from bac_imaging.vessels.probability import (
    FOUND,
    NOTHING,
    VESSEL,
    LogisticCurve,
    ProbabilityMap,
    found_features,
    nothing_features,
    vessel_features,
)
from bac_training.errors import TrainingError

__all__ = ["cross_fit", "fit_curve", "fit_map"]

DoubleArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

_RIDGE = 1.0  # on features of unit spread: worth one case
_TAILS = (1.0, 99.0)


def fit_map(images: Sequence[JudgedImage], prevalence: float) -> ProbabilityMap:
    """Fit the three curves.

    Parameters
    ----------
    images : sequence of JudgedImage
        Of several sources; those that were not measured are left out.
    prevalence : float
        Share of images with BAC at which the probabilities are to hold.

    Raises
    ------
    TrainingError
        When there are no images with BAC, none without, or no true or no false finding.
    """
    measured = [image for image in images if image.findings is not None]
    if len({image.is_true for image in measured}) < 2:
        raise TrainingError("the map is fitted on images with and without BAC; give reports that hold both")
    weights = weights_of(measured, prevalence)
    cases, truth, of_case = [], [], []
    for image, weight in zip(measured, weights, strict=True):
        for finding in image.findings.vessels if image.findings is not None else ():
            if finding.true is not None:
                cases.append(vessel_features(finding.evidence))
                truth.append(finding.true)
                of_case.append(weight)
    if len(set(truth)) < 2:
        raise TrainingError("the map is fitted on true and on false finds; give reports that hold both")
    vessel = fit_curve(cases, np.array(truth), np.array(of_case), VESSEL)
    found, nothing = (
        [
            n
            for n, image in enumerate(measured)
            if image.findings is not None and bool(image.findings.vessels) is any_
        ]
        for any_ in (True, False)
    )
    curves = []
    for numbers, names in ((found, FOUND), (nothing, NOTHING)):
        features = [_of_image(measured[number], vessel) for number in numbers]
        own = np.array([measured[number].is_true for number in numbers], dtype=bool)
        curves.append(fit_curve(features, own, weights[numbers], names))
    return ProbabilityMap(prevalence, vessel, *curves)


def cross_fit(images: Sequence[JudgedImage], prevalence: float) -> dict[str, ProbabilityMap]:
    """Fit one map for each source, without its images.

    Raises
    ------
    TrainingError
        When the others do not suffice; it names the source.
    """
    maps = {}
    for source in sorted({image.source for image in images}):
        try:
            maps[source] = fit_map([image for image in images if image.source != source], prevalence)
        except TrainingError as error:
            raise TrainingError(f"without the source {source}: {error}") from None
    return maps


def fit_curve(
    cases: Sequence[Mapping[str, float]], truth: BoolArray, weights: DoubleArray, names: Sequence[str]
) -> LogisticCurve:
    """Fit a logistic curve that falls in no feature, by penalised likelihood.

    Targets are Platt's (1999), (n+ + 1) / (n+ + 2) and 1 / (n- + 2) for n+ true and n- false cases, so that a
    few cases of one kind alone do not make certainty.

    Parameters
    ----------
    cases : sequence of mapping of str to float
        Features.
    truth : ndarray of bool, shape (n,)
        Which are true.
    weights : ndarray of float64, shape (n,)
        How much each counts; their mean is taken for 1.
    names : sequence of str
        Features to fit.
    """
    features = np.array([[case[name] for name in names] for case in cases], dtype=np.float64)
    features = features.reshape(len(cases), len(names))
    if not len(features):  # nothing was ever found, or always something: nothing is known
        return LogisticCurve(0.0, dict.fromkeys(names, 0.0), dict.fromkeys(names, (0.0, 0.0)))
    low, high = np.percentile(features, _TAILS, axis=0)
    features = np.clip(features, low, high)
    middle, spread = features.mean(axis=0), np.maximum(features.std(axis=0), 1e-6)
    scaled = (features - middle) / spread
    positives = int(truth.sum())
    negatives = len(truth) - positives
    target = np.where(truth, (positives + 1) / (positives + 2), 1 / (negatives + 2))
    relative = weights / weights.mean()

    def loss(parameters: DoubleArray) -> tuple[float, DoubleArray]:
        log_odds = parameters[0] + scaled @ parameters[1:]
        off = relative * (1.0 / (1.0 + np.exp(-log_odds)) - target)
        slope = np.array([off.sum(), *(scaled.T @ off + _RIDGE * parameters[1:])])
        likelihood = relative * (np.logaddexp(0.0, log_odds) - target * log_odds)
        return float(likelihood.sum() + 0.5 * _RIDGE * (parameters[1:] ** 2).sum()), slope

    start = np.zeros(1 + len(names))
    bounds = [(-20.0, 20.0), *[(0.0, None)] * len(names)]
    fitted = minimize(loss, start, jac=True, bounds=bounds, method="L-BFGS-B").x
    slopes = fitted[1:] / spread
    return LogisticCurve(
        float(fitted[0] - slopes @ middle),
        {name: float(slope) for name, slope in zip(names, slopes, strict=True)},
        {name: (float(a), float(b)) for name, a, b in zip(names, low, high, strict=True)},
    )


def _of_image(image: JudgedImage, vessel: LogisticCurve) -> dict[str, float]:
    evidence = image.evidence
    if not evidence.vessels:
        return nothing_features(evidence)
    return found_features([vessel.log_odds(vessel_features(finding)) for finding in evidence.vessels])
