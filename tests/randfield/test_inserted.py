"""Arteries of the random-field phantom in display images."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from bac_backgrounds.insert import draw_at_left
from bac_randfield.inserted import draw_arteries

MM = 0.2


@pytest.fixture
def breast() -> npt.NDArray[np.bool_]:
    row, column = np.mgrid[:600, :420]
    return np.asarray(((row - 300) / 270) ** 2 + (column / 380) ** 2 < 1)


def test_calcium_brightens_what_is_marked_and_air_stays_as_it_is(breast: npt.NDArray[np.bool_]) -> None:
    before = np.where(breast, 0.4, 0.0).astype(np.float32)
    made = draw_arteries(before, breast, MM, 20.0, np.random.default_rng(1))
    assert made is not None
    added = made.brightness - before
    assert made.mask.any()
    assert not made.mask[~breast].any()
    assert not added[~breast].any()
    assert added[made.mask].mean() > 20 * added[breast & ~made.mask].mean()
    assert made.brightness.max() <= 1
    # `lay_arteries` scales what the arteries hold by no more than 0.4 to 1.6.
    assert made.calcium_mass_mg > 1


def test_a_breast_at_the_right_border_gets_the_mirror_image(breast: npt.NDArray[np.bool_]) -> None:
    before = np.where(breast, 0.4, 0.0).astype(np.float32)
    left = draw_at_left(before, breast, MM, 20.0, np.random.default_rng(2), draw_arteries)
    right = draw_at_left(before[:, ::-1], breast[:, ::-1], MM, 20.0, np.random.default_rng(2), draw_arteries)
    assert left is not None
    assert right is not None
    assert np.array_equal(left.mask, right.mask[:, ::-1])
    assert np.array_equal(left.brightness, right.brightness[:, ::-1])


def test_near_white_nothing_is_clipped(breast: npt.NDArray[np.bool_]) -> None:
    before = np.where(breast, 0.97, 0.0).astype(np.float32)
    made = draw_arteries(before, breast, MM, 60.0, np.random.default_rng(3))
    assert made is not None
    assert before[made.mask].max() < made.brightness[made.mask].max() <= 1


def test_no_room_is_no_artery() -> None:
    small = np.zeros((60, 60), dtype=bool)
    small[20:40, :20] = True  # 4 mm
    image = small.astype(np.float32) * 0.4
    assert draw_arteries(image, small, MM, 10.0, np.random.default_rng(0)) is None
    assert draw_arteries(image, np.zeros_like(small), MM, 10.0, np.random.default_rng(0)) is None
