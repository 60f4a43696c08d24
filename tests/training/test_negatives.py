from __future__ import annotations

import numpy as np
from scipy import ndimage
from skimage.filters import sato

from bac_training.data.negatives import _ridge, away_from, brightest, lines

SHAPE = (400, 300)
ROW, COLUMN = np.mgrid[: SHAPE[0], : SHAPE[1]]
BREAST = np.hypot(ROW - 200, COLUMN) < 180
VESSEL = (abs(COLUMN - 80) < 5) & (abs(ROW - 200) < 70)
CLIP = np.hypot(ROW - 200, COLUMN - 140) < 6


def made() -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    """Tissue with noise, a vessel of 1 mm at 2 SD, and a round clip at 12 SD."""
    noise = np.random.default_rng(0).normal(size=SHAPE)
    return np.where(BREAST, noise + 2 * VESSEL + 12 * CLIP, 0).astype(np.float32)


def test_lines_are_plain_vessels_and_the_brightest_are_clips() -> None:
    image = made()
    bright, found = brightest(image, BREAST), lines(image, BREAST)
    assert bright[CLIP].mean() > 0.9
    assert bright.sum() == np.ceil(0.01 * BREAST.sum())
    near = ndimage.binary_dilation(VESSEL, iterations=4)
    assert found[near].sum() > 0.8 * found.sum()
    assert found[VESSEL].mean() > 0.3
    assert not found[CLIP].any()


def test_nothing_is_found_near_bac() -> None:
    allowed = away_from(VESSEL, BREAST)
    distance = ndimage.distance_transform_cdt(~VESSEL, "taxicab")
    np.testing.assert_array_equal(allowed, BREAST & (distance > 15))
    assert not lines(made(), allowed)[~allowed].any()


def test_an_image_without_room_has_none() -> None:
    for shape in ((1, 1), (30, 30)):
        nothing = np.zeros(shape, dtype=np.bool_)
        assert not lines(np.zeros(shape, dtype=np.float32), nothing).any()
        assert not brightest(np.zeros(shape, dtype=np.float32), nothing).any()


def test_ridges_lie_where_an_independent_filter_has_them() -> None:
    image = ndimage.gaussian_filter(VESSEL[::2, ::2].astype(np.float32), 1)
    ours, theirs = _ridge(image), sato(image, sigmas=(1, 2, 4), black_ridges=False)
    middle = slice(80, 120)
    np.testing.assert_array_equal(ours[middle].argmax(axis=1), theirs[middle].argmax(axis=1))
    # Sato's filter is the curvature across alone: the same where nothing curves along.
    np.testing.assert_allclose(ours[100, 40], theirs[100, 40], rtol=0.1)
