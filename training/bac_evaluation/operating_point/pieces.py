"""The pieces that a probability map is made of, described so that demands can be tried on them.

Each image goes through the network once. Its probability map is cut at every core of a grid, each piece is
outlined at every outline, and of each only what the demands and the score look at is kept, so that all their
combinations can be tried afterwards without it. What is too heavy to be calcium is no piece: the pipeline
leaves it out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from bac_evaluation.dataset import Dataset, View
from bac_evaluation.served import segment_view
from bac_evaluation.settings import Settings
from bac_evaluation.vessels.geometry import shape_of
from bac_evaluation.vessels.matching import MATCHED_FRACTION, TOLERANCE_MM
from bac_evaluation.work import over_views
from bac_imaging.grid.working_grid import window_of
from bac_imaging.pipeline import to_working_mask
from bac_imaging.vessels.demands import PostProcessing
from bac_imaging.vessels.find import Segmentation, outline_of
from bac_terms.errors import BacctlError
from bac_training.data.sources import read_mask
from bac_training.network.backends import Segmenter

__all__ = ["COLUMNS", "GRID", "collect", "describe_pieces"]

BoolArray = npt.NDArray[np.bool_]
FloatArray = npt.NDArray[np.float32]

GRID: Mapping[str, tuple[float, ...]] = {
    "outline": (0.1, 0.2, 0.3, 0.4, 0.5),
    "core": (0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95),
    "seed": (0.8, 0.9, 0.95, 0.98, 0.99, 0.995),
    "min_area_mm2": (2.0, 3.0, 4.0, 5.0, 6.0, 8.0),
    "min_length_mm": (4.0, 5.0, 6.0, 7.0, 8.0),
    "min_elongation": (1.5, 2.0, 2.5, 3.0, 4.0),
}
COLUMNS = ("peak", "area_mm2", "length_mm", "false")
"""What is known of a piece; then come, for each outline of the grid, its pixels and the true ones of them."""


def collect(
    dataset: Dataset,
    model: Path,
    segmenter: Segmenter,
    processes: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, dict[str, Any]]:
    """Segment every image and describe the pieces that each core of `GRID` leaves.

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
        By the image's path: ``true_px`` on the working grid, and by core the ``pieces``, each as `COLUMNS`
        says; of an image that was refused or failed also the ``code``.
    """
    described = {}
    views = dataset.views
    for row in over_views(
        _describe, dataset.folder, views, model, segmenter, Settings(GRID["outline"][0]), processes
    ):
        described[row["path"]] = row
        if progress:
            progress(len(described), len(views))
    return described


def describe_pieces(
    find: Callable[[PostProcessing], Segmentation],
    probability: FloatArray,
    true: BoolArray,
    spacing_mm: tuple[float, float],
) -> dict[str, list[list[float]]]:
    """Describe the pieces of one probability map at every core and outline of `GRID`.

    Parameters
    ----------
    find : callable
        Finds the vessels of the probability map by given parameters.
    probability : ndarray of float32, shape (h, w)
        Probability on the working grid, 0 outside the breast.
    true : ndarray of bool, shape (h, w)
        True mask there.
    spacing_mm : tuple of float
        Working spacing, (between rows, between columns).

    Returns
    -------
    dict of str to list of list of float
        By core, for each piece that meets the mildest demands: largest probability, area in mm2 and length
        in mm of its core at the detector, 1 where it is a false vessel, else 0; then for each outline its
        pixels, and the true ones among them.
    """
    near_truth = _near_truth(true, spacing_mm)
    least = {name: min(values) for name, values in GRID.items() if name.startswith("min_")}
    return {
        f"{core:g}": _pieces_of(
            find(PostProcessing(outline=core, core=core, seed=core, **least)),
            probability,
            true,
            near_truth,
            spacing_mm,
        )
        for core in GRID["core"]
    }


def _describe(folder: Path, view: View, segmenter: Segmenter, settings: Settings) -> dict[str, Any]:
    """Describe the pieces of one image; one that is refused or fails has none."""
    empty: dict[str, list[list[float]]] = {f"{core:g}": [] for core in GRID["core"]}
    mask = read_mask(folder / view.mask)
    try:
        image = segment_view(folder, view, segmenter)
    except Exception as error:
        # As in `measure`: nothing is found in an image that is refused or that the pipeline fails on.
        code = error.code if isinstance(error, BacctlError) else "BAC-INTERNAL"
        return {"path": view.path, "true_px": int(mask.sum()), "pieces": empty, "code": code}
    true = to_working_mask(mask, image.context)
    pieces = describe_pieces(image.vessels, image.probability, true, image.context.working_spacing_mm)
    return {
        "path": view.path,
        "true_px": int(true.sum()),
        "pieces": pieces,
    }


def _near_truth(true: BoolArray, spacing_mm: tuple[float, float]) -> BoolArray:
    """Tell which pixels lie within 1 mm of the true mask: there a centre line is true, as in `vessels`."""
    near_truth = np.zeros_like(true)
    window = window_of(true, int(np.ceil(TOLERANCE_MM / min(spacing_mm))))
    if window is not None:
        near_truth[window] = ndimage.distance_transform_edt(~true[window], spacing_mm) <= TOLERANCE_MM
    return near_truth


def _pieces_of(
    found: Segmentation,
    probability: FloatArray,
    true: BoolArray,
    near_truth: BoolArray,
    spacing_mm: tuple[float, float],
) -> list[list[float]]:
    pixel_area = spacing_mm[0] * spacing_mm[1]
    pieces = []
    for number, box in enumerate(ndimage.find_objects(found.zones), start=1):
        piece = found.mask[box] & (found.zones[box] == number)
        line = shape_of(piece, (1.0, 1.0)).line.astype(int)
        false = near_truth[box][line[:, 0], line[:, 1]].mean() < MATCHED_FRACTION
        peak = float(probability[box][piece].max())
        pieces.append([peak, int(piece.sum()) * pixel_area, found.lengths_mm[number - 1], int(false)])
    window = window_of(found.core, round(1.0 / min(spacing_mm)))
    if window is None:
        return pieces
    zones = found.zones[window]
    for outline in GRID["outline"]:
        mask = outline_of(found.core[window], probability[window], spacing_mm, outline)
        pixels, both = (
            np.bincount(zones[part], minlength=len(pieces) + 1) for part in (mask, mask & true[window])
        )
        for number, described in enumerate(pieces, start=1):
            described += [int(pixels[number]), int(both[number])]
    return pieces
