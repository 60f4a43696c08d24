"""The pipeline that serves, opened between its parts: what is tried here is what it would do."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bac_imaging.grid.tiles import stitch
from bac_imaging.grid.working_grid import working_spacing
from bac_imaging.pipeline import Prepared, prepare
from bac_imaging.vessels.find import PostProcessing, Segmentation, find_vessels
from bac_imaging.weighing import weigh
from bac_training.data.truth import View
from bac_training.network.backends import Segmenter

__all__ = ["look", "look_at", "served_vessels", "spacing_of"]

FloatArray = npt.NDArray[np.float32]


def look(folder: Path, view: View, segmenter: Segmenter) -> tuple[Prepared, FloatArray, FloatArray]:
    """Run the first half of the pipeline and the network on one image.

    Returns
    -------
    Prepared
        The image made ready.
    ndarray of float32, shape (n, 1, 512, 512)
        Probability for each tile.
    ndarray of float32, shape (h, w)
        Probability on the working grid, 0 outside the breast.

    Raises
    ------
    BacctlError
        When the image is refused or fails.
    """
    return look_at((folder / view.path).read_bytes(), view.options, segmenter)


def look_at(
    data: bytes, options: Mapping[str, Any] | None, segmenter: Segmenter
) -> tuple[Prepared, FloatArray, FloatArray]:
    """Do as `look` with the bytes of an image and the options of `bac_imaging.pipeline.prepare`."""
    prepared = prepare(data, options)
    tiles = segmenter.probability(prepared.tiles)
    shape = (prepared.signal.shape[0], prepared.signal.shape[1])
    origins = np.asarray(prepared.context["origins"], dtype=np.int32).reshape(-1, 2)
    stitched = stitch(tiles, origins, shape) * prepared.breast
    return prepared, tiles, np.asarray(stitched, dtype=np.float32)


def spacing_of(prepared: Prepared) -> tuple[float, float]:
    """Return the working spacing at the detector in mm, (between rows, between columns)."""
    context = prepared.context
    stored, shape = (context["rows"], context["columns"]), prepared.signal.shape
    return working_spacing(stored, context["pixel_spacing_mm"], (shape[0], shape[1]))


def served_vessels(prepared: Prepared, probability: FloatArray, parameters: PostProcessing) -> Segmentation:
    """Find the vessels that the pipeline would report, whatever its parameters.

    Parameters
    ----------
    prepared : Prepared
        The image made ready.
    probability : ndarray of float32, shape (h, w)
        Probability on the working grid, 0 outside the breast.
    parameters : PostProcessing
        What counts as a vessel.

    Returns
    -------
    Segmentation
        The vessels; where they can be weighed, without what is too heavy to be calcium.
    """
    spacing = spacing_of(prepared)
    found = find_vessels(probability, spacing, parameters)
    if not found.lengths_mm:
        return found
    return weigh(prepared.signal, prepared.breast, probability, found, spacing, prepared.context).found
