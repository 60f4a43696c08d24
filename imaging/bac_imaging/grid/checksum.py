"""Checksums of tiles that every engine computes alike: in numpy, in ONNX Runtime, in TensorRT.

A number is laid on a grid of whole steps and the steps are added up. Multiplying by a power of two, rounding
down and adding whole numbers are exact in float32 and int32 for what the network takes and gives, so that the
sum depends neither on the engine nor on the order of adding.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]

TILE_STEPS = 2**9
"""Steps a unit of a normalised tile. Its values stay within `bac_imaging.grid.normalise.CLIP`, so that the
sum of a tile of 512 x 512 pixels fits an int32."""
PROBABILITY_STEPS = 2**12
"""Steps a unit of probability; the same holds."""
PROBABILITY_SLACK = 2**9
"""What two sums of one tile's probabilities may differ by: an eighth of a pixel. An engine may compute the
probability once for its output and once for the sum, and round differently."""


_STRIP = 64  # rows at a time, which stay in the cache


def tile_sums(values: FloatArray, steps: int) -> npt.NDArray[np.int32]:
    """Add up the steps of each tile.

    Parameters
    ----------
    values : ndarray of float32, shape (n, 1, h, w)
        Tiles or their probabilities.
    steps : int
        Steps a unit: `TILE_STEPS` or `PROBABILITY_STEPS`.

    Returns
    -------
    ndarray of int32, shape (n,)
        What is no number, or too large for a sum, gives the lowest int32.
    """
    rows = values.reshape(len(values), -1, values.shape[-1])
    scaled = np.empty((min(_STRIP, rows.shape[1]), rows.shape[2]), np.float32)
    sums = np.zeros(len(values), np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        for index, tile in enumerate(rows):
            for first in range(0, len(tile), _STRIP):
                strip = tile[first : first + _STRIP]
                part = scaled[: len(strip)]
                np.multiply(strip, np.float32(steps), out=part)
                np.floor(part, out=part)
                # Whole numbers whose sum over a row is below 2^24: exact in float32, and faster.
                sums[index] += part.sum(axis=1).sum(dtype=np.float64)
    limits = np.iinfo(np.int32)
    sums[~((sums >= limits.min) & (sums <= limits.max))] = limits.min
    return sums.astype(np.int32)


def segment_checksum(tiles: FloatArray, probability: FloatArray) -> npt.NDArray[np.int32]:
    """Return what the segmentation step sends beside its answer.

    Parameters
    ----------
    tiles, probability : ndarray of float32, shape (n, 1, 512, 512)
        What it was given and what it answers.

    Returns
    -------
    ndarray of int32, shape (n, 2)
        Sums of the tile and of its probabilities.
    """
    return np.stack([tile_sums(tiles, TILE_STEPS), tile_sums(probability, PROBABILITY_STEPS)], axis=1)
