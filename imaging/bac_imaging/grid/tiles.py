"""Cut the working grid into the network's tiles and put the answers together again."""

from __future__ import annotations

import math
from itertools import pairwise, product

import numpy as np
import numpy.typing as npt

from bac_terms.errors import RefusedError

FloatArray = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int32]

TILE_PX = 512
"""Edge of a tile in working pixels; the network's fixed input size."""
TILE_STRIDE_PX = 448
"""Largest step between tiles. The overlap of 64 px (6.4 mm) gives each pixel a tile that sees around it."""
MAX_TILES = 64
"""Most tiles of one image: the largest batch that the served network accepts."""

_MARGIN_PX = 16


def _starts(low: int, high: int, size: int, stride: int) -> list[int]:
    """First pixels of the tiles that cover [low, high) of an axis of this size, evenly spread."""
    low = max(0, low - _MARGIN_PX)
    high = min(size, high + _MARGIN_PX)
    if high - low <= TILE_PX:
        centred = (low + high - TILE_PX) // 2
        return [max(0, min(centred, size - TILE_PX))]
    count = math.ceil((high - low - TILE_PX) / stride) + 1
    return [low + round(i * (high - low - TILE_PX) / (count - 1)) for i in range(count)]


def plan_tiles(breast: BoolArray) -> IntArray:
    """Choose the tiles that cover the breast.

    Parameters
    ----------
    breast : ndarray of bool, shape (h, w)
        Breast mask on the working grid.

    Returns
    -------
    ndarray of int32, shape (n, 2)
        First row and column of each tile, 1 <= n <= `MAX_TILES`. A tile may reach past the lower or
        right border of an image that is smaller than a tile.

    Raises
    ------
    RefusedError
        ``BAC-BREAST-NOT-FOUND`` for an empty mask, ``BAC-DIMENSIONS`` when the breast needs more than
        `MAX_TILES` tiles.
    """
    rows = np.flatnonzero(breast.any(axis=1))
    columns = np.flatnonzero(breast.any(axis=0))
    if rows.size == 0:
        raise RefusedError("BAC-BREAST-NOT-FOUND")
    for stride in (TILE_STRIDE_PX, (TILE_STRIDE_PX + TILE_PX) // 2, TILE_PX):
        row_starts = _starts(int(rows[0]), int(rows[-1]) + 1, breast.shape[0], stride)
        column_starts = _starts(int(columns[0]), int(columns[-1]) + 1, breast.shape[1], stride)
        origins = [
            (r, c)
            for r in row_starts
            for c in column_starts
            if breast[r : r + TILE_PX, c : c + TILE_PX].any()
        ]
        if len(origins) <= MAX_TILES:
            return np.array(origins, dtype=np.int32)
    raise RefusedError(
        "BAC-DIMENSIONS",
        f"the breast covers {len(origins)} tiles of 51 mm and at most {MAX_TILES} are analysed",
    )


def cut_tiles(image: FloatArray, breast: BoolArray) -> tuple[FloatArray, IntArray]:
    """Cut the tiles that touch the breast.

    Parameters
    ----------
    image : ndarray of float32, shape (h, w)
        Normalised image on the working grid.
    breast : ndarray of bool, shape (h, w)
        Breast mask.

    Returns
    -------
    tiles : ndarray of float32, shape (n, 1, 512, 512)
        Tiles, 0 beyond the image.
    origins : ndarray of int32, shape (n, 2)
        First row and column of each tile.

    Raises
    ------
    RefusedError
        As `plan_tiles`.
    """
    origins = plan_tiles(breast)
    tiles = np.empty((len(origins), 1, TILE_PX, TILE_PX), dtype=np.float32)
    for tile, (row, column) in zip(tiles[:, 0], origins, strict=True):
        part = image[row : row + TILE_PX, column : column + TILE_PX]
        height, width = part.shape
        tile[:height, :width] = part
        tile[height:], tile[:height, width:] = 0, 0
    return tiles, origins


def _weights() -> FloatArray:
    """Weight of a tile's pixels: falls smoothly to its border, where the network sees least."""
    ramp = np.sin(np.pi * (np.arange(TILE_PX) + 0.5) / TILE_PX) ** 2
    ramp = np.maximum(ramp, 1e-3)
    return np.outer(ramp, ramp).astype(np.float32)


def stitch_tiles(tiles: FloatArray, origins: IntArray, shape: tuple[int, int]) -> FloatArray:
    """Put tiles together, blending where they overlap.

    The borders of all tiles cut the grid into pieces; most are covered by one tile, and are copied.

    Parameters
    ----------
    tiles : ndarray of float32, shape (n, 1, 512, 512)
        Answers of the network.
    origins : ndarray of int32, shape (n, 2)
        First row and column of each tile.
    shape : tuple of int
        Shape (h, w) of the working grid.

    Returns
    -------
    ndarray of float32, shape `shape`
        Weighted mean of the tiles, 0 where there is none.

    Raises
    ------
    ValueError
        When the tiles and their origins do not belong together.
    """
    if tiles.ndim != 4 or tiles.shape[1:] != (1, TILE_PX, TILE_PX) or len(tiles) != len(origins):
        raise ValueError(f"tiles of shape {tiles.shape} do not fit {len(origins)} origins")
    weights = _weights()
    total = np.zeros(shape, dtype=np.float32)
    ends = np.minimum(origins + TILE_PX, shape)
    bounds = (np.unique([origins[:, axis], ends[:, axis]]).tolist() for axis in (0, 1))
    for (top, bottom), (left, right) in product(*(pairwise(bound) for bound in bounds)):
        over = ((origins <= (top, left)) & (ends >= (bottom, right))).all(axis=1)
        parts = [
            (slice(top - row, bottom - row), slice(left - column, right - column))
            for row, column in origins[over].tolist()
        ]
        answers = [tiles[n, 0][part] for n, part in zip(np.flatnonzero(over), parts, strict=True)]
        if len(parts) == 1:
            total[top:bottom, left:right] = answers[0]
        elif parts:
            blended, share = total[top:bottom, left:right], weights[parts[0]].copy()
            np.multiply(share, answers[0], out=blended)
            product_of = np.empty_like(share)
            for part, answer in zip(parts[1:], answers[1:], strict=True):
                blended += np.multiply(weights[part], answer, out=product_of)
                share += weights[part]
            blended /= share
    return total
