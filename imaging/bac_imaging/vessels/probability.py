"""From what speaks for a finding, or for an image, to the probability that it is BAC.

Without a map the probability is the network's score, which rises with the evidence and promises no more. With
one it is fitted: of images as those it was fitted on, with the share of images with BAC that it names, as
many hold BAC as it says. The maps are logistic (Platt 1999) in a few features, of which none may lower them.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from bac_imaging.vessels.demands import PostProcessing
from bac_imaging.vessels.evidence import Evidence, VesselEvidence

SCHEMA = "bacctl.probability_map/1"
_LARGEST = 0.999  # of a probability in a feature: beyond it engines of lower precision know no difference
_DECIMALS = 4


@dataclass(frozen=True)
class Probabilities:
    """What an image's report says of how sure it is.

    Attributes
    ----------
    image : float
        That the image shows BAC.
    vessels : tuple of float
        That each finding is a calcified artery.
    prevalence : float or None
        Share of images with BAC at which they hold; None where they are scores.
    point : float
        Least probability of a finding that is reported.
    """

    image: float
    vessels: tuple[float, ...]
    prevalence: float | None = None
    point: float = 0.0


@dataclass(frozen=True)
class LogisticCurve:
    """A logistic curve in several features that never falls in any of them.

    Attributes
    ----------
    intercept : float
        Log-odds where all features are 0.
    weights : mapping of str to float
        By feature, 0 or more.
    ranges : mapping of str to tuple of float
        Least and largest value of each feature that the fit has seen; what lies outside is taken for the end.

    Raises
    ------
    ValueError
        When a number is none, a weight is negative, or weights and ranges are of different features.
    """

    intercept: float
    weights: Mapping[str, float]
    ranges: Mapping[str, tuple[float, float]]

    def __post_init__(self) -> None:
        ends = [end for pair in self.ranges.values() for end in pair]
        if not all(math.isfinite(v) for v in (self.intercept, *self.weights.values(), *ends)):
            raise ValueError("a number of the probability map is not finite")
        if min(self.weights.values(), default=0.0) < 0.0:
            raise ValueError(
                "a weight of the probability map is negative, so that more evidence would lower it"
            )
        if set(self.weights) != set(self.ranges) or any(low > high for low, high in self.ranges.values()):
            raise ValueError("the ranges of the probability map do not fit its weights")

    def log_odds(self, features: Mapping[str, float]) -> float:
        """Return the log-odds for features by name."""
        total = self.intercept
        for name, weight in self.weights.items():
            low, high = self.ranges[name]
            total += weight * min(max(features[name], low), high)
        return total

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        ranges = {name: list(pair) for name, pair in self.ranges.items()}
        return {"intercept": self.intercept, "weights": dict(self.weights), "ranges": ranges}

    @classmethod
    def from_dict(cls, value: Mapping[str, Any], features: tuple[str, ...]) -> LogisticCurve:
        """Read what `to_dict` wrote; ValueError where it is of other features."""
        weights = {str(name): float(weight) for name, weight in value["weights"].items()}
        if set(weights) != set(features):
            raise ValueError(f"the probability map is not of {', '.join(features)}")
        ranges = {str(name): (float(low), float(high)) for name, (low, high) in value["ranges"].items()}
        return cls(float(value["intercept"]), weights, ranges)


VESSEL = ("mean", "length", "area", "deep")
FOUND = ("strongest", "others")
NOTHING = ("peak",)


@dataclass(frozen=True)
class ProbabilityMap:
    """Three curves that were fitted together.

    Attributes
    ----------
    prevalence : float
        Share of images with BAC at which the probabilities hold.
    vessel : LogisticCurve
        That a finding is a calcified artery; in the features of `vessel_features`.
    found : LogisticCurve
        That an image shows BAC on which something was found; in those of `found_features`.
    nothing : LogisticCurve
        The same of one on which nothing was; in those of `nothing_features`.

    Raises
    ------
    ValueError
        When the prevalence is no share.
    """

    prevalence: float
    vessel: LogisticCurve
    found: LogisticCurve
    nothing: LogisticCurve

    def __post_init__(self) -> None:
        if not 0.0 < self.prevalence < 1.0:
            raise ValueError(f"the prevalence {self.prevalence:g} of the probability map is no share")

    def vessel_probability(self, evidence: VesselEvidence) -> float:
        """Return the probability that a finding is a calcified artery."""
        return logistic(self.vessel.log_odds(vessel_features(evidence)))

    def image_probability(self, evidence: Evidence) -> float:
        """Return the probability that an image shows BAC: never less than that of its strongest finding."""
        if not evidence.vessels:
            return logistic(self.nothing.log_odds(nothing_features(evidence)))
        each = [self.vessel.log_odds(vessel_features(vessel)) for vessel in evidence.vessels]
        return logistic(max(self.found.log_odds(found_features(each)), *each))

    @cached_property
    def sha256(self) -> str:
        """Digest of all numbers that the probabilities depend on."""
        return hashlib.sha256(json.dumps(self.to_dict(), sort_keys=True).encode()).hexdigest()

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return {
            "schema": SCHEMA,
            "prevalence": self.prevalence,
            "vessel": self.vessel.to_dict(),
            "found": self.found.to_dict(),
            "nothing": self.nothing.to_dict(),
        }

    @classmethod
    def from_dict(cls, value: Any) -> ProbabilityMap:
        """Read what `to_dict` wrote; what else stands beside it is left out.

        Raises
        ------
        ValueError
            It is no such map.
        """
        try:
            if value["schema"] != SCHEMA:
                raise ValueError(f"the probability map is none of {SCHEMA}")
            return cls(
                float(value["prevalence"]),
                LogisticCurve.from_dict(value["vessel"], VESSEL),
                LogisticCurve.from_dict(value["found"], FOUND),
                LogisticCurve.from_dict(value["nothing"], NOTHING),
            )
        except (KeyError, TypeError, AttributeError):
            raise ValueError("the probability map lacks something or is damaged") from None


def vessel_features(evidence: VesselEvidence) -> dict[str, float]:
    """Return a finding's features: log-odds of its mean probability, log of its size, its deep part."""
    return {
        "mean": log_odds(evidence.mean),
        "length": math.log(max(evidence.length_mm, 1.0)),
        "area": math.log(max(evidence.area_mm2, 1.0)),
        "deep": evidence.deep,
    }


def found_features(each: list[float]) -> dict[str, float]:
    """Return the features of an image by the log-odds of each finding, of which there is at least one.

    ``strongest`` is that of the strongest; ``others`` the sum of the others' probabilities.
    """
    ranked = sorted(each, reverse=True)
    return {"strongest": ranked[0], "others": math.fsum(logistic(value) for value in ranked[1:])}


def nothing_features(evidence: Evidence) -> dict[str, float]:
    """Return the feature of an image without findings: log-odds of what came nearest to one."""
    return {"peak": log_odds(evidence.peak)}


def probabilities(
    evidence: Evidence, parameters: PostProcessing, fitted: ProbabilityMap | None
) -> Probabilities:
    """Say how sure an image's findings are.

    Parameters
    ----------
    evidence : Evidence
        What speaks for them.
    parameters : PostProcessing
        What counted as a vessel.
    fitted : ProbabilityMap or None
        Of the network; without one scores stand in for probabilities.

    Returns
    -------
    Probabilities
        Rounded as a report has them, so that what is compared with an operating point is what is read.
    """
    if fitted is None:
        image = score(evidence.peak, parameters)
        image = max(image, 0.5) if evidence.vessels else min(image, 0.499)
        each = [max(score(vessel.peak, parameters), 0.5) for vessel in evidence.vessels]
    else:
        image = fitted.image_probability(evidence)
        each = [fitted.vessel_probability(vessel) for vessel in evidence.vessels]
    rounded = tuple(round(value, _DECIMALS) for value in each)
    return Probabilities(round(image, _DECIMALS), rounded, None if fitted is None else fitted.prevalence)


def score(peak: float, parameters: PostProcessing) -> float:
    """Map evidence linearly so that a core's least probability is one half."""
    low = parameters.core
    return 0.5 * peak / low if peak < low else 0.5 + 0.5 * (peak - low) / max(1.0 - low, 1e-6)


def log_odds(probability: float) -> float:
    """Return the logarithm of p / (1 - p), p held between 0.001 and 0.999."""
    held = min(max(probability, 1.0 - _LARGEST), _LARGEST)
    return math.log(held / (1.0 - held))


def logistic(value: float) -> float:
    """Return the probability of log-odds."""
    if value >= 0.0:
        return 1.0 / (1.0 + math.exp(-value))
    return math.exp(value) / (1.0 + math.exp(value))
