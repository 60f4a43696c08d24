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
    """An item of the VOI LUT Sequence."""

    first: int  # stored value that the first entry belongs to
    bits: int  # bits of the entries
    entries: npt.NDArray[np.uint16] = field(repr=False)  # (n,): output for ``first``, ``first + 1``, ...
    explanation: str  # name shown to the reader


@dataclass(frozen=True)
class Stored:
    """Pixels as a file holds them, (rows, columns), and how they are to be read."""

    pixels: npt.NDArray[np.uint16] | npt.NDArray[np.uint8]  # uint16 or, for 8-bit film, uint8; (row, column)
    bits: int  # bits that are used
    inverted: bool  # True: MONOCHROME1, the lowest value is white
    kinds: tuple[str, ...] = ()  # names of ``config.HARD_NEGATIVES`` that the look drew
    # what the header's VOI LUT module says; empty for raw images and film
    windows: tuple[Window, ...] = ()
    voi_function: Literal["LINEAR", "SIGMOID"] = "LINEAR"
    voi_tables: tuple[VoiTable, ...] = ()
    padding: int | None = None  # value of the pixels outside the breast, where the header declares one
    # bool, (row, column): where frames, film edges and labels lie over the breast, so that nothing is seen;
    # None where there are none
    covered: BoolArray | None = field(default=None, repr=False)


def attenuation(signal_dn: FloatArray) -> FloatArray:
    """Logarithm of the attenuation, up to a constant; float32."""
    return np.asarray(-np.log(np.maximum(signal_dn, 1.0)), dtype=np.float32)


def children(rng: np.random.Generator, count: int) -> list[np.random.Generator]:
    """Independent generators, one for each part of an image: leaving a part out changes no other."""
    return [np.random.default_rng(int(seed)) for seed in rng.integers(0, 2**63, size=count)]
