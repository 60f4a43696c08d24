"""Scattered radiation, taken out of differences of log signal."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

DoubleArray = npt.NDArray[np.float64]

_MAX_SIGNAL = 3.0  # log signal of a solid mm of calcium; beyond it the scatter equation has no solution


def primary_signal(measured: DoubleArray, scatter_to_primary: float) -> DoubleArray:
    """Take the scattered radiation out of a log signal.

    Parameters
    ----------
    measured : ndarray of float64
        Log of background over vessel, or of one tissue over another, with scatter in both.
    scatter_to_primary : float
        Scattered over primary signal in the background.

    Returns
    -------
    ndarray of float64
        The same in primary radiation.
    """
    share = (1.0 + scatter_to_primary) * np.exp(-measured) - scatter_to_primary
    primary: DoubleArray = -np.log(np.maximum(share, np.exp(-_MAX_SIGNAL)))
    return primary
