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

from bac_imaging.grid.working_grid import resample_area, resample_linear

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
    coverage = resample_area(breast, shape).astype(np.float64)
    rows, columns = (np.flatnonzero((coverage > 0.5).any(axis=axis)) for axis in (1, 0))
    if rows.size == 0:
        return np.zeros_like(exposure)
    box = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
    border = round(_BORDER_MM / _CELL_MM)
    reach = int(4 * SPREAD_MM / _CELL_MM)
    sides = [
        (part.start <= border, part.stop >= size - border) for part, size in zip(box, shape, strict=True)
    ]
    cells, inside = total[box], coverage[box]
    deep = _deep(inside > 0.5, sides)
    primary = cells / (1.0 + ratio)
    for _ in range(_STEPS):
        source = primary * _thickness_fraction(primary, inside, deep, full_signal)
        haze = ratio * inside * _spread(source, sides, reach)[reach:-reach, reach:-reach]
        primary = np.divide(cells * primary, primary + haze, out=np.zeros_like(cells), where=cells > 0)
    source = primary * _thickness_fraction(primary, inside, deep, full_signal)
    haze = ratio * _spread(source, sides, reach)
    whole = np.pad(haze, [(part.start, size - part.stop) for part, size in zip(box, shape, strict=True)])
    middle = whole[reach:-reach, reach:-reach]
    return resample_linear(middle.astype(np.float32), exposure.shape)


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
    """Subtract scatter, leaving at least a little: noise and metal must not make an exposure negative."""
    return np.maximum(exposure - scatter, np.float32(0.05) * exposure)
