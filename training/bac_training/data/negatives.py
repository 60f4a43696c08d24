"""Where false alarms arise: the places outside BAC that training has to look at more often than at others.

Chance would show the network mostly empty tissue. What is taken for a calcified artery is either very bright
(calcifications of other kinds, clips) or long, narrow and brighter than its sides: plain vessels, secretory
rods, scratches, fibres. The two sets overlap little, so each is drawn on its own.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

__all__ = ["away_from", "brightest", "lines"]

FloatArray = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]

_DISTANCE_PX = 15
_BRIGHT_PERCENTILE = 99.0
_LINE_PERCENTILE = 97.0
_LINE_SIGMAS = (1.0, 2.0, 4.0)  # pixels of 0.2 mm: scratches of 0.3 mm to veins of 3 mm
_LINE_LENGTH = 20  # pixels of 0.2 mm
_RIM = 5  # pixels of 0.2 mm: the step at the skin is no line


def away_from(bac: BoolArray, breast: BoolArray) -> BoolArray:
    """Return the breast without BAC and what is near it (bool, shape (h, w)).

    Near is 1.5 mm along rows and columns and 1.1 mm aslant: the steps are those of a cross.
    """
    if not bac.any():
        return breast.copy()
    return breast & ~ndimage.binary_dilation(bac, iterations=_DISTANCE_PX)


def brightest(normalised: FloatArray, allowed: BoolArray) -> BoolArray:
    """Return the brightest hundredth of the allowed pixels."""
    if not allowed.any():
        return allowed.copy()
    return allowed & (normalised >= np.percentile(normalised[allowed], _BRIGHT_PERCENTILE))


def lines(normalised: FloatArray, allowed: BoolArray) -> BoolArray:
    """Return the most pronounced bright lines that are 4 mm or longer, without a rim of 1 mm.

    The measure is that of ridge filters (Lindeberg 1998): the curvature across the line less that along it,
    at the best of three scales. It is taken at half resolution, which costs a quarter and loses no vessel.
    The pixels of `normalised` are 0.1 mm.
    """
    found = np.zeros(allowed.shape, dtype=np.bool_)
    rows, columns = (n // 2 for n in allowed.shape)
    if not (rows and columns):
        return found
    whole = (slice(2 * rows), slice(2 * columns))
    coarse = normalised[whole].reshape(rows, 2, columns, 2).mean(axis=(1, 3))
    inside = allowed[whole].reshape(rows, 2, columns, 2).all(axis=(1, 3))
    inside = ndimage.binary_erosion(inside, iterations=_RIM)
    if not inside.any():
        return found
    strength = _ridge(coarse)
    strong = inside & (strength >= np.percentile(strength[inside], _LINE_PERCENTILE)) & (strength > 0)
    labels, _ = ndimage.label(strong, np.ones((3, 3)))
    long = [np.hypot(*(part.stop - part.start for part in box)) for box in ndimage.find_objects(labels)]
    kept = np.array([False, *(length >= _LINE_LENGTH for length in long)])[labels]
    found[whole] = kept.repeat(2, axis=0).repeat(2, axis=1)
    return found


def _ridge(image: FloatArray) -> FloatArray:
    best = np.zeros_like(image)
    for sigma in _LINE_SIGMAS:
        rr, cc, rc = (
            ndimage.gaussian_filter(image, sigma, order=order, mode="nearest", truncate=3.0)
            for order in ((2, 0), (0, 2), (1, 1))
        )
        middle, spread = (rr + cc) / 2, np.hypot((rr - cc) / 2, rc)
        # The eigenvalues of the Hessian are middle -+ spread; the scale's square makes scales comparable.
        np.maximum(best, sigma**2 * (spread - middle - np.abs(middle + spread)), out=best)
    return best
