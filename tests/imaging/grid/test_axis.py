"""Resampling along one axis, against sums over finely divided cells and NumPy's interpolation."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest

from bac_imaging.grid.axis import AREA, LINEAR, Axis, axis, reach
from bac_imaging.grid.working_grid import linear_strips, resample_area, resample_part, whole

SIZES = [(1, 1), (1, 5), (5, 1), (7, 4), (4, 7), (100, 33), (33, 100), (130, 16), (16, 130), (300, 17)]
FloatArray = npt.NDArray[np.float32]


def _values(*shape: int) -> FloatArray:
    return np.random.default_rng(sum(shape)).random(shape, dtype=np.float32)


def _mean(values: FloatArray, target: int) -> npt.NDArray[np.float64]:
    """Means of cells that are divided until both grids share all borders."""
    fine = math.lcm(len(values), target)
    divided = np.repeat(values.astype(np.float64), fine // len(values), axis=0)
    return np.asarray(divided.reshape(target, fine // target, -1).mean(axis=1))


def _interpolated(values: FloatArray, target: int) -> npt.NDArray[np.float64]:
    source = len(values)
    places = (np.arange(target) + 0.5) * source / target - 0.5
    return np.stack([np.interp(places, np.arange(source), column) for column in values.T], axis=1)


@pytest.mark.parametrize(("source", "target"), SIZES)
def test_both_kinds_along_both_axes(source: int, target: int) -> None:
    values = _values(source, 600)
    for kind, truth in ((AREA, _mean(values, target)), (LINEAR, _interpolated(values, target))):
        weights = axis(kind, source, target)
        np.testing.assert_allclose(weights.along_rows(values), truth, atol=1e-6)
        np.testing.assert_allclose(weights.along_columns(np.ascontiguousarray(values.T)), truth.T, atol=1e-6)


@pytest.mark.parametrize(("source", "target"), [(300, 80), (80, 300), (37, 37)])
def test_strips_are_the_rows_in_order(source: int, target: int) -> None:
    values = _values(source, 50)
    weights: Axis = axis(LINEAR, source, target)
    seen = [(rows, strip.copy()) for rows, strip in weights.strips(values)]
    assert [row for rows, _ in seen for row in range(target)[rows]] == list(range(target))
    np.testing.assert_allclose(
        np.concatenate([strip for _, strip in seen]), _interpolated(values, target), atol=1e-6
    )


@pytest.mark.parametrize("out_shape", [(30, 41), (205, 190)])
@pytest.mark.parametrize("kind", [AREA, LINEAR])
def test_a_part_is_a_part_of_the_whole(out_shape: tuple[int, int], kind: object) -> None:
    image = np.zeros((101, 90), dtype=np.float32)
    given = slice(8, 77), slice(16, 90)
    image[given] = _values(69, 74)
    wanted = slice(out_shape[0] // 5, out_shape[0] // 2), slice(out_shape[1] // 3, out_shape[1])
    used = AREA if kind is AREA else LINEAR
    truth = resample_part(used, image, image.shape, out_shape, whole(out_shape))[wanted]
    part = resample_part(used, image[given], image.shape, out_shape, wanted, given)
    np.testing.assert_allclose(part, truth, atol=1e-6)
    if used is AREA:
        windowed = resample_area(image, out_shape, wanted)
        np.testing.assert_allclose(windowed[wanted], truth, atol=1e-6)
        windowed[wanted] = 0
        assert not windowed.any()
    else:
        strips = [s.copy() for _, s in linear_strips(image[given], image.shape, out_shape, wanted, given)]
        np.testing.assert_allclose(np.concatenate(strips), truth, atol=1e-6)


def test_an_empty_window_is_empty() -> None:
    assert not resample_area(np.ones((5, 5)), (9, 9), (slice(3, 3), slice(0, 9))).any()
    assert whole((3, 4)) == (slice(0, 3), slice(0, 4))


def test_reach_ends_behind_the_last_cell_that_is_read() -> None:
    # Ten cells on four: the second covers 2.5 to 5 and the third 5 to 7.5.
    assert reach(AREA, 10, 4, (1, 3)) == (2, 8)
    # Centres of the second and third of eight lie at 0.25 and 0.75 of four.
    assert reach(LINEAR, 4, 8, (1, 3)) == (0, 2)
