"""Choosing the threshold and the demands on a vessel on validation women.

``python -m bac_training.evaluation.tuning DATA... --model FILE --out settings.json``

Each image goes through the network once. Its probability map is cut at every threshold of the grid, and of
each piece only what the demands look at is kept, so that all their combinations can be tried afterwards.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from bac_imaging.errors import ImagingError
from bac_imaging.grid import working_spacing
from bac_imaging.pipeline import to_working_mask
from bac_imaging.vessels import PostProcessing, find_vessels
from bac_training.backends import Segmenter, load_segmenter
from bac_training.errors import TrainingError
from bac_training.evaluation.dataset import Dataset, View, read_dataset
from bac_training.evaluation.measure import look
from bac_training.evaluation.settings import SCHEMA, Settings
from bac_training.evaluation.work import over_views
from bac_training.metrics import Detection
from bac_training.sources import read_mask

__all__ = ["GRID", "Choice", "Score", "choose", "collect"]

BoolArray = npt.NDArray[np.bool_]
DoubleArray = npt.NDArray[np.float64]

GRID: Mapping[str, tuple[float, ...]] = {
    "threshold": (0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85),
    "seed": (0.6, 0.7, 0.8, 0.9, 0.95, 0.98),
    "min_area_mm2": (1.0, 1.5, 2.0, 3.0, 4.0, 6.0),
    "min_length_mm": (3.0, 4.0, 5.0, 6.0, 8.0, 10.0),
    "min_elongation": (1.5, 2.0, 2.5, 3.0, 4.0),
}
_COLUMNS = ("peak", "area_mm2", "length_mm", "found_px", "both_px")


@dataclass(frozen=True)
class Score:
    """How settings do on the validation women: F1 per woman, and mean Dice of the images with BAC."""

    woman_f1: float
    dice: float

    def beats(self, other: Score) -> bool:
        """Tell whether it is better: by F1 first, then by Dice."""
        return (self.woman_f1, self.dice) > (other.woman_f1, other.dice)


@dataclass(frozen=True)
class Choice:
    """The best settings of a grid.

    Attributes
    ----------
    settings : Settings
        Chosen.
    score : Score
        On the working grid, so that its Dice differs a little from an evaluation's.
    default : Score
        Of the pipeline's default post-processing at a threshold of one half.
    women, views : int
        They were chosen on.
    """

    settings: Settings
    score: Score
    default: Score
    women: int
    views: int


def collect(
    dataset: Dataset,
    model: Path,
    segmenter: Segmenter,
    processes: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, dict[str, Any]]:
    """Segment every image and describe the pieces that each threshold of `GRID` leaves.

    Parameters
    ----------
    dataset : Dataset
        Validation women.
    model : Path
        File of the network.
    segmenter : Segmenter
        The same, loaded.
    processes : int, default 1
        Worker processes.
    progress : callable, optional
        Called with the images done and their total.

    Returns
    -------
    dict of str to dict
        By the image's path: ``true_px`` on the working grid, and by threshold the ``pieces`` with their
        largest probability, area and length at the detector, and pixels, all and true; of an image that was
        refused or failed also the ``code``.
    """
    described = {}
    views = dataset.views
    for row in over_views(
        _describe, dataset.folder, views, model, segmenter, Settings(GRID["threshold"][0]), processes
    ):
        described[row["path"]] = row
        if progress:
            progress(len(described), len(views))
    return described


def choose(women: Sequence[Sequence[Mapping[str, Any]]], grid: Mapping[str, Sequence[float]]) -> Choice:
    """Try every combination of a grid.

    Parameters
    ----------
    women : sequence of sequence of mapping
        For each woman her images, as `collect` describes them.
    grid : mapping of str to sequence of float
        Values of each setting, by the names of `GRID`.

    Returns
    -------
    Choice
        The best; of equals the one whose demands are nearest to the defaults.

    Raises
    ------
    TrainingError
        When no image or all of them have BAC, so that F1 says nothing.
    """
    images = [image for woman in women for image in woman]
    owner = np.array([number for number, woman in enumerate(women) for _ in woman])
    true_px = np.array([image["true_px"] for image in images], dtype=np.float64)
    truth = np.bincount(owner, true_px, len(women)) > 0
    if truth.all() or not truth.any():
        raise TrainingError(
            "the validation women all have BAC, or none has; add some of the other kind to choose settings on"
        )
    best: tuple[Score, Settings] | None = None
    for threshold in grid["threshold"]:
        pieces = _Pieces.of(images, threshold, owner)
        for demands in _demands(grid, threshold):
            score = pieces.score(demands, true_px, truth)
            if best is None or score.beats(best[0]):
                best = score, Settings(threshold, demands)
    assert best is not None  # noqa: S101
    default = PostProcessing()
    usual = {name: getattr(default, name) for name in grid if name != "threshold"}
    return Choice(
        settings=best[1],
        score=best[0],
        default=_Pieces.of(images, default.outline, owner).score(usual, true_px, truth),
        women=len(women),
        views=len(images),
    )


def _demands(grid: Mapping[str, Sequence[float]], threshold: float) -> Iterator[dict[str, float]]:
    """Yield all demands, those near the defaults first."""
    default = PostProcessing()
    names = [name for name in grid if name != "threshold"]
    usual = [getattr(default, name) for name in names]
    combinations = itertools.product(*(grid[name] for name in names))
    for values in sorted(combinations, key=lambda v: float(np.abs(np.log(np.divide(v, usual))).sum())):
        demands = dict(zip(names, values, strict=True))
        if demands["seed"] >= threshold:
            yield demands


@dataclass(frozen=True)
class _Pieces:
    """The pieces of all images at one threshold, and whose they are."""

    columns: Mapping[str, DoubleArray]
    image: npt.NDArray[np.int_]
    owner: npt.NDArray[np.int_]

    @classmethod
    def of(
        cls, images: Sequence[Mapping[str, Any]], threshold: float, owner: npt.NDArray[np.int_]
    ) -> _Pieces:
        found = [image["pieces"][f"{threshold:g}"] for image in images]
        table = np.array([piece for pieces in found for piece in pieces], dtype=np.float64)
        columns = dict(zip(_COLUMNS, table.reshape(-1, len(_COLUMNS)).T, strict=True))
        image = np.repeat(np.arange(len(images)), [len(pieces) for pieces in found])
        return cls(columns, image, owner)

    def score(self, demands: Mapping[str, float], true_px: DoubleArray, truth: BoolArray) -> Score:
        peak, area, length = (self.columns[name] for name in ("peak", "area_mm2", "length_mm"))
        kept = (peak >= demands["seed"]) & (area >= demands["min_area_mm2"])
        # As in the pipeline: the width is the area over the length.
        kept &= (length >= demands["min_length_mm"]) & (length**2 >= demands["min_elongation"] * area)
        images = len(true_px)
        found, both = (
            np.bincount(self.image[kept], self.columns[name][kept], images)
            for name in ("found_px", "both_px")
        )
        positive = true_px > 0
        dice = 2.0 * both[positive] / (found + true_px)[positive]
        said = np.bincount(self.owner, found, len(truth)) > 0
        return Score(Detection.of(said, truth).f1, float(dice.mean()))


def _describe(folder: Path, view: View, segmenter: Segmenter, settings: Settings) -> dict[str, Any]:
    """Describe the pieces of one image; one that is refused or fails has none."""
    empty: dict[str, list[list[float]]] = {f"{threshold:g}": [] for threshold in GRID["threshold"]}
    mask = read_mask(folder / view.mask)
    try:
        prepared, _, stitched = look(folder, view, segmenter)
    except Exception as error:
        # As in `measure`: nothing is found in an image that is refused or that the pipeline fails on.
        code = error.code if isinstance(error, ImagingError) else "BAC-INTERNAL"
        return {"path": view.path, "true_px": int(mask.sum()), "pieces": empty, "code": code}
    true = to_working_mask(mask, prepared.context)
    stored = (int(prepared.context["rows"]), int(prepared.context["columns"]))
    spacing = working_spacing(
        stored, tuple(prepared.context["pixel_spacing_mm"]), (true.shape[0], true.shape[1])
    )
    pieces = {
        f"{threshold:g}": _pieces_at(threshold, stitched, true, spacing) for threshold in GRID["threshold"]
    }
    return {"path": view.path, "true_px": int(true.sum()), "pieces": pieces}


def _pieces_at(
    threshold: float, probability: npt.NDArray[np.float32], true: BoolArray, spacing_mm: tuple[float, float]
) -> list[list[float]]:
    least = {name: min(values) for name, values in GRID.items() if name not in ("threshold", "seed")}
    found = find_vessels(probability, spacing_mm, PostProcessing(threshold, threshold, **least))
    pixel_area = spacing_mm[0] * spacing_mm[1]
    pieces = []
    for number, box in enumerate(ndimage.find_objects(found.zones), start=1):
        piece = found.mask[box] & (found.zones[box] == number)
        pixels, both = int(piece.sum()), int((piece & true[box]).sum())
        peak = float(probability[box][piece].max())
        pieces.append([peak, pixels * pixel_area, found.lengths_mm[number - 1], pixels, both])
    return pieces


def _main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m bac_training.evaluation.tuning",
        description="Choose threshold and post-processing on validation women. Research use only.",
    )
    parser.add_argument("data", type=Path, nargs="+", help="folders of `bacctl phantom`, never the test set")
    parser.add_argument("--model", type=Path, required=True, help="checkpoint or ONNX file")
    parser.add_argument("--out", type=Path, required=True, help="settings for evaluate and export")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args(arguments)

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
    content = {
        "schema": SCHEMA,
        "intended_use": "research use only",
        **choice.settings.to_dict(),
        "chosen_on": [
            {"data": d.folder.resolve().name, "seed": d.seed, "sha256": d.sha256, "women": len(d.women)}
            for d in datasets
        ],
        "model_sha256": segmenter.sha256,
        "woman_f1": choice.score.woman_f1,
        "dice": choice.score.dice,
        "default": {"woman_f1": choice.default.woman_f1, "dice": choice.default.dice},
    }
    options.out.write_text(json.dumps(content, indent=1) + "\n")
    print(
        f"{options.out}: threshold {choice.settings.threshold:g}, "
        + ", ".join(f"{name} {value:g}" for name, value in choice.settings.post_processing.items())
        + f"; F1 per woman {choice.score.woman_f1:.3f}, Dice {choice.score.dice:.3f} on {choice.women} women "
        f"(defaults: {choice.default.woman_f1:.3f}, {choice.default.dice:.3f}); research use only"
    )
    return 0


if __name__ == "__main__":
    sys.exit(_main())
