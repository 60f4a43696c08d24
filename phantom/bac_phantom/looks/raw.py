"""FOR PROCESSING pixels: linear in exposure, or its logarithm."""

from __future__ import annotations

import numpy as np

from bac_phantom.body.curves import FloatArray
from bac_phantom.looks.stored import Stored

# Stored values per e-fold of exposure. 434: 1000 a decade; 445 and 1779: four decades over 12 and 14 bits, as
# storage phosphor readers record; 1000: thousandths of the natural logarithm.
LOG_SLOPES = (434.0, 445.0, 1000.0, 1779.0)


def raw_linear(signal_dn: FloatArray) -> Stored:
    """FOR PROCESSING, linear: more exposure is a higher value, so white is the lowest (MONOCHROME1)."""
    return Stored(np.rint(signal_dn).astype(np.uint16), 14, True)


def raw_log(signal_dn: FloatArray, per_e_fold: float = 1000.0) -> Stored:
    """FOR PROCESSING, logarithmic, white is high (MONOCHROME2).

    ``per_e_fold`` is the number of stored values per e-fold of exposure: see ``LOG_SLOPES``. The image has 12
    bits where they hold four decades below the detector's highest value, else 14; what is less exposed clips.
    """
    bits = 12 if per_e_fold * np.log(1e4) <= 4100 else 14
    pixels = np.rint((np.log(16383.0) - np.log(np.maximum(signal_dn, 1.0))) * per_e_fold)
    return Stored(np.minimum(pixels, 2**bits - 1).astype(np.uint16), bits, False)
