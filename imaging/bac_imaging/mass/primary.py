"""From a measured log signal to that of the primary radiation at a detector without blur."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from bac_imaging.grid.working_grid import Window
from bac_imaging.mass.blur import sharpen
from bac_imaging.mass.calibration import Calibration
from bac_imaging.mass.scatter import scattered, without_scatter
from bac_imaging.mass.soft_tissue import FAT_IN_AIR

FloatArray = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]


class Primary(NamedTuple):
    """Signal of primary radiation, and what undoing the blur added to it; float32, (h, w)."""

    signal: FloatArray
    sharpened_by: FloatArray


def primary_signal(
    signal: FloatArray,
    breast: BoolArray,
    calibration: Calibration,
    spacing_mm: tuple[float, float],
    window: Window,
) -> Primary:
    """Return minus the logarithm of the primary exposure, as a detector without blur would have seen it.

    It is sharpened in `window` alone, which holds the vessels and their surroundings. `spacing_mm` is that of
    the working grid at the detector.
    """
    inside = signal[breast] if breast.any() else np.zeros(1, dtype=np.float32)
    # About 1 within the breast, whatever the zero. Air counts as no brighter than the thinnest tissue is:
    # what undoes the blur reaches some millimetres, and would carry the noise of bright air into the breast.
    level = np.float32(np.median(inside))
    exposure = np.exp(level - np.maximum(signal, inside.min()))
    fat = FAT_IN_AIR * calibration.k_cm2_per_g * calibration.thickness_mm
    scatter = scattered(exposure, breast, calibration.scatter_to_primary, spacing_mm, fat)
    primary = without_scatter(exposure, scatter)
    # Scatter is smooth, so that the primary radiation is blurred as the whole exposure is.
    sharpened_by = np.zeros_like(primary)
    sharpened_by[window] = np.log(primary[window] / sharpen(primary[window], calibration.blur, spacing_mm))
    return Primary(level - np.log(primary) + sharpened_by, sharpened_by)
