"""Vessels carried from the working grid to the stored matrix."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from bac_imaging.grid.working_grid import resample_area, resample_linear, window_of
from bac_imaging.vessels.find import Segmentation

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int32]


def number_stored(
    segmentation: Segmentation, probability: FloatArray, outline: float, out_shape: tuple[int, int]
) -> IntArray:
    """Return the number of the vessel, from 1, of each pixel of the stored matrix; int32, 0 for none.

    The probability is interpolated before it is cut at `outline`, so that a finer stored matrix gets a smooth
    outline.
    """
    labels = np.zeros(out_shape, dtype=np.int32)
    near, window = window_of(segmentation.mask, 2), window_of(segmentation.mask, 1, out_shape)
    if near is None or window is None:
        return labels
    kept = np.zeros(probability.shape, dtype=np.float32)
    beside = ndimage.binary_dilation(segmentation.mask[near], np.ones((3, 3))) & (
        segmentation.zones[near] > 0
    )
    kept[near] = np.where(beside, probability[near], np.float32(0))
    coarser = out_shape[0] < probability.shape[0] or out_shape[1] < probability.shape[1]
    resample = resample_area if coarser else resample_linear
    inside = resample(kept, out_shape, window)[window] >= outline
    too_far = (kept[near] >= outline) & ~segmentation.mask[near]
    if too_far.any():
        # What is too far from a core is outside, however probable.
        near_core = np.ones(probability.shape, dtype=np.float32)
        near_core[near] = ~too_far
        inside &= resample(near_core, out_shape, window)[window] >= 0.5
    rows, columns = (
        (np.arange(n)[part] * m + m // 2) // n
        for n, m, part in zip(out_shape, probability.shape, window, strict=True)
    )
    labels[window] = np.where(inside, segmentation.zones[np.ix_(rows, columns)], 0)
    return labels
