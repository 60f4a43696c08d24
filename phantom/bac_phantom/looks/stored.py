"""What a look hands on to the file: the pixels and how they are to be read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from bac_phantom.curves import FloatArray

Look = Literal["raw", "raw-log", "presentation", "film"]


@dataclass(frozen=True)
class Stored:
    """Pixels as a file holds them, (rows, columns), and how they are to be read.

    Attributes
    ----------
    pixels
        uint16 or, for film, uint8; (row, column).
    bits
        Bits that are used.
    inverted
        True: MONOCHROME1, the lowest value is white.
    kinds
        Names of ``config.HARD_NEGATIVES`` that the look drew.
    """

    pixels: npt.NDArray[np.uint16] | npt.NDArray[np.uint8]
    bits: int
    inverted: bool
    kinds: tuple[str, ...] = ()


def attenuation(signal_dn: FloatArray) -> FloatArray:
    """Logarithm of the attenuation, up to a constant; float32."""
    return np.asarray(-np.log(np.maximum(signal_dn, 1.0)), dtype=np.float32)
