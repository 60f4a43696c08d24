"""The bare network: what a server's throughput is measured in."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bac_imaging.pipeline import prepare
from bacctl.service.network import CpuNetwork


class Engine:
    """The network as the server runs it on a CPU, and nothing else: same engine, threads and tiles.

    Parameters
    ----------
    model : Path
        The subject's ``model.onnx``.
    images : sequence of Path
        Whose tiles go through it. They are cut here, whoever's network it is.

    Attributes
    ----------
    tiles : int
        How many there are of all images.
    """

    def __init__(self, model: Path, images: Sequence[Path]) -> None:
        self._segment = CpuNetwork(model)
        self._views: list[npt.NDArray[np.float32]] = [prepare(image.read_bytes()).tiles for image in images]
        self.tiles = sum(len(view) for view in self._views)
        self._segment(self._views[0][:1])

    def view_s(self) -> float:
        """Return the time that an image takes, the mean over all, in seconds."""
        began = time.perf_counter()
        for view in self._views:
            self._segment(view)
        return (time.perf_counter() - began) / len(self._views)
