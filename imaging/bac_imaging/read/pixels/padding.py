"""Pixels that a header declares to be padding, and whether they can be."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from bac_imaging.read.attributes.header import Header
from bac_terms.notices import Notice

BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int32]

_EVERY = 4  # pixels looked at
_INSIDE_FRACTION = 0.005  # of the image: more padding than this that touches no border
_BESIDE_FRACTION = 0.001  # of the image: more values than this on both sides of the padding's
_WIDE_FRACTION = 0.05  # of the range of the other values: makers' ranges are below a hundredth


def read_padding(stored: IntArray, header: Header) -> tuple[BoolArray, tuple[Notice, ...]]:
    """Find the pixels that a header declares to be padding (PS3.3 C.7.5.1.1.2).

    Parameters
    ----------
    stored : numpy.ndarray
        int32, (rows, columns), stored values.
    header : Header
        Header of the image.

    Returns
    -------
    numpy.ndarray
        bool, (rows, columns), True on padding.
    tuple of Notice
        ``BAC-W-PADDING-DOUBTFUL`` where what is declared as padding looks like a part of the image: it lies
        inside, its values lie among the others, or they are many.
    """
    value = _number(header, "PixelPaddingValue")
    if value is None:
        return np.zeros(stored.shape, dtype=np.bool_), ()
    limit = _number(header, "PixelPaddingRangeLimit")
    low, high = sorted((value, value if limit is None else limit))
    padding = np.asarray((stored >= low) & (stored <= high))
    is_doubtful = _is_image(stored[::_EVERY, ::_EVERY], padding[::_EVERY, ::_EVERY])
    return padding, (Notice.of("BAC-W-PADDING-DOUBTFUL"),) if is_doubtful else ()


def _is_image(stored: IntArray, padding: BoolArray) -> bool:
    padded, others = stored[padding], stored[~padding]
    if padded.size <= _BESIDE_FRACTION * stored.size or not others.size:
        return False
    low, high = int(padded.min()), int(padded.max())
    beside = min((others < low).sum(), (others > high).sum())
    if beside > _BESIDE_FRACTION * stored.size or high - low > _WIDE_FRACTION * max(int(np.ptp(others)), 1):
        return True
    parts, count = ndimage.label(padding, np.ones((3, 3)))
    border = np.unique(np.concatenate([parts[0], parts[-1], parts[:, 0], parts[:, -1]]))
    sizes = np.bincount(parts.ravel(), minlength=count + 1)
    sizes[border] = 0
    sizes[0] = 0
    return bool(sizes.sum() > _INSIDE_FRACTION * stored.size)


def _number(header: Header, keyword: str) -> float | None:
    value = header.number(keyword)
    if value is None or not np.isfinite(value):
        return None
    # The tag's VR is ambiguous, and signed images are met with unsigned padding.
    is_signed = header.number("PixelRepresentation") == 1
    return value - 65536.0 if is_signed and value > 32767 else value
