"""Agreement of the exported network with the trained one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from bac_export.errors import ExportError
from bac_imaging.openvino import load_openvino

__all__ = [
    "LARGEST_DIFFERENCE",
    "SMALLEST_DICE",
    "Parity",
    "compare",
    "onnxruntime_engine",
    "openvino_engine",
    "probe_tiles",
]

FloatArray = npt.NDArray[np.float32]
Engine = Callable[[FloatArray], FloatArray]

LARGEST_DIFFERENCE = 1e-3
"""Largest accepted difference of a probability, both sides in float32."""
SMALLEST_DICE = 0.999
"""Smallest accepted Dice coefficient of the two masks."""


@dataclass(frozen=True)
class Parity:
    """Agreement of two engines on the same tiles.

    Attributes
    ----------
    largest_difference : float
        Largest absolute difference of a probability.
    dice : float
        Dice coefficient of the masks at the threshold; 1 when both are empty.
    """

    largest_difference: float
    dice: float

    def require(self, engine: str) -> None:
        """Raise `ExportError` unless the agreement is within the limits."""
        if not (self.largest_difference <= LARGEST_DIFFERENCE and self.dice >= SMALLEST_DICE):
            raise ExportError(
                f"{engine} differs from PyTorch: largest difference {self.largest_difference:.2g} "
                f"(limit {LARGEST_DIFFERENCE}), Dice {self.dice:.5f} (limit {SMALLEST_DICE}); "
                "nothing was written"
            )


def probe_tiles(count: int, side_px: int, seed: int = 0) -> FloatArray:
    """Make tiles that wake the whole network: tissue-like texture with bright tram-tracks.

    Parameters
    ----------
    count, side_px : int
        Number and side length of the tiles.
    seed : int, default 0
        Seed.

    Returns
    -------
    ndarray of float32, shape (count, 1, side_px, side_px)
        Values in the range of the normalisation.
    """
    rng = np.random.default_rng(seed)
    tiles = np.empty((count, 1, side_px, side_px), dtype=np.float32)
    grid = np.arange(side_px)
    for tile in tiles[:, 0]:
        tile[:] = (
            rng.normal(size=tile.shape)
            + 2.0 * ndimage.gaussian_filter(rng.normal(size=tile.shape), 3.0) * 10.0
        )
        for _ in range(3):
            course = rng.uniform(0, side_px) + rng.uniform(5, 40) * np.sin(grid / rng.uniform(20, 80))
            across = np.abs(grid[:, None] - course[None, :])
            width = rng.uniform(3.0, 9.0)
            tile += rng.uniform(3.0, 8.0) * np.exp(-0.5 * ((across - width) / 1.2) ** 2)
    return np.clip(tiles, -4.0, 12.0)


def compare(reference: FloatArray, other: FloatArray, threshold: float) -> Parity:
    """Compare two engines' probabilities of the same tiles, masks cut at `threshold`."""
    mask, other_mask = reference >= threshold, other >= threshold
    total = int(mask.sum()) + int(other_mask.sum())
    dice = 2.0 * int((mask & other_mask).sum()) / total if total else 1.0
    return Parity(float(np.abs(reference - other).max()), dice)


def onnxruntime_engine(path: Path) -> Engine:
    """Return a function that runs an ONNX file by ONNX Runtime on the CPU."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return lambda tiles: session.run(["PROBABILITY"], {"TILES": tiles})[0]


def openvino_engine(path: Path, precision: str = "f32") -> Engine:
    """Return a function that runs an ONNX file by OpenVINO on the CPU in `precision` ("f32", "bf16")."""
    openvino = load_openvino()
    settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": precision}
    compiled = openvino.Core().compile_model(str(path), "CPU", settings)
    # One tile a call: a batch is no faster on the CPU and takes memory in proportion.
    return lambda tiles: np.concatenate([np.array(compiled([tile[None]])[0]) for tile in tiles])
