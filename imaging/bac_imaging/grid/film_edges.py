"""Recognise what scanners and film add around a mammogram: white frames and bright strips at the border."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]

_FRAME_FRACTION = 0.98  # of a row: a frame is uniform from end to end, a breast never is
_FRAME_LEVEL = 0.97  # of the brightest value
_STRIP_MM = 7.0  # film edges and label strips are narrower than this
_STRIP_FRACTION = 0.4  # of the side beside the breast: a strip runs along the film, a label does not
_STRIP_SPREAD_MM = 1.0  # a strip has an even depth; haze in a corner has not
_STRIP_MARGIN_MM = 0.8


def trim_frame(image: FloatArray, usable: BoolArray) -> BoolArray:
    """Cut off uniform bright or black frames around the picture.

    Parameters
    ----------
    image : ndarray of float32, shape (h, w)
        Coarse signal.
    usable : ndarray of bool, shape (h, w)
        False where the signal means nothing.

    Returns
    -------
    ndarray of bool, shape (h, w)
        False on the frame.
    """
    values = image[usable]
    low, high = float(values.min()), float(values.max())
    frame = (image >= low + _FRAME_LEVEL * (high - low)) | ~usable
    top, bottom, left, right = 0, image.shape[0], 0, image.shape[1]
    while bottom - top > 8 and frame[top, left:right].mean() >= _FRAME_FRACTION:
        top += 1
    while bottom - top > 8 and frame[bottom - 1, left:right].mean() >= _FRAME_FRACTION:
        bottom -= 1
    while right - left > 8 and frame[top:bottom, left].mean() >= _FRAME_FRACTION:
        left += 1
    while right - left > 8 and frame[top:bottom, right - 1].mean() >= _FRAME_FRACTION:
        right -= 1
    # The frame's own blur: one more coarse pixel where something was cut.
    top, left = top + (top > 0), left + (left > 0)
    bottom, right = bottom - (bottom < image.shape[0]), right - (right < image.shape[1])
    inner = np.zeros(image.shape, dtype=bool)
    inner[top:bottom, left:right] = True
    return inner


def film_edges(above: BoolArray, usable: BoolArray, pixel_mm: float) -> BoolArray:
    """Find bright strips along the border, and continue them behind the breast; bool, (h, w).

    A film's edge is seen where it lies against air; there its depth is measured, and the strip is taken
    to run on where the breast hides it. A tilt of the film is left to the margin at the border. `above` holds
    pixels as bright as tissue, which the haze beside a film's edge is not; `usable` is a rectangle.
    """
    strips = np.zeros(above.shape, dtype=bool)
    rows = np.flatnonzero(usable.any(axis=1))
    columns = np.flatnonzero(usable.any(axis=0))
    box = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
    field, out = above[box], strips[box]
    _strip(field, out, pixel_mm)
    _strip(field[::-1], out[::-1], pixel_mm)
    _strip(field.T, out.T, pixel_mm)
    _strip(field.T[::-1], out.T[::-1], pixel_mm)
    return strips


def _strip(above: BoolArray, out: BoolArray, pixel_mm: float) -> None:
    """Mark the strip along the first row, if there is one."""
    reach = round(_STRIP_MM / pixel_mm)
    if above.shape[0] <= 2 * reach:
        return
    depth = np.argmin(above[: reach + 1], axis=0)  # first dark pixel; 0 also where there is none
    depth[above[: reach + 1].all(axis=0)] = reach + 1
    beside = depth <= reach  # positions where the border meets air, not breast
    seen = beside & (depth > 0)
    if beside.sum() < 20 / pixel_mm or seen.sum() < _STRIP_FRACTION * beside.sum():
        return
    typical = float(np.median(depth[seen]))
    if np.percentile(np.abs(depth[seen] - typical), 70) > _STRIP_SPREAD_MM / pixel_mm:
        return
    out[: min(reach, round(typical + _STRIP_MARGIN_MM / pixel_mm))] = True
