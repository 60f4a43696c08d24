"""The probabilities of an evaluation: how reliable they are, and what each operating point costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from typing import Any

from bac_evaluation.probability.judged import PREVALENCE, JudgedImage, JudgedSet
from bac_evaluation.probability.points import points_of
from bac_evaluation.probability.reliability import means_by_source, reliability_of
from bac_evaluation.settings import Settings
from bac_imaging.vessels.demands import PostProcessing
from bac_imaging.vessels.probability import Probabilities, ProbabilityMap, probabilities

__all__ = ["judge_probabilities"]


def judge_probabilities(judged: JudgedSet, settings: Settings) -> dict[str, Any]:
    """Hold the probabilities of a data set against its truth.

    Images that the map of the settings was fitted on are given the probabilities of the map that was fitted
    without their source.

    Parameters
    ----------
    judged : JudgedSet
        The images with their findings.
    settings : Settings
        Post-processing and map.

    Returns
    -------
    dict
        ``probability`` of a ``report.json``.
    """
    fitted = settings.fitted()
    left_out = _left_out(judged, settings.probability_map)
    judge = partial(_given, settings.parameters(), fitted, left_out)
    prevalence = PREVALENCE if fitted is None else fitted.prevalence
    by_image, by_vessel = reliability_of(judged.images, judge, prevalence)
    return {
        "basis": "score" if fitted is None else "map",
        "map_sha256": None if fitted is None else fitted.sha256,
        "left_out": sorted(left_out),
        "prevalence": prevalence,
        "image": by_image.to_dict(),
        "vessel": by_vessel.to_dict(),
        "sources": [asdict(means) for means in means_by_source(judged.images, judge)],
        "points": [asdict(point) for point in points_of(judged.images, judge)],
    }


def _left_out(judged: JudgedSet, content: Mapping[str, Any] | None) -> dict[str, ProbabilityMap]:
    """Return, of the sources that these images were fitted on as, the maps that were fitted without them."""
    if content is None:
        return {}
    fitted_on = {
        entry["source"]
        for entry in content.get("fitted_on", ())
        if entry["data_sha256"] == judged.data_sha256
    }
    return {
        source: ProbabilityMap.from_dict({**content, **curves})
        for source, curves in content.get("left_out", {}).items()
        if source in fitted_on
    }


def _given(
    parameters: PostProcessing,
    fitted: ProbabilityMap | None,
    left_out: Mapping[str, ProbabilityMap],
    image: JudgedImage,
) -> Probabilities:
    return probabilities(image.evidence, parameters, left_out.get(image.source, fitted))
