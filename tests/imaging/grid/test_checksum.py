"""Check sums of tiles, by hand."""

import numpy as np

from bac_imaging.grid.checksum import PROBABILITY_STEPS, TILE_STEPS, segment_checksum, tile_sums
from bac_imaging.grid.normalise import CLIP
from bac_imaging.grid.tiles import TILE_PX


def test_steps_are_whole_and_rounded_down():
    tiles = np.array([[[[0.5, 0.0], [-0.001, 0.00195]]], [[[0.0, 0.0], [0.0, 12.0]]]], np.float32)
    # In steps of 1/512: 256 + 0 - 1 + 0, and 12 * 512.
    assert tile_sums(tiles, 512).tolist() == [255, 6144]


def test_sum_is_the_sum_of_python_integers():
    tiles = np.random.default_rng(2).normal(0, 3, (2, 1, 64, 64)).clip(*CLIP).astype(np.float32)
    expected = [sum(int(np.floor(float(v) * 512)) for v in tile.ravel()) for tile in tiles]
    assert tile_sums(tiles, 512).tolist() == expected


def test_the_fullest_tile_fits():
    pixels = TILE_PX * TILE_PX
    assert max(abs(limit) for limit in CLIP) * TILE_STEPS * pixels < 2**31
    assert 1 * PROBABILITY_STEPS * pixels < 2**31
    full = np.full((1, 1, TILE_PX, TILE_PX), max(CLIP), np.float32)
    assert segment_checksum(full, np.ones_like(full)).tolist() == [[12 * 512 * pixels, 4096 * pixels]]


def test_one_pixel_tells():
    tiles = np.zeros((1, 1, TILE_PX, TILE_PX), np.float32)
    tiles[0, 0, 511, 511] = 0.5
    assert tile_sums(tiles, PROBABILITY_STEPS).tolist() == [2048]


def test_what_is_no_number_is_the_lowest():
    tiles = np.zeros((3, 1, 2, 2), np.float32)
    tiles[0, 0, 0, 0], tiles[1, 0, 0, 0], tiles[2, 0, 0, 0] = np.nan, np.inf, 1e9
    assert tile_sums(tiles, 512).tolist() == [-(2**31)] * 3
