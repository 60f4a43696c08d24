"""How large an image the server can take through the /dev/shm that there is.

Triton and each Python model pass tensors through a region of shared memory of their own. It begins with one
step of growth and becomes larger by whole steps whenever a tensor finds no room; it never shrinks.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

MIB = 2**20
GROWTH_BYTES = 64 * MIB
"""What a region grows by, as the server is told."""
_START_BYTES = GROWTH_BYTES + MIB
_MOST_PIXELS = 64 * 10**6
# A field of 24 cm x 30 cm, the largest of digital mammography, on the working grid of 0.1 mm: its signal in
# float32, and the tiles of 512 x 512 pixels, at most 448 apart, that cover it.
_SIGNAL_BYTES = 4 * 2400 * 3000
_TILES_BYTES = 42 * 4 * 512 * 512
_CONTEXT_BYTES = MIB


def needed_bytes(pixels: int, file_bytes: int | None = None) -> int:
    """Return how much shared memory one image takes, in all three models together.

    From a server that has just been started, of a field of at most 24 cm x 30 cm. A file of unknown size is
    taken to have two bytes a pixel.
    """
    file = 2 * pixels if file_bytes is None else file_bytes
    mask, density = math.ceil(pixels / 8), 4 * pixels
    models = (
        (file, _TILES_BYTES, _SIGNAL_BYTES, _CONTEXT_BYTES),
        (_TILES_BYTES, _TILES_BYTES),
        (_TILES_BYTES, _SIGNAL_BYTES, _CONTEXT_BYTES, mask, density),
    )
    return sum(_grown(tensors) for tensors in models)


def largest_image(free_bytes: int) -> int:
    """Return how many pixels the largest image has that fits into what is free before the server is started.

    In whole millions, 64 at most, which no image may exceed; 0 where none fits.
    """
    fitting = (pixels for pixels in range(_MOST_PIXELS, 0, -(10**6)) if needed_bytes(pixels) <= free_bytes)
    return next(fitting, 0)


def _grown(tensors: Sequence[int]) -> int:
    size, used = _START_BYTES, 0
    for tensor in tensors:
        if used + tensor > size:
            size += math.ceil(tensor / GROWTH_BYTES) * GROWTH_BYTES
        used += tensor
    return size
