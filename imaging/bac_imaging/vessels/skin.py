"""Where the skin line runs, as far as the breast that was found tells it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.spatial import cKDTree

from bac_imaging.grid.breast import EDGE_MARGIN_MM, SKIN_MARGIN_MM

BoolArray = npt.NDArray[np.bool_]
DoubleArray = npt.NDArray[np.float64]

BANDS_MM = (3.0, 10.0)
"""Distances from the skin line that part the breast in three."""
_PLAY_MM = 1.5  # how far an edge of the breast may lie from the straight border that cut it


def from_skin_mm(points: DoubleArray, breast: BoolArray, spacing_mm: tuple[float, float]) -> DoubleArray:
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

    Returns
    -------
    ndarray of float64, shape (n,)
        In mm at the detector; infinite where no skin is in the image.
    """
    filled = ndimage.binary_fill_holes(breast)
    edge = np.argwhere(filled & ~ndimage.binary_erosion(filled, border_value=1))
    middle = (edge + 0.5) * spacing_mm
    size = np.array(breast.shape) * spacing_mm
    cut = (np.minimum(middle, size - middle) < EDGE_MARGIN_MM + _PLAY_MM).any(axis=1)
    # The chest wall's side is the one where the breast is tall.
    columns = np.flatnonzero(filled.any(axis=0))
    if columns.size:
        play = max(1, round(_PLAY_MM / spacing_mm[1]))
        first, last = int(columns[0]), int(columns[-1])
        left, right = filled[:, first + play].sum(), filled[:, last - play].sum()
        cut |= edge[:, 1] <= first + play if left >= right else edge[:, 1] >= last - play
    if cut.all():
        return np.full(len(points), np.inf)
    return np.asarray(cKDTree(middle[~cut]).query(points)[0] + SKIN_MARGIN_MM, dtype=np.float64)
