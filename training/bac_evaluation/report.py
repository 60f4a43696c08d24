"""What an evaluation found, and how it is written: report.json, report.md, women.csv and pictures."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bac_evaluation.dataset import Dataset
from bac_evaluation.figures import Estimate
from bac_evaluation.probability.page import summary_lines
from bac_evaluation.sample import CATEGORIES, Sample
from bac_evaluation.strata import Stratum
from bac_evaluation.targets import as_text, is_met, reached_by, value_text

__all__ = ["SCHEMA", "Report", "schema", "write_women"]

SCHEMA = "bac_training.evaluation/2"


@dataclass(frozen=True)
class Report:
    """Result of an evaluation.

    Attributes
    ----------
    model : mapping
        ``sha256``, ``engine``, ``threshold``, ``post_processing`` and digest of the ``probability_map``.
    data : mapping
        Name, seed and digest of the data set, its numbers of women and views, and by code how many images
        were refused and how many failed; both count as images where nothing was found.
    draws, seed : int
        Of the bootstrap.
    figures : mapping of str to mapping of str to Estimate
        By group: segmentation, vessels, detection, mass, categories.
    confusion : list of list of int
        Women by true category (rows) and found category (columns).
    froc : list of tuple of float
        (false vessels a view, sensitivity), the most demanding point first.
    strata : mapping of str to list of Stratum
        By what divides the data.
    probability : mapping
        How reliable the probabilities are, and what each operating point costs, as
        `bac_evaluation.probability.judging` gives it.
    """

    model: Mapping[str, Any]
    data: Mapping[str, Any]
    draws: int
    seed: int
    figures: Mapping[str, Mapping[str, Estimate]]
    confusion: list[list[int]]
    froc: list[tuple[float, float]]
    strata: Mapping[str, Sequence[Stratum]]
    probability: Mapping[str, Any]

    def unmeasured(self) -> str:
        """Say how many images were refused and how many failed, with their codes."""
        parts = [
            f"{sum(self.data[kind].values())} {kind}"
            + (f" ({', '.join(self.data[kind])})" if self.data[kind] else "")
            for kind in ("refused", "failed")
        ]
        return " and ".join(parts) + ", counted as nothing found"

    def to_text(self) -> str:
        """Return what was evaluated with what, and the table of targets, for a terminal."""
        data, model = self.data, self.model
        lines = [
            f"{data['women']} women, {data['views']} views, {data['positive_views']} with BAC; "
            f"model {model['sha256'][:12]}, threshold {model['threshold']:g}, "
            f"core {model['post_processing'].get('core', model['threshold']):g}",
            self.unmeasured(),
            as_text(self.figures),
        ]
        masks = self.figures["segmentation"]
        if masks["dice_2mg"].value is None:
            lines.append(f"Dice, mean over all positives: {value_text(masks['dice'], 3)}")
        return "\n".join([*lines, *summary_lines(self.probability)])

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain JSON types, by ``report-2.json`` beside this module."""
        return {
            "schema": SCHEMA,
            "intended_use": "research use only",
            "model": dict(self.model),
            "data": dict(self.data),
            "bootstrap": {"unit": "woman", "draws": self.draws, "seed": self.seed, "level": 0.95},
            "targets": [
                {
                    "figure": f"{target.group}.{target.figure}",
                    "label": target.label,
                    "unit": target.unit,
                    "paper": target.paper,
                    "target": target.goal,
                    "better": "higher" if target.rising else "lower",
                    "reached": asdict(reached),
                    "met": is_met(target, reached),
                }
                for target, reached in reached_by(self.figures)
            ],
            "figures": {
                group: {name: asdict(found) for name, found in figures.items()}
                for group, figures in self.figures.items()
            },
            "confusion": {"categories": list(CATEGORIES), "counts": self.confusion},
            "froc": [list(point) for point in self.froc],
            "probability": dict(self.probability),
            "strata": {what: [asdict(stratum) for stratum in parts] for what, parts in self.strata.items()},
        }


def schema() -> dict[str, Any]:
    """Return the JSON schema of ``report.json``."""
    return dict(json.loads(Path(__file__).with_name("report-2.json").read_text()))


def write_women(path: Path, dataset: Dataset, sample: Sample) -> None:
    """Write one line a woman: truth and result, empty where unknown."""
    table = sample.women
    names = ("true_mg", "mg", "low_mg", "high_mg")
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("woman", "is_true", "is_found", "score", *names, "true_category", "category"))
        for number, woman in enumerate(dataset.women):
            masses = [f"{table[name][number]:.4f}".replace("nan", "") for name in names]
            categories = [table[name][number] for name in ("true_category", "category")]
            writer.writerow(
                (
                    woman.name,
                    int(table["is_true"][number]),
                    int(table["is_found"][number]),
                    f"{table['score'][number]:.4f}",
                    *masses,
                    *("" if category < 0 else CATEGORIES[category] for category in categories),
                )
            )
