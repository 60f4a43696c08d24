"""The network on a CPU, by whichever engine is faster there."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bacctl.service.cores import usable_cores
from bacctl.service.engines import Engine, OnnxRuntime, OpenVino

FloatArray = npt.NDArray[np.float32]

_ALONE = 8  # so many cores have a tile each
_MOST_THREADS = 4  # on a tile: its layers are too small for more


class CpuNetwork:
    """The network, made ready for this CPU.

    An image's tiles go through it side by side, each by one thread, on many cores by a few: threads that
    share a tile wait for each other after each layer, and longest where other work is on the same cores, as
    the other steps' is. It leaves every bit as it is.

    Parameters
    ----------
    path : Path
        ONNX file, ``TILES`` float32 [batch, 1, 512, 512] to ``PROBABILITY`` of the same shape.
    engine : callable, optional
        Makes the engine of the file, the tiles side by side and the threads of each; by default the faster
        one on this CPU.
    """

    def __init__(self, path: Path, engine: Callable[[Path, int, int], Engine] | None = None) -> None:
        cores = usable_cores()
        self.streams = streams_of(cores)
        make = engine or (OpenVino if has_bfloat16() else OnnxRuntime)
        self._engine: Engine = make(path, self.streams, cores // self.streams)

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
        running: deque[tuple[int, Callable[[], FloatArray]]] = deque()

        def take() -> None:
            index, wait = running.popleft()
            probability[index] = wait()[0]

        try:
            for index in range(len(tiles)):
                if before_each is not None:
                    before_each()
                if len(running) == self.streams:
                    take()
                place = index % self.streams  # of the tile that was waited for
                running.append((index, self._engine.begin(place, tiles[index : index + 1])))
            while running:
                take()
        except BaseException:
            # Whatever happened: they read the caller's tiles. What went wrong first is what is told.
            for _, wait in running:
                with suppress(Exception):
                    wait()
            raise
        return probability


def streams_of(cores: int) -> int:
    """Return how many tiles go through the network side by side on so many cores."""
    threads = min(_MOST_THREADS, math.ceil(cores / _ALONE))
    return cores // threads


def has_bfloat16(cpus: Path = Path("/proc/cpuinfo")) -> bool:
    """Return whether this CPU computes in bfloat16, which doubles the speed.

    OpenVINO says so of every CPU with AVX-512, where it would be imitated, and takes half a second to load.

    Parameters
    ----------
    cpus : Path, optional
        Where the kernel describes the processors; a machine without it counts as one without bfloat16.
    """
    try:
        lines = cpus.read_text().splitlines()
    except OSError:
        return False
    return any("avx512_bf16" in line.split() for line in lines if line.startswith("flags"))
