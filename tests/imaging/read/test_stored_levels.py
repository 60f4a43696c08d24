"""Stored values counted and looked up, against NumPy on every pixel."""

from __future__ import annotations

import numpy as np
import pytest

from bac_imaging.read.pixels.stored_levels import StoredLevels


@pytest.mark.parametrize(("low", "high"), [(0, 65536), (100, 200), (-2048, 2048), (-40, -30), (7, 8)])
@pytest.mark.parametrize("padded", [False, True])
def test_levels_are_those_of_the_pixels(low: int, high: int, padded: bool) -> None:
    stored = np.random.default_rng(1).integers(low, high, (150, 83)).astype(np.int32)
    padding = np.asarray(stored < low + (high - low) // 3) if padded else np.zeros(stored.shape, dtype=bool)
    levels = StoredLevels.of(stored, padding)
    values, counts = np.unique(stored[~padding], return_counts=True)
    assert levels.values[levels.seen].tolist() == values.tolist()
    assert levels.counts[levels.seen].tolist() == counts.tolist()
    table = (levels.values.astype(np.float32) * 0.25) - 3
    assert np.array_equal(levels.image(table, stored), stored.astype(np.float32) * 0.25 - 3)


def test_an_image_of_padding_alone_has_no_levels() -> None:
    stored = np.full((5, 4), 9, dtype=np.int32)
    assert not StoredLevels.of(stored, np.ones(stored.shape, dtype=bool)).seen.any()
