"""Masks as packed bits: row by row, the first pixel in the high bit."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def pack_mask(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint8]:
    """Pack a mask of shape (rows, columns) into ceil(rows * columns / 8) bytes."""
    return np.packbits(mask.reshape(-1))


def unpack_mask(data: bytes, shape: tuple[int, int]) -> npt.NDArray[np.bool_]:
    """Unpack a mask of shape (rows, columns).

    Raises
    ------
    ValueError
        It has another length.
    """
    bits = np.frombuffer(data, np.uint8)
    if bits.size != -(-shape[0] * shape[1] // 8):
        raise ValueError(f"{bits.size} bytes hold no mask of shape {shape}")
    return np.unpackbits(bits, count=shape[0] * shape[1]).reshape(shape).view(np.bool_)
