"""The probability from which a pixel counts as BAC, chosen on validation images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bac_imaging.tiles import cut_tiles, stitch
from bac_training.backends import load_segmenter
from bac_training.cache import BAC, BREAST, decode_image, read_cases
from bac_training.errors import TrainingError

__all__ = ["ThresholdChoice", "choose_threshold"]

_BINS = 200


@dataclass(frozen=True)
class ThresholdChoice:
    """The threshold of best Dice.

    Attributes
    ----------
    threshold : float
        Chosen.
    dice : float
        Mean Dice over the images with BAC, at the threshold, on the working grid.
    dice_at_half : float
        The same at 0.5.
    images : int
        Images with BAC.
    """

    threshold: float
    dice: float
    dice_at_half: float
    images: int


def choose_threshold(model: Path, caches: Sequence[Path]) -> ThresholdChoice:
    """Choose the threshold that gives the largest mean Dice over the images with BAC.

    Parameters
    ----------
    model : Path
        Checkpoint or ONNX file.
    caches : sequence of Path
        Caches of images that were neither trained on nor will be tested on.

    Raises
    ------
    TrainingError
        When no image has BAC.
    """
    segmenter = load_segmenter(model)
    curves = []
    for folder in caches:
        for case in read_cases(folder):
            if not case.bac_px:
                continue
            planes = np.load(folder / f"{case.name}.npy")
            tiles, origins = cut_tiles(decode_image(planes[0]), (planes[1] & BREAST) > 0)
            probability = stitch(segmenter.probability(tiles), origins, planes.shape[1:])
            curves.append(_dice_curve(probability, (planes[1] & BAC) > 0))
    if not curves:
        raise TrainingError("no validation image has BAC; a threshold cannot be chosen")
    mean = np.mean(curves, axis=0)
    best = int(np.argmax(mean))
    return ThresholdChoice((best + 1) / _BINS, float(mean[best]), float(mean[_BINS // 2 - 1]), len(curves))


def _dice_curve(
    probability: np.ndarray[tuple[int, ...], np.dtype[np.float32]],
    mask: np.ndarray[tuple[int, ...], np.dtype[np.bool_]],
) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Dice at the thresholds 1/200, 2/200, ..., 199/200."""
    bins = np.clip((probability * _BINS).astype(np.int64), 0, _BINS - 1)
    # Counts from the top: pixels at or above each threshold.
    found = np.bincount(bins.ravel(), minlength=_BINS)[::-1].cumsum()[::-1][1:]
    both = np.bincount(bins[mask], minlength=_BINS)[::-1].cumsum()[::-1][1:]
    return 2.0 * both / (found + int(mask.sum()))
