"""Courses that follow the skin.

Arteries under the skin are seen at the breast's border in every view that meets them edge-on. `lay_course`
keeps away from the skin; a network that saw only its arteries takes the border for a place without BAC.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from bac_phantom.body.anatomy import Anatomy
from bac_phantom.body.curves import STEP_MM, FloatArray, Path
from bac_phantom.calcium.courses import BORDER_MARGIN_MM, SHORTEST_MM, BodyPath, Projection

# The depth below the breast's border that a course keeps on average, and how it wanders about it.
DEPTH_MM = (0.8, 7.0)
_WANDER_MM, _WANDER_SCALE_MM = 1.2, 6.0
# Outlines are bumpy: the border that a course follows is smoothed over this distance.
_SMOOTHED_MM = 2.0
_GRID_MM = 0.5
_TRIES = 4


def lay_under_skin(
    rng: np.random.Generator, anatomy: Anatomy, projection: Projection, pitch_mm: float, length_mm: float
) -> BodyPath | None:
    """Lay a course along the skin, at half the breast's thickness.

    Parameters
    ----------
    rng
        Source of chance.
    anatomy, projection
        The breast in a CC view, and the geometry of it.
    pitch_mm
        Pixel pitch of the anatomy's maps.
    length_mm
        Wanted length.

    Returns
    -------
    ndarray of float64, shape (n, 3), or None
        Body course at ``STEP_MM`` steps; None where it would be shorter than ``SHORTEST_MM``.
    """
    cell = max(round(_GRID_MM / pitch_mm), 1)
    grid_mm = cell * pitch_mm
    depth = np.ascontiguousarray(anatomy.depth_px[::cell, ::cell]) * np.float32(pitch_mm)
    smooth = ndimage.gaussian_filter(depth, _SMOOTHED_MM / grid_mm)
    # One that starts near the chest wall soon ends there.
    plane = max((_follow(rng, smooth, depth, grid_mm, length_mm) for _ in range(_TRIES)), key=len)
    if len(plane) * STEP_MM < SHORTEST_MM:
        return None
    middle = float(projection.magnification(np.array([0.5 * projection.thickness_mm]))[0])
    behind = (projection.nipple_mm[1] - plane[:, 1]) / middle
    lateral = (plane[:, 0] - projection.nipple_mm[0]) / middle
    return np.column_stack([behind, lateral, np.zeros(len(plane))])


def _follow(
    rng: np.random.Generator, smooth: FloatArray, depth: FloatArray, grid_mm: float, length_mm: float
) -> Path:
    """Walk along a line of equal depth in mm of the detector plane, from a random place on it."""
    aim = float(rng.uniform(*DEPTH_MM))
    samples = max(int(length_mm / STEP_MM), 8)
    sigma = _WANDER_SCALE_MM / STEP_MM
    wander = ndimage.gaussian_filter1d(rng.standard_normal(samples), sigma, mode="wrap")
    wander *= _WANDER_MM * float(rng.random()) / max(float(wander.std()), 1e-9)
    along, across = np.gradient(smooth)
    places = np.argwhere(np.abs(depth - aim) < grid_mm)
    if not len(places):
        return np.zeros((0, 2))
    row, column = places[int(rng.integers(len(places)))].astype(np.float64)
    turn = float(rng.choice([-1.0, 1.0]))
    margin = BORDER_MARGIN_MM / grid_mm
    path = []
    for k in range(samples):
        if not (margin <= row < depth.shape[0] - margin and margin <= column < depth.shape[1] - margin):
            break
        r, c = int(row), int(column)
        slope = np.array([along[r, c], across[r, c]])
        steepness = float(np.hypot(*slope))
        if steepness < 0.05 * grid_mm or depth[r, c] <= 0.4:
            break
        inward = slope / steepness
        if inward[1] > 0.7:  # what ends there is the image, at the chest wall
            break
        # Back to the wanted depth within some 2 mm.
        error = np.clip((aim + wander[k] - smooth[r, c]) / 2.0, -0.7, 0.7)
        heading = turn * np.array([-inward[1], inward[0]]) + error * inward
        path.append((row * grid_mm, column * grid_mm))
        row, column = np.array([row, column]) + heading / np.hypot(*heading) * (STEP_MM / grid_mm)
    if len(path) < 8:
        return np.zeros((0, 2))
    smooth_path = ndimage.gaussian_filter1d(np.array(path), 1.0 / STEP_MM, axis=0, mode="nearest")
    return np.asarray(smooth_path)
