"""Masks grown and shrunk as shifted rows, held against SciPy's iterated morphology."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from bac_imaging.vessels.discs import dilate_cross, dilate_octagon, erode_octagon

SQUARE = np.ones((3, 3))


@pytest.mark.parametrize(("crosses", "squares"), [(1, 0), (0, 1), (2, 1), (7, 3), (0, 0)])
@pytest.mark.parametrize("shape", [(1, 1), (3, 40), (33, 29)])
def test_octagons_are_those_of_iterated_steps(shape: tuple[int, int], crosses: int, squares: int) -> None:
    for share in (0.02, 0.3, 0.9):
        mask = np.random.default_rng(3).random(shape) < share
        grown, shrunk = mask, np.pad(mask, 1)
        if crosses:
            grown = ndimage.binary_dilation(grown, iterations=crosses)
            shrunk = ndimage.binary_erosion(shrunk, iterations=crosses)
        if squares:
            grown = ndimage.binary_dilation(grown, SQUARE, iterations=squares)
            shrunk = ndimage.binary_erosion(shrunk, SQUARE, iterations=squares)
        assert np.array_equal(dilate_octagon(mask, crosses, squares), grown)
        assert np.array_equal(erode_octagon(mask, crosses, squares), shrunk[1:-1, 1:-1])


@pytest.mark.parametrize("steps", [1, 2, 8])
def test_a_cross_makes_a_diamond(steps: int) -> None:
    mask = np.zeros((21, 25), dtype=bool)
    mask[10, 12] = True
    y, x = np.ogrid[:21, :25]
    assert np.array_equal(dilate_cross(mask, steps), abs(y - 10) + abs(x - 12) <= steps)
