from __future__ import annotations

import numpy as np
import pytest

from bac_imaging.grid.tiles import MAX_TILES, TILE_PX, TILE_STRIDE_PX, cut_tiles, plan_tiles, stitch_tiles
from bac_terms.errors import RefusedError


def _breast(shape: tuple[int, int], box: tuple[slice, slice]) -> np.ndarray:
    breast = np.zeros(shape, dtype=bool)
    breast[box] = True
    return breast


@pytest.mark.parametrize(
    ("shape", "box"),
    [
        ((2400, 1900), (slice(100, 2300), slice(0, 1300))),
        ((301, 1777), (slice(0, 301), slice(900, 1777))),
        ((512, 512), (slice(0, 512), slice(0, 512))),
        ((40, 33), (slice(3, 30), slice(0, 33))),
        ((513, 1100), (slice(0, 513), slice(0, 1100))),
    ],
)
def test_stitching_what_was_cut_gives_it_back(shape: tuple[int, int], box: tuple[slice, slice]) -> None:
    breast = _breast(shape, box)
    image = np.random.default_rng(2).normal(size=shape).astype(np.float32)
    tiles, origins = cut_tiles(image, breast)
    assert tiles.shape[1:] == (1, TILE_PX, TILE_PX)
    assert tiles.dtype == np.float32
    again = stitch_tiles(tiles, origins, shape)
    np.testing.assert_allclose(again[breast], image[breast], atol=1e-5)


def test_tiles_overlap_and_stay_in_the_image() -> None:
    origins = plan_tiles(_breast((3000, 2400), (slice(200, 2900), slice(1000, 2400))))
    assert (origins >= 0).all()
    assert (origins[:, 0] + TILE_PX).max() <= 3000
    assert (origins[:, 1] + TILE_PX).max() <= 2400
    for axis in (0, 1):
        steps = np.diff(np.unique(origins[:, axis]))
        assert (steps <= TILE_STRIDE_PX + 1).all()


def test_tiles_without_breast_are_left_out() -> None:
    breast = _breast((3000, 2400), (slice(0, 2500), slice(0, 300)))
    breast[0:300, 0:1800] = True
    origins = plan_tiles(breast)
    assert all(breast[r : r + TILE_PX, c : c + TILE_PX].any() for r, c in origins)
    assert len(origins) < 6 * 4


def test_one_speck_of_breast_gets_one_tile() -> None:
    assert plan_tiles(_breast((2000, 2000), (slice(1000, 1001), slice(5, 6)))).shape == (1, 2)


def test_largest_films_fit_and_larger_ones_are_refused() -> None:
    whole = np.ones((4300, 3500), dtype=bool)  # 43 cm x 35 cm, the largest film there is, all breast
    with pytest.raises(RefusedError) as refused:
        plan_tiles(np.ones((5000, 5000), dtype=bool))
    assert refused.value.code == "BAC-DIMENSIONS"
    assert len(plan_tiles(whole)) <= MAX_TILES


def test_no_breast_is_refused() -> None:
    with pytest.raises(RefusedError) as refused:
        plan_tiles(np.zeros((600, 600), dtype=bool))
    assert refused.value.code == "BAC-BREAST-NOT-FOUND"


def test_stitch_checks_what_it_is_given() -> None:
    with pytest.raises(ValueError, match="origins"):
        stitch_tiles(np.zeros((2, 1, TILE_PX, TILE_PX), np.float32), np.zeros((1, 2), np.int32), (600, 600))


def test_overlapping_answers_are_blended_by_how_much_each_tile_sees() -> None:
    origins = np.array([[0, 0], [0, 448], [300, 100]], dtype=np.int32)
    tiles = np.random.default_rng(6).random((3, 1, TILE_PX, TILE_PX)).astype(np.float32)
    found = stitch_tiles(tiles, origins, (700, 900))
    ramp = np.maximum(np.sin(np.pi * (np.arange(TILE_PX) + 0.5) / TILE_PX) ** 2, 1e-3)
    total, weight = np.zeros((900, 1000)), np.zeros((900, 1000))
    for tile, (row, column) in zip(tiles, origins, strict=True):
        place = np.s_[row : row + TILE_PX, column : column + TILE_PX]
        total[place] += np.outer(ramp, ramp) * tile[0]
        weight[place] += np.outer(ramp, ramp)
    expected = np.divide(total, weight, out=np.zeros_like(total), where=weight > 0)[:700, :900]
    np.testing.assert_allclose(found, expected, atol=1e-6)
