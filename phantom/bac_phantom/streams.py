"""Streams of chance: each part of an exam has its own, so that one draw more in a part changes no other."""

from __future__ import annotations

from typing import Literal

import numpy as np

Part = Literal["woman", "anatomy", "arteries", "header", "view"]

# A key never ends in 0: SeedSequence pads with zeros, so [7, 1] and [7, 1, 0] would be one stream.
_NUMBERS: dict[Part, int] = {"woman": 1, "anatomy": 2, "arteries": 3, "header": 4, "view": 5}


def stream(seed: int, part: Part, index: int) -> np.random.Generator:
    """Return the generator of a part of a woman's exam; `index` is her view or breast, 0 for herself."""
    return np.random.default_rng([seed, index, _NUMBERS[part]])
