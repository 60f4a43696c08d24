"""The network on a CPU, by OpenVINO."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bac_imaging.openvino import load_openvino
from bacctl.service.cores import usable_cores

FloatArray = npt.NDArray[np.float32]

_ALONE = 8  # so many cores have a tile each
_MOST_THREADS = 4  # on a tile: its layers are too small for more


class CpuNetwork:
    """The network, compiled for this CPU.

    An image's tiles go through it side by side, each by one thread, on many cores by a few: threads that
    share a tile wait for each other after each layer, and longest where other work is on the same cores, as
    the other steps' is. It leaves every bit as it is.

    Parameters
    ----------
    path : Path
        ONNX file, ``TILES`` float32 [batch, 1, 512, 512] to ``PROBABILITY`` of the same shape.
    """

    def __init__(self, path: Path) -> None:
        ov = load_openvino()
        core = ov.Core()
        model = core.read_model(path)
        # The file's own check sums are for engines that run it alone, and would be rounded here.
        model = ov.Model([model.output("PROBABILITY")], model.get_parameters())
        _, *image = model.input(0).partial_shape
        model.reshape([1, *(size.get_length() for size in image)])
        # bf16 doubles the speed where the CPU has it, and is slow where it has to be imitated.
        precision = "bf16" if "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES") else "f32"
        cores = usable_cores()
        self.streams = streams_of(cores)
        compiled = core.compile_model(
            model,
            "CPU",
            {
                "INFERENCE_PRECISION_HINT": precision,
                # OpenVINO takes all cores of the machine, whatever share of them a container may use.
                "INFERENCE_NUM_THREADS": cores,
                "NUM_STREAMS": str(self.streams),
                # A thread that may not leave its core waits there for whatever else runs on it.
                "ENABLE_CPU_PINNING": False,
            },
        )
        self._requests = [compiled.create_infer_request() for _ in range(self.streams)]

    def __call__(self, tiles: FloatArray, before_each: Callable[[], object] | None = None) -> FloatArray:
        """Segment the tiles of an image.

        Parameters
        ----------
        tiles : ndarray of float32, shape (n, 1, 512, 512)
            Tiles.
        before_each : callable, optional
            Called before each tile; what it raises ends the work.

        Returns
        -------
        ndarray of float32, shape (n, 1, 512, 512)
            Probability of calcified artery.
        """
        probability = np.empty(tiles.shape, np.float32)
        running: deque[tuple[int, Any]] = deque()

        def take() -> None:
            index, request = running.popleft()
            request.wait()
            probability[index] = request.get_output_tensor(0).data[0]

        try:
            for index in range(len(tiles)):
                if before_each is not None:
                    before_each()
                if len(running) == self.streams:
                    take()
                request = self._requests[index % self.streams]  # the one that was waited for
                request.start_async([tiles[index : index + 1]], share_inputs=True)
                running.append((index, request))
        finally:
            while running:  # whatever happened: they read the caller's tiles
                take()
        return probability


def streams_of(cores: int) -> int:
    """Return how many tiles go through the network side by side on so many cores."""
    threads = min(_MOST_THREADS, math.ceil(cores / _ALONE))
    return cores // threads
