"""Outlines and centre lines of masks as points in mm, and how far two of them lie apart."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree
from skimage.morphology import skeletonize

__all__ = ["Shape", "directed_distances", "hausdorff_95", "near", "points_mm", "shape_of", "shapes_of"]

BoolArray = npt.NDArray[np.bool_]
DoubleArray = npt.NDArray[np.float64]
Spacing = tuple[float, float]

_PLAY = 1.0 + 1e-9  # a distance of exactly the tolerance counts, whatever its last bit says


@dataclass(frozen=True)
class Shape:
    """A connected piece of a mask. Points are (row, column) in mm from the corner of the stored matrix.

    Attributes
    ----------
    pixels, outline, line : ndarray of float64, shape (n, 2)
        All pixels, those on the border (a neighbour across an edge is outside) and those of the centre line.
    pixel_mm : tuple of float
        Size of a pixel, (rows, columns).
    """

    pixels: DoubleArray
    outline: DoubleArray
    line: DoubleArray
    pixel_mm: Spacing

    @property
    def area_mm2(self) -> float:
        """Area in the plane of the points."""
        return len(self.pixels) * self.pixel_mm[0] * self.pixel_mm[1]

    @property
    def width_mm(self) -> float:
        """Median width: twice the way from the centre line to the middle of a border pixel, and the rest.

        The rest is one pixel where the width is an odd number of them and two where it is even.
        """
        step = float(np.sqrt(self.pixel_mm[0] * self.pixel_mm[1]))
        return 2.0 * float(np.median(directed_distances(self.line, self.outline))) + 1.5 * step


def points_mm(mask: BoolArray, spacing_mm: Spacing, corner: tuple[int, int] = (0, 0)) -> DoubleArray:
    """Return the middles of the pixels of a mask, (row, column) in mm, float64 (n, 2).

    `corner` is the first pixel of a mask that is a part of a matrix. In mm matrices of other spacing over the
    same field agree.
    """
    return np.asarray((np.argwhere(mask) + corner + 0.5) * spacing_mm, dtype=np.float64)


def shapes_of(mask: BoolArray, spacing_mm: Spacing, bridge_mm: float) -> list[Shape]:
    """Take a mask apart into pieces that lie farther than a gap from each other.

    Parameters
    ----------
    mask : ndarray of bool, shape (rows, columns)
        Mask.
    spacing_mm : tuple of float
        (between rows, between columns) in mm.
    bridge_mm : float
        Pieces whose borders come this near belong together.

    Returns
    -------
    list of Shape
        In order of their first row.
    """
    labels, count = ndimage.label(mask, structure=np.ones((3, 3)))
    parts = [
        shape_of(labels[box] == number, spacing_mm, (box[0].start, box[1].start))
        for number, box in enumerate(ndimage.find_objects(labels), start=1)
    ]
    if count < 2:
        return parts
    groups = _groups([part.outline for part in parts], bridge_mm)
    members = [[part for part, own in zip(parts, groups, strict=True) if own == g] for g in np.unique(groups)]
    return [_united(pieces) for pieces in members]


def shape_of(mask: BoolArray, spacing_mm: Spacing, corner: tuple[int, int] = (0, 0)) -> Shape:
    """Make one shape of all pixels of a mask, connected or not.

    Parameters
    ----------
    mask : ndarray of bool, shape (h, w)
        Part of a matrix; what lies outside it counts as outside the shape.
    spacing_mm : tuple of float
        (between rows, between columns) in mm.
    corner : tuple of int, default (0, 0)
        Row and column of the part's first pixel in the matrix.
    """
    line = skeletonize(np.pad(mask, 1))[1:-1, 1:-1]
    kinds = (mask, mask & ~ndimage.binary_erosion(mask), line if line.any() else mask)
    pixels, outline, centre = (points_mm(part, spacing_mm, corner) for part in kinds)
    return Shape(pixels, outline, centre, spacing_mm)


def _united(pieces: list[Shape]) -> Shape:
    pixels, outline, line = (
        np.concatenate([getattr(piece, kind) for piece in pieces]) for kind in ("pixels", "outline", "line")
    )
    return Shape(pixels, outline, line, pieces[0].pixel_mm)


def _groups(outlines: list[DoubleArray], bridge_mm: float) -> npt.NDArray[np.int_]:
    """Give outlines that come within `bridge_mm` of each other the same number."""
    count = len(outlines)
    linked = np.zeros((count, count), dtype=bool)
    trees = [cKDTree(points) for points in outlines]
    low = np.array([points.min(axis=0) for points in outlines]) - bridge_mm
    high = np.array([points.max(axis=0) for points in outlines])
    for first in range(count):
        for second in range(first + 1, count):
            apart = np.maximum(low[first] - high[second], low[second] - high[first]).max() > 0
            if not apart:
                nearest = trees[first].query(outlines[second], distance_upper_bound=bridge_mm * _PLAY)[0]
                linked[first, second] = np.isfinite(nearest).any()
    return np.asarray(connected_components(linked, directed=False)[1])


def directed_distances(points: DoubleArray, others: DoubleArray) -> DoubleArray:
    """Return the way from each point to the nearest of `others` in mm, infinite where there are none."""
    if not len(others):
        return np.full(len(points), np.inf)
    return np.asarray(cKDTree(others).query(points)[0], dtype=np.float64)


def near(points: DoubleArray, others: DoubleArray, tolerance_mm: float) -> BoolArray:
    """Tell for each point whether one of `others` lies within a tolerance of it, in mm."""
    if not len(others) or not len(points):
        return np.zeros(len(points), dtype=bool)
    bound = tolerance_mm * _PLAY
    return np.asarray(np.isfinite(cKDTree(others).query(points, distance_upper_bound=bound)[0]))


def hausdorff_95(outline: DoubleArray, other: DoubleArray) -> float:
    """Return the Hausdorff distance of two outlines, 95th percentile, in mm.

    The larger of the two directed 95th percentiles, as in Taha and Hanbury (2015) and MONAI.
    """
    there, back = directed_distances(outline, other), directed_distances(other, outline)
    return max(float(np.percentile(there, 95)), float(np.percentile(back, 95)))
