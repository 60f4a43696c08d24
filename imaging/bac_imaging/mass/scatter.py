"""Scattered radiation, taken out of an exposure.

The table gives the ratio of scattered to primary radiation for a breast of some thickness. Locally the ratio
is another: scatter comes from centimetres around, so it is about the same behind a dense part of the breast,
where little primary radiation arrives, as behind the fat beside it. The scatter is therefore modelled as the
primary radiation spread out, ``I = P + ratio * (kernel * tP)``, and the equation is solved for ``P``
(convolution filtering: Love and Kruger, Med Phys 14 (1987) 178). Towards the skin the breast is thin: it lets
much through and scatters little, in proportion to its thickness (Cunha et al., Phys Med Biol 55 (2010) 4335);
``t`` is that share of the full thickness. Without it the scatter comes out up to 60 % too large (Marimon et
al., Phys Med Biol 66 (2021) 045001).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from bac_imaging.grid.axis import AREA, LINEAR
from bac_imaging.grid.working_grid import Window, resample_part, whole

FloatArray = npt.NDArray[np.float32]
DoubleArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

SPREAD_MM = 15.0
"""Standard deviation of the Gaussian kernel: a mean distance of 19 mm from where the scattered ray would have
hit. In mammography scatter reaches about 2 cm; only how far the ratio follows the tissue depends on it."""

_CELL_MM = 2.0
_BORDER_MM = 5.0  # the breast mask keeps off the image's border: a breast this near to it goes on beyond it
_RIM_MM = 15.0  # from the skin on, a breast that is round at its edge has most of its thickness
_FATTEST_FRACTION = 0.3  # of what lies deeper: beyond it, it lets through what full thickness of fat does
_STEPS = 8  # each leaves less than ratio / (1 + ratio) of the error, mostly a tenth


def scattered(
    exposure: FloatArray,
    breast: BoolArray,
    ratio: float,
    spacing_mm: tuple[float, float],
    full_signal: float = np.inf,
    *,
    shape: tuple[int, int] | None = None,
    window: Window | None = None,
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
    full_signal : float
        Log signal of the breast's full thickness of fat, by which a thinner place is told. Infinite: the
        breast is as thick everywhere.
    shape, window : tuple of int, tuple of slice
        Shape of the image that the above is a part of, which holds all of the breast, and where it lies in
        it. Default: it is the image.

    Returns
    -------
    ndarray of float32, shape (h, w)
        Scattered exposure; 0 far outside the breast.

    Notes
    -----
    All but the last step runs on cells of 2 mm, where the spread along an axis is a matrix of some 100 rows:
    two small matrix products an iteration.
    """
    if shape is None or window is None:
        shape = (exposure.shape[0], exposure.shape[1])
        window = whole(shape)
    if ratio <= 0.0 or not breast.any():
        return np.zeros_like(exposure)
    cells_shape = (
        max(1, round(shape[0] * spacing_mm[0] / _CELL_MM)),
        max(1, round(shape[1] * spacing_mm[1] / _CELL_MM)),
    )
    total, coverage = (
        resample_part(AREA, part, shape, cells_shape, whole(cells_shape), window).astype(np.float64)
        for part in (exposure * breast, breast)
    )
    rows, columns = (np.flatnonzero((coverage > 0.5).any(axis=axis)) for axis in (1, 0))
    if rows.size == 0:
        return np.zeros_like(exposure)
    box = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
    border = round(_BORDER_MM / _CELL_MM)
    reach = int(4 * SPREAD_MM / _CELL_MM)
    sides = [
        (part.start <= border, part.stop >= size - border)
        for part, size in zip(box, cells_shape, strict=True)
    ]
    cells, inside = total[box], coverage[box]
    deep = _deep(inside > 0.5, sides)
    to_rows, to_columns = (_spread(n, ends, reach) for n, ends in zip(cells.shape, sides, strict=True))
    back_to_rows, back_to_columns = to_rows[reach:-reach], to_columns[reach:-reach]
    primary = cells / (1.0 + ratio)
    for _ in range(_STEPS):
        source = primary * _thickness_fraction(primary, inside, deep, full_signal)
        haze = ratio * inside * (back_to_rows @ source @ back_to_columns.T)
        primary = np.divide(cells * primary, primary + haze, out=np.zeros_like(cells), where=cells > 0)
    source = primary * _thickness_fraction(primary, inside, deep, full_signal)
    haze = ratio * (to_rows @ source @ to_columns.T)
    beside = [(part.start, size - part.stop) for part, size in zip(box, cells_shape, strict=True)]
    middle = np.pad(haze, beside)[reach:-reach, reach:-reach]
    return resample_part(LINEAR, middle.astype(np.float32), cells_shape, shape, window)


def _deep(within: BoolArray, sides: list[tuple[bool, bool]]) -> BoolArray:
    """Find the cells behind the breast's rim; all of them where it is all rim."""
    around = np.pad(within, [(1, 1), (0, 0)], constant_values=False)
    around[0], around[-1] = (within[0] & sides[0][0]), (within[-1] & sides[0][1])
    around = np.pad(around, [(0, 0), (1, 1)], constant_values=False)
    around[:, 0], around[:, -1] = (around[:, 1] & sides[1][0]), (around[:, -2] & sides[1][1])
    if around.all():
        return within
    depth = ndimage.distance_transform_edt(around)[1:-1, 1:-1] * _CELL_MM
    deep = np.asarray(depth > _RIM_MM)
    return deep if deep.any() else within


def _thickness_fraction(
    primary: DoubleArray, inside: DoubleArray, deep: BoolArray, full_signal: float
) -> DoubleArray:
    """Tell from the primary radiation what share of the full thickness each cell has, 0 to 1."""
    level = float(np.quantile(primary[deep], 1.0 - _FATTEST_FRACTION))
    # A cell on the outline is covered in part.
    covered = np.divide(primary, inside, out=np.zeros_like(primary), where=inside > 0.05)
    brighter = np.log(np.maximum(covered / max(level, 1e-12), 1.0))
    fraction: DoubleArray = np.clip(1.0 - brighter / full_signal, 0.0, 1.0)
    return fraction


def _spread(cells: int, goes_on: tuple[bool, bool], reach: int) -> DoubleArray:
    """Return what spreads a row of cells over itself and `reach` cells beyond its ends, as a matrix.

    Where the breast goes on beyond an end it does so as the last cell, elsewhere there is air.
    """
    grown = np.pad(np.eye(cells), [(reach, reach), (0, 0)])
    grown[:reach, 0], grown[-reach:, -1] = goes_on
    spread: DoubleArray = ndimage.gaussian_filter1d(
        grown, SPREAD_MM / _CELL_MM, axis=0, mode="nearest", truncate=4.0
    )
    return spread


def without_scatter(exposure: FloatArray, scatter: FloatArray) -> FloatArray:
    """Subtract scatter, leaving at least a little: noise and metal must not make an exposure negative."""
    return np.maximum(exposure - scatter, np.float32(0.05) * exposure)
