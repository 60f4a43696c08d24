"""Masks grown and shrunk by small discs, as shifted rows."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

BoolArray = npt.NDArray[np.bool_]


def dilate_cross(mask: BoolArray, steps: int) -> BoolArray:
    """Grow a mask by a cross of 3 x 3 pixels, several times: by a diamond of this radius."""
    return _dilate(mask, [steps - abs(row) for row in range(-steps, steps + 1)])


def dilate_octagon(mask: BoolArray, crosses: int, squares: int) -> BoolArray:
    """Grow a mask by a cross of 3 x 3 pixels, then by a full square, each several times.

    Both together are an octagon, whose rows are taken one by one: the mask grown along its rows by half of
    the octagon's width there, and shifted. Iterated growth visits every pixel of the border at every step.
    """
    reach = crosses + squares
    return _dilate(mask, [reach - max(0, abs(row) - squares) for row in range(-reach, reach + 1)])


def erode_octagon(mask: BoolArray, crosses: int, squares: int) -> BoolArray:
    """Shrink a mask by the octagon of `dilate_octagon`; beyond its border nothing is in it."""
    reach = crosses + squares
    outside = dilate_octagon(np.pad(~mask, reach, constant_values=True), crosses, squares)
    return np.asarray(~outside[reach : outside.shape[0] - reach, reach : outside.shape[1] - reach])


def _dilate(mask: BoolArray, half_widths: list[int]) -> BoolArray:
    """Grow a mask by a symmetric shape, widest in its middle row, given by half of each row's width."""
    rows, columns = mask.shape
    reach = len(half_widths) // 2
    grown = np.zeros((rows + 2 * reach, columns), dtype=bool)
    widest = max(half_widths)
    wide = np.zeros((rows, columns + 2 * widest), dtype=bool)
    wide[:, widest : widest + columns] = mask
    width = 0
    for row in range(reach + 1):
        while width < half_widths[row]:
            previous = wide.copy()
            wide[:, 1:] |= previous[:, :-1]
            wide[:, :-1] |= previous[:, 1:]
            width += 1
        inside = wide[:, widest : widest + columns]
        for shift in {row, 2 * reach - row}:
            grown[shift : shift + rows] |= inside
    return grown[reach : reach + rows]
