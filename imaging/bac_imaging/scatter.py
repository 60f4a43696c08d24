"""Scattered radiation, taken out of an exposure.

The table gives the ratio of scattered to primary radiation for a breast of some thickness. Locally the ratio
is another: scatter comes from centimetres around, so it is about the same behind a dense part of the breast,
where little primary radiation arrives, as behind the fat beside it. The scatter is therefore modelled as the
primary radiation spread out, ``I = P + ratio * (kernel * P)``, and the equation is solved for ``P``
(convolution filtering: Love and Kruger, Med Phys 14 (1987) 178).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from bac_imaging.grid import resample_area, resample_linear

FloatArray = npt.NDArray[np.float32]
DoubleArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

SPREAD_MM = 15.0
"""Standard deviation of the Gaussian kernel: a mean distance of 19 mm from where the scattered ray would have
hit. In mammography scatter reaches about 2 cm; only how far the ratio follows the tissue depends on it."""

_CELL_MM = 2.0
_BORDER_MM = 5.0  # the breast mask keeps off the image's border: a breast this near to it goes on beyond it
_STEPS = 8  # each leaves less than ratio / (1 + ratio) of the error, mostly a tenth


def scattered(
    exposure: FloatArray, breast: BoolArray, ratio: float, spacing_mm: tuple[float, float]
) -> FloatArray:
    """Estimate the scattered part of an exposure.

    Parameters
    ----------
    exposure : ndarray of float32, shape (h, w)
        Exposure of the detector, any unit.
    breast : ndarray of bool, shape (h, w)
        Breast mask. Only the breast scatters.
    ratio : float
        Scattered over primary radiation behind the middle of the breast.
    spacing_mm : tuple of float
        Spacing at the detector, (between rows, between columns), in mm.

    Returns
    -------
    ndarray of float32, shape (h, w)
        Scattered exposure; 0 far outside the breast.
    """
    if ratio <= 0.0 or not breast.any():
        return np.zeros_like(exposure)
    shape = (
        max(1, round(exposure.shape[0] * spacing_mm[0] / _CELL_MM)),
        max(1, round(exposure.shape[1] * spacing_mm[1] / _CELL_MM)),
    )
    total = resample_area(np.where(breast, exposure, np.float32(0)), shape).astype(np.float64)
    share = resample_area(breast, shape).astype(np.float64)
    rows, columns = (np.flatnonzero((share > 0.5).any(axis=axis)) for axis in (1, 0))
    if rows.size == 0:
        return np.zeros_like(exposure)
    box = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
    border = round(_BORDER_MM / _CELL_MM)
    reach = int(4 * SPREAD_MM / _CELL_MM)
    sides = [
        (part.start <= border, part.stop >= size - border) for part, size in zip(box, shape, strict=True)
    ]
    cells, inside = total[box], share[box]
    primary = cells / (1.0 + ratio)
    for _ in range(_STEPS):
        haze = ratio * inside * _spread(primary, sides, reach)[reach:-reach, reach:-reach]
        primary = np.divide(cells * primary, primary + haze, out=np.zeros_like(cells), where=cells > 0)
    haze = ratio * _spread(primary, sides, reach)
    whole = np.pad(haze, [(part.start, size - part.stop) for part, size in zip(box, shape, strict=True)])
    middle = whole[reach:-reach, reach:-reach]
    return resample_linear(middle.astype(np.float32), exposure.shape)


def _spread(primary: DoubleArray, sides: list[tuple[bool, bool]], reach: int) -> DoubleArray:
    """Spread the primary radiation, `reach` cells beyond its borders too: there is air, or more breast."""
    grown = primary
    for axis, goes_on in enumerate(sides):
        for end, more in enumerate(goes_on):
            width = [(0, 0), (0, 0)]
            width[axis] = (reach, 0) if end == 0 else (0, reach)
            grown = np.pad(grown, width, mode="edge" if more else "constant")
    spread: DoubleArray = ndimage.gaussian_filter(grown, SPREAD_MM / _CELL_MM, mode="nearest", truncate=4.0)
    return spread


def without_scatter(exposure: FloatArray, scatter: FloatArray) -> FloatArray:
    """Subtract scatter, leaving at least a little: noise and metal must not make an exposure negative.

    Parameters
    ----------
    exposure, scatter : ndarray of float32, shape (h, w)
        Exposure and the scattered part of it.

    Returns
    -------
    ndarray of float32, shape (h, w)
        Primary exposure.
    """
    return np.maximum(exposure - scatter, np.float32(0.05) * exposure)
