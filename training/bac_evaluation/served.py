"""Images through the pipeline that serves, step by step: what is tried here is what it would do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bac_imaging.context import Context
from bac_imaging.pipeline import Prepared, Quantified, find, prepare, report, stitch, weigh
from bac_imaging.vessels.demands import PostProcessing
from bac_imaging.vessels.find import Segmentation
from bac_imaging.vessels.probability import ProbabilityMap
from bac_imaging.vessels.votes import vote
from bac_training.data.truth import View
from bac_training.network.backends import Segmenter

__all__ = ["Segmented", "segment", "segment_view"]

FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Segmented:
    """An image and the network's answer.

    Attributes
    ----------
    prepared : Prepared
        The image made ready.
    probability : ndarray of float32, shape (h, w)
        Probability on the working grid, 0 outside the breast.
    """

    prepared: Prepared
    probability: FloatArray

    @property
    def context(self) -> Context:
        """Of the image."""
        return self.prepared.context

    def vessels(self, parameters: PostProcessing) -> Segmentation:
        """Find the vessels; where they can be weighed, without what is too heavy to be calcium."""
        segmentation = find(self.probability, self.context, parameters)
        return weigh(segmentation, self.probability, self.prepared.signal, self.context).segmentation

    def quantify(self, parameters: PostProcessing, fitted: ProbabilityMap | None = None) -> Quantified:
        """Do as `bac_imaging.pipeline.quantify`, whose first step is done."""
        segmentation = find(self.probability, self.context, parameters)
        weighed = weigh(segmentation, self.probability, self.prepared.signal, self.context)
        return report(weighed, self.probability, self.prepared.signal, self.context, parameters, fitted)


def segment_view(
    folder: Path, view: View, segmenter: Segmenter, parameters: PostProcessing | None = None
) -> Segmented:
    """Run the first half of the pipeline and the network on one image.

    Parameters
    ----------
    folder : Path
        Data set.
    view : View
        The image.
    segmenter : Segmenter
        Network.
    parameters : PostProcessing, optional
        What counts as a vessel, and so where the network looks again, as in serving. Without it each tile is
        looked at once.

    Raises
    ------
    BacctlError
        When the image is refused or fails.
    """
    return segment((folder / view.path).read_bytes(), view.options, segmenter, parameters)


def segment(
    data: bytes,
    options: Mapping[str, Any] | None,
    segmenter: Segmenter,
    parameters: PostProcessing | None = None,
) -> Segmented:
    """Do as `segment_view` with the bytes of an image and the options of `bac_imaging.pipeline.prepare`."""
    prepared = prepare(data, options)
    network = segmenter.probability
    if parameters is None:
        return Segmented(prepared, stitch(network(prepared.tiles), prepared.context))
    voted = vote(prepared.tiles, network, parameters.core, parameters.seed)
    return Segmented(prepared, stitch(voted, prepared.context))
