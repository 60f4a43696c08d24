"""What labelled images showed, as a report."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bac_evaluation.real.figures import Case, Group
from bac_training.data.labelled import Correction

__all__ = ["SCHEMA", "Network", "RealReport", "schema"]

SCHEMA = "bac_training.evaluation.real/1"


@dataclass(frozen=True)
class Network:
    """A network and what it judged.

    Attributes
    ----------
    fold : str or None
        Fold that it has not seen; None where one network judged all images.
    sha256, engine : str
        Digest of its file, and what ran it.
    threshold : float
        Outline.
    post_processing : mapping of str to float
        Demands on a vessel.
    probability_map : str or None
        Digest of what makes probabilities of scores.
    views, patients : int
        How many it judged.
    """

    fold: str | None
    sha256: str
    engine: str
    threshold: float
    post_processing: Mapping[str, float]
    probability_map: str | None
    views: int
    patients: int


@dataclass(frozen=True)
class RealReport:
    """Result of judging labelled images.

    Attributes
    ----------
    data : mapping
        Name and digest of the folder, numbers of views and patients.
    networks : sequence of Network
        One, or one a fold.
    corrections : sequence of Correction
        Readings that replaced those of the list.
    draws, seed : int
        Of the bootstrap.
    groups : sequence of Group
        By kind and source.
    cases : sequence of (LabelledImage, RealRow)
        Every image.
    folds : mapping of str to str
        Fold by the image's path; empty where one network judged all images.
    probability : mapping
        How reliable the probabilities are, and what each operating point costs, as
        `bac_evaluation.probability.judging` gives it.
    """

    data: Mapping[str, Any]
    networks: Sequence[Network]
    corrections: Sequence[Correction]
    draws: int
    seed: int
    groups: Sequence[Group]
    cases: Sequence[Case]
    folds: Mapping[str, str]
    probability: Mapping[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain JSON types, by ``real-1.json`` beside this module."""
        return {
            "schema": SCHEMA,
            "intended_use": "research use only",
            "data": dict(self.data),
            "held_out": bool(self.folds),
            "models": [asdict(network) for network in self.networks],
            "corrections": [asdict(correction) for correction in self.corrections],
            "bootstrap": {"unit": "patient", "draws": self.draws, "seed": self.seed, "level": 0.95},
            "groups": [asdict(group) for group in self.groups],
            "probability": dict(self.probability),
            "images": [
                {
                    **{name: value for name, value in row.to_dict().items() if name != "finds"},
                    "label": image.label,
                    "group": image.group,
                    "fold": self.folds.get(row.path),
                }
                for image, row in self.cases
            ],
        }


def schema() -> dict[str, Any]:
    """Return the JSON schema of its ``report.json``."""
    return dict(json.loads(Path(__file__).with_name("real-1.json").read_text()))
