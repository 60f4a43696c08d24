from __future__ import annotations

import numpy as np
import pytest

from bac_imaging.grid.axis import LINEAR
from bac_imaging.grid.working_grid import (
    resample_area,
    resample_part,
    resample_valid,
    to_working,
    whole,
    working_shape,
    working_spacing,
)


def test_working_shape_keeps_row_and_column_spacing_apart() -> None:
    # 100 rows of 0.05 mm are 5 mm, 100 columns of 0.2 mm are 20 mm.
    assert working_shape((100, 100), (0.05, 0.2)) == (50, 200)


@pytest.mark.parametrize("spacing", [(0.0, 0.1), (0.1, -1.0), (float("nan"), 0.1), (0.1, float("inf"))])
def test_working_shape_refuses_impossible_spacing(spacing: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="spacing"):
        working_shape((10, 10), spacing)


@pytest.mark.parametrize("shape", [(64, 48), (117, 301), (1, 5)])
@pytest.mark.parametrize("spacing", [(0.05, 0.05), (0.0941, 0.0941), (0.07, 0.085), (0.2, 0.13)])
def test_area_resampling_conserves_mass(shape: tuple[int, int], spacing: tuple[float, float]) -> None:
    density = np.random.default_rng(1).random(shape).astype(np.float32)
    grid = working_shape(shape, spacing)
    row_mm, column_mm = working_spacing(shape, spacing, grid)
    before = density.sum(dtype=np.float64) * spacing[0] * spacing[1]
    after = resample_area(density, grid).sum(dtype=np.float64) * row_mm * column_mm
    assert after == pytest.approx(before, rel=1e-5)
    back = resample_area(resample_area(density, grid), shape).sum(dtype=np.float64) * spacing[0] * spacing[1]
    assert back == pytest.approx(before, rel=1e-5)


def test_area_resampling_averages_exact_overlaps() -> None:
    # Three cells onto two: each new cell is one old cell and half of the middle one.
    row = np.array([[0.0, 3.0, 9.0]], dtype=np.float32)
    np.testing.assert_allclose(resample_area(row, (1, 2)), [[1.0, 7.0]])


def test_a_feature_stays_where_it_is_in_millimetres() -> None:
    image = np.zeros((200, 100), dtype=np.float32)
    image[150:160, 20:25] = 1.0  # centre at 155 x 0.05 = 7.75 mm and 22.5 x 0.2 = 4.5 mm
    work = resample_area(image, working_shape(image.shape, (0.05, 0.2)))
    rows, columns = np.nonzero(work)
    assert (rows + 0.5).mean() * 0.1 == pytest.approx(7.75, abs=0.05)
    assert (columns + 0.5).mean() * 0.1 == pytest.approx(4.5, abs=0.05)


def test_linear_resampling_follows_a_ramp() -> None:
    ramp = np.linspace(0.5, 49.5, 50, dtype=np.float32)[None, :].repeat(4, axis=0)
    fine = resample_part(LINEAR, ramp, ramp.shape, (4, 100), whole((4, 100)))
    np.testing.assert_allclose(fine[0, 1:-1], (np.arange(100)[1:-1] + 0.5) / 2, atol=1e-4)
    one = resample_part(LINEAR, np.ones((1, 1)), (1, 1), (3, 4), whole((3, 4)))
    assert one.tolist() == np.ones((3, 4)).tolist()


def test_invalid_pixels_do_not_leak_into_their_neighbours() -> None:
    signal = np.full((10, 10), 2.0, dtype=np.float32)
    signal[:, 5:] = 1e6
    valid = np.ones((10, 10), dtype=bool)
    valid[:, 5:] = False
    work, good = resample_valid(signal, valid, (3, 3))
    assert work[:, :2] == pytest.approx(2.0)
    assert good.tolist() == [[True, True, False]] * 3
    assert np.isfinite(work).all()


def test_mask_goes_to_the_working_grid_by_majority() -> None:
    mask = np.array([[True, True, False, False], [False, False, False, True]])
    assert to_working(mask, (2, 2)).tolist() == [[True, False], [False, True]]
