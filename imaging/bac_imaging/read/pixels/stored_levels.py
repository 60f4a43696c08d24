"""The values that an image stores, and how often each occurs.

A look-up table, a logarithm or a window makes the same of every pixel of one value, and there are at most
65,536 values for millions of pixels: each is worked out once, and then looked up.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int32]
_Scalar = TypeVar("_Scalar", bound=np.generic)

_STRIP = 64  # rows at a time, so that what is made of them in between stays in the cache


@dataclass(frozen=True)
class StoredLevels:
    """Levels of one image.

    Attributes
    ----------
    values : ndarray of int32, shape (n,)
        All whole numbers from the lowest stored value, or 0 if that is lower, to the highest.
    counts : ndarray of int64, shape (n,)
        Pixels of each value, without padding.
    """

    values: IntArray
    counts: npt.NDArray[np.int64]

    @classmethod
    def of(cls, stored: IntArray, padding: BoolArray) -> StoredLevels:
        """Count the values of an image, (rows, columns), that is not padding."""
        first, last = min(0, int(stored.min())), int(stored.max())
        counts = np.zeros(last - first + 1, dtype=np.int64)
        has_padding = padding.any()
        for rows in _strips(len(stored)):
            strip = stored[rows][~padding[rows]] if has_padding else stored[rows].reshape(-1)
            part = np.bincount(strip - first if first else strip)
            counts[: part.size] += part
        return cls(np.arange(first, last + 1, dtype=np.int32), counts)

    @property
    def seen(self) -> BoolArray:
        """Which values occur outside padding, bool, shape (n,)."""
        return self.counts > 0

    def image(self, table: npt.NDArray[_Scalar], stored: IntArray) -> npt.NDArray[_Scalar]:
        """Look each stored value, (rows, columns), up in what was made of `values`, shape (n,)."""
        first = int(self.values[0])
        image = np.empty(stored.shape, dtype=table.dtype)
        for rows in _strips(len(stored)):
            places = stored[rows] - first if first else stored[rows]
            np.take(table, places, out=image[rows], mode="clip")  # without a copy to check the places in
        return image


def _strips(rows: int) -> list[slice]:
    return [slice(first, first + _STRIP) for first in range(0, rows, _STRIP)]
