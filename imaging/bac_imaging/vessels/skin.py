"""Where the skin line runs, as far as the breast that was found tells it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from bac_imaging.grid.breast import EDGE_MARGIN_MM, SKIN_MARGIN_MM
from bac_imaging.grid.working_grid import window_of

BoolArray = npt.NDArray[np.bool_]
DoubleArray = npt.NDArray[np.float64]

BANDS_MM = (3.0, 10.0)
"""Distances from the skin line that part the breast in three."""
_PLAY_MM = 1.5  # how far an edge of the breast may lie from the straight border that cut it


def from_skin_mm(
    points: DoubleArray, breast: BoolArray, spacing_mm: tuple[float, float], within_mm: float = np.inf
) -> DoubleArray:
    """Return the way from points to the skin line.

    The breast is drawn in by 1.5 mm at the skin, so the skin line is taken 1.5 mm outside of its edge. Edges
    along the image's border and at the chest wall are cuts, no skin. A film that is cut off above or below
    inside its frame has its cut taken for skin.

    Parameters
    ----------
    points : ndarray of float64, shape (n, 2)
        (row, column) in mm from the corner of the matrix, at the detector.
    breast : ndarray of bool, shape (h, w)
        Breast on the working grid.
    spacing_mm : tuple of float
        Of the working grid, (between rows, between columns).
    within_mm : float, optional
        Longer ways need not be known: they may come out infinite. Most points lie deep in the breast, about
        as far from much of its edge, and a search for the nearest of it visits all of that.

    Returns
    -------
    ndarray of float64, shape (n,)
        In mm at the detector; infinite where no skin is in the image.
    """
    play = max(1, round(_PLAY_MM / spacing_mm[1]))
    window = window_of(breast, play + 1)
    if window is None:
        return np.full(len(points), np.inf)
    filled = _without_holes(breast[window])
    edge = _edge(filled) + [part.start for part in window]
    middle = (edge + 0.5) * spacing_mm
    size = np.array(breast.shape) * spacing_mm
    cut = (np.minimum(middle, size - middle) < EDGE_MARGIN_MM + _PLAY_MM).any(axis=1)
    # The chest wall's side is the one where the breast is tall.
    columns = np.flatnonzero(filled.any(axis=0)) + window[1].start
    first, last = int(columns[0]) + play, int(columns[-1]) - play
    left, right = (np.count_nonzero(filled[:, column - window[1].start]) for column in (first, last))
    cut |= edge[:, 1] <= first if left >= right else edge[:, 1] >= last
    reach = within_mm - SKIN_MARGIN_MM
    near = ~cut
    if np.isfinite(reach) and len(points):
        near &= ((middle >= points.min(axis=0) - reach) & (middle <= points.max(axis=0) + reach)).all(axis=1)
    if not near.any():
        return np.full(len(points), np.inf)
    from scipy.spatial import cKDTree  # most images have no vessel, and a server starts sooner

    found = cKDTree(middle[near]).query(points, distance_upper_bound=np.nextafter(reach, np.inf))[0]
    return np.asarray(found + SKIN_MARGIN_MM, dtype=np.float64)


def _without_holes(breast: BoolArray) -> BoolArray:
    """Fill the holes of a mask: their rows and columns each cross it at least twice, and few or none do."""
    rows, columns = (
        np.flatnonzero(np.count_nonzero(np.diff(np.pad(breast, 1), axis=axis)[trim], axis=axis) > 2)
        for axis, trim in ((1, np.s_[1:-1]), (0, np.s_[:, 1:-1]))
    )
    if not (rows.size and columns.size):
        return breast
    window = tuple(slice(max(0, int(hit[0]) - 1), int(hit[-1]) + 2) for hit in (rows, columns))
    filled = breast.copy()
    filled[window] = ndimage.binary_fill_holes(breast[window])
    return filled


def _edge(mask: BoolArray) -> npt.NDArray[np.intp]:
    """Return the (row, column) of its pixels beside one, above or below that is outside; (n, 2) in order."""
    inner = mask.copy()
    inner[1:] &= mask[:-1]
    inner[:-1] &= mask[1:]
    inner[:, 1:] &= mask[:, :-1]
    inner[:, :-1] &= mask[:, 1:]
    return np.argwhere(mask ^ inner)
