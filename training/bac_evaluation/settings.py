"""What turns the network's probabilities into vessels: the threshold and the demands on a vessel."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from bac_imaging.vessels.demands import PostProcessing
from bac_imaging.vessels.probability import ProbabilityMap
from bac_training.errors import TrainingError
from bac_training.network.backends import Segmenter

__all__ = ["SCHEMA", "Settings", "read_settings"]

SCHEMA = "bac_training.settings/1"


@dataclass(frozen=True)
class Settings:
    """Threshold and post-processing.

    Attributes
    ----------
    threshold : float
        Probability from which a pixel beside a vessel's core counts as BAC.
    post_processing : mapping of str to float
        Fields of `bac_imaging.vessels.demands.PostProcessing` other than ``outline``; what is left out has
        the pipeline's default.
    probability_map : mapping or None
        What makes probabilities of scores, as `bac_evaluation.probability.calibrating` writes it: a
        `bac_imaging.vessels.probability.ProbabilityMap` and what it was fitted on.

    Raises
    ------
    TrainingError
        When the threshold is no probability, the pipeline has no such field, or the map is none.
    """

    threshold: float
    post_processing: Mapping[str, float] = field(default_factory=dict)
    probability_map: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        if not 0.0 < self.threshold < 1.0:
            raise TrainingError(f"the threshold {self.threshold:g} is not a probability between 0 and 1")
        known = {entry.name for entry in fields(PostProcessing)} - {"outline"}
        unknown = sorted(set(self.post_processing) - known)
        if unknown:
            raise TrainingError(
                f"post_processing names {', '.join(unknown)}, which this version does not know; it knows "
                f"{', '.join(sorted(known))}"
            )

        self.fitted()

    @classmethod
    def of(cls, segmenter: Segmenter) -> Settings:
        """Return those of a network's card, its core among them even where it is the threshold itself."""
        chosen = {"core": segmenter.threshold, **segmenter.post_processing}
        return cls(segmenter.threshold, chosen, segmenter.probability_map)

    def parameters(self) -> PostProcessing:
        """Return them as the pipeline takes them."""
        return PostProcessing.of(self.threshold, self.post_processing)

    def fitted(self) -> ProbabilityMap | None:
        """Return the map from scores to probabilities as the pipeline takes it."""
        if self.probability_map is None:
            return None
        try:
            return ProbabilityMap.from_dict(self.probability_map)
        except ValueError as error:
            raise TrainingError(f"{error}; fit it again") from None

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types; of the map its digest."""
        fitted = self.fitted()
        return {
            "threshold": self.threshold,
            "post_processing": dict(self.post_processing),
            "probability_map": None if fitted is None else fitted.sha256,
        }


def read_settings(path: Path) -> Settings:
    """Read a file of `bac_evaluation.operating_point.tuning`.

    Raises
    ------
    TrainingError
        When it is none.
    """
    try:
        content = json.loads(path.read_text())
        if content["schema"] != SCHEMA:
            raise ValueError(content["schema"])
        return Settings(
            float(content["threshold"]),
            {name: float(value) for name, value in content["post_processing"].items()},
            content.get("probability_map"),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise TrainingError(
            f"{path} holds no settings; write it with python -m bac_evaluation.operating_point.tuning"
        ) from None
