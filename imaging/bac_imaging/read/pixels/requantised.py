"""Whether pixel values were stretched or coarsened after they left the detector.

Converters map the range of an image onto that of its type, or make bytes of it and bytes into words again,
and keep the header. The header then still calls FOR PROCESSING what has lost its zero of exposure.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

_FEW_LEVELS = 256  # as many as a byte has
_PIXELS_A_LEVEL = 20  # so many that no level beside it is empty by chance
_LEAST_PAIRS = 64
_UNEVEN = 0.03  # of the distances between levels


def is_requantised(counts: npt.NDArray[np.int64]) -> bool:
    """Tell whether values have the traces of a change of scale that may have moved their zero.

    Parameters
    ----------
    counts : numpy.ndarray
        int64, (n,): pixels of each stored value of a FOR PROCESSING image, in order, without padding.

    Returns
    -------
    bool
        True where there are no more levels than a byte has, though their range is larger, or where levels are
        missing at uneven distances. Values in even steps were shifted by whole bits, which leaves 0 in place.
    """
    used = np.flatnonzero(counts)
    if 2 < used.size <= _FEW_LEVELS < used[-1] - used[0] + 1:
        return True
    full = counts[used] >= _PIXELS_A_LEVEL
    distances = np.diff(used)[full[1:] & full[:-1]]
    if distances.size < _LEAST_PAIRS:
        return False
    step = int(np.bincount(distances).argmax())
    return float(np.mean(distances != step)) > _UNEVEN
