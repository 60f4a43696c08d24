"""What a look hands on to the file: the pixels and how they are to be read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from bac_phantom.body.curves import FloatArray

Look = Literal["raw", "raw-log", "presentation", "film"]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Window:
    """A window of the VOI LUT module, in stored values."""

    centre: float
    width: float
    explanation: str


@dataclass(frozen=True)
class VoiTable:
    """An item of the VOI LUT Sequence.

    Attributes
    ----------
    first
        Stored value that the first entry belongs to.
    bits
        Bits of the entries.
    entries
        uint16, (n,), output for ``first``, ``first + 1``, ...
    explanation
        Name shown to the reader.
    """

    first: int
    bits: int
    entries: npt.NDArray[np.uint16] = field(repr=False)
    explanation: str


@dataclass(frozen=True)
class Stored:
    """Pixels as a file holds them, (rows, columns), and how they are to be read.

    Attributes
    ----------
    pixels
        uint16 or, for 8-bit film, uint8; (row, column).
    bits
        Bits that are used.
    inverted
        True: MONOCHROME1, the lowest value is white.
    kinds
        Names of ``config.HARD_NEGATIVES`` that the look drew.
    windows, voi_function, voi_tables
        What the header's VOI LUT module says; empty for raw images and film.
    padding
        Value of the pixels outside the breast, where the header declares one.
    covered
        bool, (row, column): where frames, film edges and labels lie over the breast, so that nothing is
        seen; None where there are none.
    """

    pixels: npt.NDArray[np.uint16] | npt.NDArray[np.uint8]
    bits: int
    inverted: bool
    kinds: tuple[str, ...] = ()
    windows: tuple[Window, ...] = ()
    voi_function: Literal["LINEAR", "SIGMOID"] = "LINEAR"
    voi_tables: tuple[VoiTable, ...] = ()
    padding: int | None = None
    covered: BoolArray | None = field(default=None, repr=False)


def attenuation(signal_dn: FloatArray) -> FloatArray:
    """Logarithm of the attenuation, up to a constant; float32."""
    return np.asarray(-np.log(np.maximum(signal_dn, 1.0)), dtype=np.float32)


def children(rng: np.random.Generator, count: int) -> list[np.random.Generator]:
    """Independent generators, one for each part of an image: leaving a part out changes no other."""
    return [np.random.default_rng(int(seed)) for seed in rng.integers(0, 2**63, size=count)]
