"""Vessels carried from the working grid to the stored matrix."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from bac_imaging.grid.axis import AREA, LINEAR
from bac_imaging.grid.working_grid import Window, resample_part, window_of
from bac_imaging.vessels.discs import dilate_octagon
from bac_imaging.vessels.find import Segmentation

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int32]


class StoredVessels(NamedTuple):
    """Vessels on the stored matrix.

    Attributes
    ----------
    labels : ndarray of int32
        Number of the vessel, from 1, of each pixel in `window`, 0 for none.
    window : tuple of slice
        Rows and columns of the stored matrix that hold all vessels.
    """

    labels: IntArray
    window: Window

    def whole(self, shape: tuple[int, int]) -> IntArray:
        """Return the labels of all of the stored matrix, int32, of this shape."""
        labels = np.zeros(shape, dtype=np.int32)
        labels[self.window] = self.labels
        return labels


def number_stored(
    segmentation: Segmentation, probability: FloatArray, outline: float, out_shape: tuple[int, int]
) -> StoredVessels:
    """Carry the vessels to the stored matrix, of shape `out_shape`, where each pixel has its number.

    The probability is interpolated before it is cut at `outline`, so that a finer stored matrix gets a smooth
    outline. Only the vessels' window is looked at, on either grid.
    """
    near, window = window_of(segmentation.mask, 2), window_of(segmentation.mask, 1, out_shape)
    if near is None or window is None:
        return StoredVessels(np.zeros((0, 0), dtype=np.int32), (slice(0, 0), slice(0, 0)))
    shape, mask = probability.shape, segmentation.mask[near]
    coarser = out_shape[0] < shape[0] or out_shape[1] < shape[1]
    kind = AREA if coarser else LINEAR
    beside = dilate_octagon(mask, 0, 1) & (segmentation.zones[near] > 0)
    kept = np.where(beside, probability[near], np.float32(0))
    is_vessel = resample_part(kind, kept, shape, out_shape, window, near) >= outline
    too_far = (kept >= outline) & ~mask
    if too_far.any():
        # What is too far from a core is outside, however probable.
        is_vessel &= resample_part(kind, too_far, shape, out_shape, window, near) <= 0.5
    rows, columns = (
        (np.arange(part.start, part.stop) * m + m // 2) // n
        for n, m, part in zip(out_shape, shape, window, strict=True)
    )
    numbers = segmentation.zones[np.ix_(rows, columns)]
    return StoredVessels(np.where(is_vessel, numbers, np.int32(0)), window)
