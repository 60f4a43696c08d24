"""FOR PROCESSING pixels: linear in exposure, or its logarithm."""

from __future__ import annotations

import numpy as np

from bac_phantom.curves import FloatArray
from bac_phantom.looks.stored import Stored


def raw_linear(signal_dn: FloatArray) -> Stored:
    """FOR PROCESSING, linear: more exposure is a higher value, so white is the lowest (MONOCHROME1)."""
    return Stored(np.rint(signal_dn).astype(np.uint16), 14, True)


def raw_log(signal_dn: FloatArray) -> Stored:
    """FOR PROCESSING, logarithmic: 1000 values per e-fold of exposure, white is high (MONOCHROME2)."""
    top = np.log(16383.0)
    return Stored(np.rint((top - np.log(np.maximum(signal_dn, 1.0))) * 1000).astype(np.uint16), 14, False)
