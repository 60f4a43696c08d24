"""Sensitivity per vessel against false vessels a view, as the demand on a candidate's score falls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bac_evaluation.vessels.geometry import Shape, near
from bac_evaluation.vessels.matching import MATCHED_FRACTION, TOLERANCE_MM

__all__ = ["Candidate", "Curve", "froc", "score_vessels"]


@dataclass(frozen=True)
class Candidate:
    """Something that might be a vessel: its score, and whether it is a false alarm."""

    score: float
    false: bool


@dataclass(frozen=True)
class Curve:
    """Operating points, the most demanding first.

    Attributes
    ----------
    scores : ndarray of float64, shape (n,)
        Candidates of at least this score are taken.
    false_per_view : ndarray of float64, shape (n,)
        False vessels a view.
    sensitivity : ndarray of float64, shape (n,)
        Part of the true vessels found.
    """

    scores: npt.NDArray[np.float64]
    false_per_view: npt.NDArray[np.float64]
    sensitivity: npt.NDArray[np.float64]

    def sensitivity_at(self, false_per_view: float) -> float:
        """Return the best sensitivity with at most so many false vessels a view."""
        allowed = self.sensitivity[self.false_per_view <= false_per_view]
        return float(allowed.max()) if allowed.size else 0.0


def score_vessels(
    true: Sequence[Shape], candidates: Sequence[tuple[Shape, float]]
) -> tuple[list[Candidate], list[float]]:
    """Match candidates with the true vessels of an image.

    Parameters
    ----------
    true : sequence of Shape
        Vessels of the truth.
    candidates : sequence of (Shape, float)
        Possible vessels with their scores.

    Returns
    -------
    list of Candidate
        In the order given.
    list of float
        For each true vessel the score down to which candidates must be taken until a quarter of its centre
        line lies within 1 mm of them; 0 where all together do not.
    """
    everything = np.concatenate([shape.pixels for shape in true]) if true else np.zeros((0, 2))
    judged = [
        Candidate(score, bool(near(shape.line, everything, TOLERANCE_MM).mean() < MATCHED_FRACTION))
        for shape, score in candidates
    ]
    ranked = sorted(candidates, key=lambda candidate: -candidate[1])
    scores = []
    for vessel in true:
        # The best score of any candidate near each point of the centre line.
        best = np.zeros(len(vessel.line))
        for shape, score in reversed(ranked):
            best[near(vessel.line, shape.pixels, TOLERANCE_MM)] = score
        needed = int(np.ceil(MATCHED_FRACTION * len(best)))
        scores.append(float(np.sort(best)[::-1][needed - 1]))
    return judged, scores


def froc(
    vessel_scores: npt.NDArray[np.float64], false_scores: npt.NDArray[np.float64], views: int
) -> Curve | None:
    """Return the curve, None without any true vessel or image.

    Scores are those of `score_vessels` over all views: of true vessels, 0 = found at no score, and of false
    candidates.
    """
    if not vessel_scores.size or not views:
        return None
    scores = np.unique(np.concatenate((vessel_scores[vessel_scores > 0], false_scores)))[::-1]
    reached = np.searchsorted(np.sort(-vessel_scores), -scores, side="right") / vessel_scores.size
    alarms = np.searchsorted(np.sort(-false_scores), -scores, side="right") / views
    return Curve(scores, alarms, reached)
