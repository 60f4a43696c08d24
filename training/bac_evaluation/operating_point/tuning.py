"""The command that chooses the threshold and the demands on a vessel on validation women.

``python -m bac_evaluation.operating_point.tuning DATA... --model FILE --out settings.json``
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bac_evaluation.dataset import read_dataset
from bac_evaluation.operating_point.choosing import Score, choose
from bac_evaluation.operating_point.pieces import GRID, collect
from bac_evaluation.settings import SCHEMA
from bac_training.errors import TrainingError
from bac_training.network.backends import load_segmenter

__all__: list[str] = []


def _main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m bac_evaluation.operating_point.tuning",
        description="Choose threshold and post-processing on validation women. Research use only.",
    )
    parser.add_argument("data", type=Path, nargs="+", help="folders of `bacctl phantom`, never the test set")
    parser.add_argument("--model", type=Path, required=True, help="checkpoint or ONNX file")
    parser.add_argument("--out", type=Path, required=True, help="settings for evaluate and export")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args(arguments)
    # Before minutes of work, not after them.
    if not options.out.parent.is_dir():
        parser.error(f"--out: {options.out.parent} is not a folder; make it or give another")

    def progress(done: int, total: int) -> None:
        if sys.stderr.isatty():
            print(f"\r{done}/{total} images", end="\n" if done == total else "", file=sys.stderr, flush=True)

    try:
        datasets = [read_dataset(folder) for folder in options.data]
        segmenter = load_segmenter(options.model)
        women: list[list[dict[str, Any]]] = []
        for dataset in datasets:
            rows = collect(dataset, options.model, segmenter, options.processes, progress)
            women += [[rows[view.path] for view in woman.views] for woman in dataset.women]
            for path, row in rows.items():
                if "code" in row:
                    print(f"{path}: {row['code']}, counted as nothing found", file=sys.stderr)
        choice = choose(women, GRID)
    except TrainingError as error:
        print(error, file=sys.stderr)
        return 1
    score = choice.score
    content = {
        "schema": SCHEMA,
        "intended_use": "research use only",
        **choice.settings.to_dict(),
        "chosen_on": [
            {"data": d.folder.resolve().name, "seed": d.seed, "sha256": d.sha256, "women": len(d.women)}
            for d in datasets
        ],
        "model_sha256": segmenter.sha256,
        **asdict(score),
        "score": score.value,
        "default": {**asdict(choice.default), "score": choice.default.value},
    }
    options.out.write_text(json.dumps(content, indent=1) + "\n")
    demands = ", ".join(f"{name} {value:g}" for name, value in choice.settings.post_processing.items())
    print(
        f"{options.out}: threshold {choice.settings.threshold:g}, {demands}; on {choice.women} women "
        f"{_in_words(score)} (defaults: {_in_words(choice.default)}); research use only"
    )
    return 0


def _in_words(score: Score) -> str:
    return (
        f"F1 per woman {score.woman_f1:.3f}, per view {score.view_f1:.3f}, "
        f"{score.false_per_view:.3f} false vessels a view, Dice {score.dice:.3f}"
    )


if __name__ == "__main__":
    sys.exit(_main())
