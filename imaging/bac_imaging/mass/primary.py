"""From a measured log signal to that of the primary radiation at a detector without blur."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from bac_imaging.grid.window import enclosing, inside
from bac_imaging.grid.working_grid import Window, window_of
from bac_imaging.mass.blur import sharpen
from bac_imaging.mass.calibration import Calibration
from bac_imaging.mass.scatter import scattered, without_scatter
from bac_imaging.mass.soft_tissue import FAT_IN_AIR

FloatArray = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]

_SAMPLE = 8  # every so many rows and columns


class Primary(NamedTuple):
    """Signal of primary radiation, and what undoing the blur added to it.

    Attributes
    ----------
    signal : ndarray of float32
        In `region`, which holds the breast and the window.
    sharpened_by : ndarray of float32
        In the window that was sharpened.
    region : tuple of slice
        Of the working grid.
    """

    signal: FloatArray
    sharpened_by: FloatArray
    region: Window


def primary_signal(
    signal: FloatArray,
    breast: BoolArray,
    calibration: Calibration,
    spacing_mm: tuple[float, float],
    window: Window,
) -> Primary:
    """Return minus the logarithm of the primary exposure, as a detector without blur would have seen it.

    It is sharpened in `window` alone, which holds the vessels and their surroundings. `spacing_mm` is that of
    the working grid at the detector. Nothing is worked out beyond breast and window.
    """
    box = window_of(breast, 0) or window
    region = enclosing([box, window])
    part, within = signal[region], breast[region]
    # About 1 within the breast, whatever the zero: a sample will do.
    sample = part[::_SAMPLE, ::_SAMPLE][within[::_SAMPLE, ::_SAMPLE]]
    level = np.float32(np.median(sample)) if sample.size else np.float32(0)
    # Air counts as no brighter than the thinnest tissue is: what undoes the blur reaches some millimetres,
    # and would carry the noise of bright air into the breast.
    least = part.min(where=within, initial=np.float32(np.inf))
    exposure = np.maximum(part, least if within.any() else np.float32(0))
    np.subtract(level, exposure, out=exposure)
    np.exp(exposure, out=exposure)
    fat = FAT_IN_AIR * calibration.k_cm2_per_g * calibration.thickness_mm
    ratio, shape = calibration.scatter_to_primary, (signal.shape[0], signal.shape[1])
    scatter = scattered(exposure, within, ratio, spacing_mm, fat, shape=shape, window=region)
    primary = without_scatter(exposure, scatter)
    # Scatter is smooth, so that the primary radiation is blurred as the whole exposure is.
    near = inside(window, region)
    sharpened_by = np.log(primary[near] / sharpen(primary[near], calibration.blur, spacing_mm))
    np.log(primary, out=primary)
    np.subtract(level, primary, out=primary)
    primary[near] += sharpened_by
    return Primary(primary, sharpened_by, region)
