"""From a signal of any scale to what a screen shows of it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_BOX = Image.Resampling.BOX
# Scale, as a part of the longer side, above which the thickness of the breast is taken out of an unprocessed
# image, and how much of it.
_FLATTEN_SCALE = 1 / 40
_FLATTEN_SHARE = 0.8


def averaged(
    signal: NDArray[np.float32], valid: NDArray[np.bool_], size: tuple[int, int]
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Average an image over the pixels of a drawing of it.

    Parameters
    ----------
    signal : ndarray of float32, shape (rows, columns)
        Any scale.
    valid : ndarray of bool, shape (rows, columns)
        False where it tells nothing.
    size : (int, int)
        Columns and rows of the drawing.

    Returns
    -------
    ndarray of float32, ndarray of bool
        The drawing's values, and which of them are valid; shape (rows, columns) of the drawing.
    """
    valid = valid & np.isfinite(signal)
    weight = _resized(valid.astype(np.float32), size)
    total = _resized(np.where(valid, signal, np.float32(0)), size)
    return total / np.maximum(weight, 1e-6), weight > 0.5


def _resized(
    field: NDArray[np.float32], size: tuple[int, int], how: Image.Resampling = _BOX
) -> NDArray[np.float32]:
    return np.asarray(Image.fromarray(field).resize(size, how), dtype=np.float32)


def to_greys(signal: NDArray[np.float32], valid: NDArray[np.bool_], *, flatten: bool) -> NDArray[np.uint8]:
    """Scale the breast, not the air around it, to the greys of a screen.

    Parameters
    ----------
    signal : ndarray of float32, shape (rows, columns)
        Larger where more is attenuated; any scale.
    valid : ndarray of bool, shape (rows, columns)
        False where it tells nothing; black there.
    flatten : bool
        Take most of the breast's thickness out.

    Returns
    -------
    ndarray of uint8, shape (rows, columns)
    """
    seen = signal[valid]
    if seen.size == 0:
        return np.zeros(signal.shape, np.uint8)
    sample = seen[:: max(1, seen.size // 200_000)]
    # A quarter of the range parts air from breast well enough for a display; the air may then go to black.
    low, high = (float(q) for q in np.percentile(sample, [0.5, 99.8]))
    tissue = valid & (signal > low + 0.25 * (high - low))
    if tissue.any():
        if flatten:
            signal = _flattened(signal, tissue)
        low, high = (float(q) for q in np.percentile(signal[tissue], [0.5, 99.9]))
        low -= 0.2 * (high - low)
    grey = np.clip((signal - low) / max(high - low, 1e-6), 0.0, 1.0)
    grey[~valid] = 0.0
    return np.asarray(np.rint(grey * 255.0), dtype=np.uint8)


def _flattened(signal: NDArray[np.float32], tissue: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Take most of the slow course out of the breast; the air keeps its place below."""
    rows, columns = signal.shape
    step = max(1.0, max(rows, columns) * _FLATTEN_SCALE)
    coarse = max(1, round(columns / step)), max(1, round(rows / step))
    weight = _resized(tissue.astype(np.float32), coarse)
    mean = float(signal[tissue].mean())
    # Where a coarse pixel holds little tissue its mean says little; it fades into the mean of the breast.
    total = _resized(np.where(tissue, signal - np.float32(mean), np.float32(0)), coarse)
    slow = _resized(total / np.maximum(weight, 0.05), (columns, rows), Image.Resampling.BICUBIC)
    return np.where(tissue, signal - np.float32(_FLATTEN_SHARE) * slow, signal)
