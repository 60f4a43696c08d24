"""Which pixels of a mask belong to which of the vessels that the result lists."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from bacctl.results import ImageResult

Labels = npt.NDArray[np.uint16]
_EIGHT = np.ones((3, 3), dtype=bool)
Box = tuple[int, int, int, int]


def places_of(labels: Labels) -> dict[int, tuple[slice, slice]]:
    """Return the numbers that pixels have, the lowest first, each with the rows and columns it lies in."""
    found = ndimage.find_objects(labels.astype(np.int32))
    return {number: place for number, place in enumerate(found, 1) if place is not None}


def number_vessels(image: ImageResult) -> Labels:
    """Give each pixel of a mask the number of its vessel.

    The result says of each vessel where it lies and how large it is. A vessel may be of several pieces, since
    gaps are bridged, and two may touch.

    Parameters
    ----------
    image : ImageResult
        With its mask.

    Returns
    -------
    ndarray of uint16, shape (rows, columns)
        From 1, in the order of ``image.vessels``; 0 exactly outside of the mask. What fits no vessel
        has the number after the last.
    """
    mask = image.mask
    if mask is None:
        raise ValueError("no mask")
    labels = np.zeros(mask.shape, dtype=np.uint16)
    boxes = [vessel.bbox_px for vessel in image.vessels]
    missing = _expected_pixels(image)
    pieces, _ = ndimage.label(mask, _EIGHT)
    found = ndimage.find_objects(pieces)
    own = [pieces[place] == number for number, place in enumerate(found, 1)]
    # The largest first: where several vessels could own a piece, it goes to the one that lacks most.
    for index in sorted(range(len(found)), key=lambda index: -int(own[index].sum())):
        place, inside = found[index], own[index]
        fitting = [number for number, box in enumerate(boxes) if _holds(box, place)]
        if fitting:
            number = max(fitting, key=lambda number: missing[number])
            missing[number] -= int(inside.sum())
            labels[place][inside] = number + 1
        else:
            _share(labels, place, inside, boxes)
    return labels


def _expected_pixels(image: ImageResult) -> list[float]:
    spacing, by = image.pixel_spacing_mm, image.magnification or 1.0
    if spacing is None:
        return [0.0] * len(image.vessels)
    return [vessel.area_mm2 * by**2 / (spacing[0] * spacing[1]) for vessel in image.vessels]


def _holds(box: Box, place: tuple[slice, slice]) -> bool:
    rows, columns = place
    return bool(
        box[0] <= rows.start and rows.stop <= box[2] and box[1] <= columns.start and columns.stop <= box[3]
    )


def _share(
    labels: Labels, place: tuple[slice, slice], inside: npt.NDArray[np.bool_], boxes: Sequence[Box]
) -> None:
    """Divide a piece of several vessels: what one box alone holds is sure, the rest goes to the nearest."""
    top, left = place[0].start, place[1].start
    rows, columns = np.indices(inside.shape)
    rows, columns = rows + top, columns + left
    holding = [
        inside & (rows >= box[0]) & (rows < box[2]) & (columns >= box[1]) & (columns < box[3])
        for box in boxes
    ]
    times = np.sum(holding, axis=0) if holding else np.zeros(inside.shape, int)
    sure = np.zeros(inside.shape, np.uint16)
    for number, held in enumerate(holding, 1):
        sure[held & (times == 1)] = number
    sure[inside & (times == 0)] = len(boxes) + 1
    if not sure.any():
        sure[inside] = 1 + next(number for number, held in enumerate(holding) if held.any())
    nearest = ndimage.distance_transform_edt(sure == 0, return_distances=False, return_indices=True)
    labels[place][inside] = sure[tuple(nearest)][inside]
