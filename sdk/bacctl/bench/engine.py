"""The bare network: what a server's throughput is measured in."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bac_imaging.pipeline import prepare
from bac_imaging.vessels.votes import vote
from bacctl.service.network import CpuNetwork
from bacctl.service.steps import read_model_card

FloatArray = npt.NDArray[np.float32]


class Engine:
    """The network as the server runs it on a CPU, and nothing else: same engine, threads, tiles and looks.

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
        network = CpuNetwork(model)
        self._segment = _voting(network, model.parent) if _votes(model.parent) else network
        self._views: list[FloatArray] = [prepare(image.read_bytes()).tiles for image in images]
        self.tiles = sum(len(view) for view in self._views)
        network(self._views[0][:1])

    def view_s(self) -> float:
        """Return the time that an image takes, the mean over all, in seconds."""
        began = time.perf_counter()
        for view in self._views:
            self._segment(view)
        return (time.perf_counter() - began) / len(self._views)


def _votes(folder: Path) -> bool:
    """Tell whether the steps around this network let it look again: those of older subjects do not."""
    return "voted_sha256" in json.loads((folder / "model_card.json").read_text())


def _voting(network: CpuNetwork, folder: Path) -> Callable[[FloatArray], FloatArray]:
    demands = read_model_card(folder).parameters()
    return lambda tiles: vote(tiles, network, demands.core, demands.seed)
