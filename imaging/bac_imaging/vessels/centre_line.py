"""The centre line of a vessel: thinned, freed of spurs, measured."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from skimage.morphology import skeletonize

BoolArray = npt.NDArray[np.bool_]

_SMOOTH_PX = 2.0
_SPUR_RADII = 1.6  # into the corner of a square end: the square root of 2, and some play


def line_length_mm(vessel: BoolArray, spacing_mm: tuple[float, float]) -> float:
    """Return the length of a vessel's centre line, branches included.

    Counting the skeleton's steps overstates slanting lines by up to 8 %, so its pixels are first moved to
    the mean of their neighbourhood, which runs through the staircase.

    Parameters
    ----------
    vessel : ndarray of bool, shape (h, w)
        One vessel, its gaps bridged.
    spacing_mm : tuple of float
        Spacing (between rows, between columns) in mm.

    Returns
    -------
    float
        Length in mm, in the plane of the spacing.
    """
    vessel = np.pad(vessel, 1)
    distance = ndimage.distance_transform_edt(vessel)
    skeleton = _without_spurs(skeletonize(vessel), distance)  # type: ignore[no-untyped-call]
    if not skeleton.any():
        return 0.0
    weight = skeleton.astype(np.float64)
    smoothed = ndimage.gaussian_filter(weight, _SMOOTH_PX, mode="constant")
    rows, columns = (
        ndimage.gaussian_filter(weight * axis, _SMOOTH_PX, mode="constant") / np.maximum(smoothed, 1e-9)
        for axis in np.ogrid[: skeleton.shape[0], : skeleton.shape[1]]
    )
    total = 0.0
    for row, column in ((0, 1), (1, 0), (1, 1), (1, -1)):
        first = (
            slice(0, skeleton.shape[0] - row),
            slice(max(0, -column), skeleton.shape[1] - max(0, column)),
        )
        second = (slice(row, None), slice(max(0, column), skeleton.shape[1] + min(0, column)))
        linked = skeleton[first] & skeleton[second]
        if row and column:
            # A corner that an orthogonal step already walks around is not a link of its own.
            side_a = skeleton[first[0], second[1]]
            side_b = skeleton[second[0], first[1]]
            linked &= ~(side_a | side_b)
        step_rows = (rows[second] - rows[first])[linked] * spacing_mm[0]
        step_columns = (columns[second] - columns[first])[linked] * spacing_mm[1]
        total += float(np.hypot(step_rows, step_columns).sum())
    # Thinning and smoothing take about half a width off each end.
    pixel_mm = float(np.sqrt(spacing_mm[0] * spacing_mm[1]))
    return total + 2.0 * float(np.median(distance[skeleton])) * pixel_mm


def _without_spurs(skeleton: BoolArray, distance: npt.NDArray[np.float64]) -> BoolArray:
    """Cut the branches that thinning leaves from the centre line into corners and bumps of the outline.

    A spur reaches from the centre to the outline, so it is about as long as the vessel is wide.
    """
    block = np.ones((3, 3))
    neighbours = ndimage.convolve(skeleton.astype(np.uint8), block.astype(np.uint8), mode="constant") - 1
    junctions = skeleton & (neighbours >= 3)
    branches, count = ndimage.label(skeleton & ~junctions, structure=block)
    if count < 2:
        return skeleton
    owner = branches[skeleton]
    sizes = np.bincount(owner, minlength=count + 1)
    ends = np.bincount(owner, neighbours[skeleton] == 1, minlength=count + 1)
    radii = np.zeros(count + 1)
    np.maximum.at(radii, owner, distance[skeleton])
    spurs = np.flatnonzero((ends > 0) & (sizes <= _SPUR_RADII * radii))
    spurs = spurs[spurs > 0]  # number 0 holds the junctions
    return np.asarray(skeleton & ~np.isin(branches, spurs))
