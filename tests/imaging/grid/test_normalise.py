from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from bac_imaging.grid.normalise import CLIP, _without_metal, normalise


@pytest.fixture(scope="module")
def scene() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    rows, columns = np.ogrid[:900, :700]
    breast = ((rows - 450) / 420.0) ** 2 + (columns / 600.0) ** 2 < 1
    texture = ndimage.gaussian_filter(rng.normal(size=(900, 700)), 3.0)
    thickness = np.sqrt(np.maximum(0.0, 1 - ((rows - 450) / 420.0) ** 2 - (columns / 600.0) ** 2))
    # Texture of 0.05 log units on a breast of 3 log units, and an artery of 0.4 log units.
    texture *= 0.05 / texture.std()
    signal = (3.0 * thickness + texture).astype(np.float32)
    signal[440:446, 100:400] += 0.4
    return signal, ndimage.binary_erosion(breast, iterations=15, border_value=1)


def test_scale_and_offset_of_the_signal_do_not_matter(scene: tuple[np.ndarray, np.ndarray]) -> None:
    signal, breast = scene
    first = normalise(signal, breast)
    second = normalise((signal * 700.0 - 5000.0).astype(np.float32), breast)
    np.testing.assert_allclose(first, second, atol=0.02)


def test_tissue_has_zero_mean_and_unit_spread_and_calcium_stands_out(
    scene: tuple[np.ndarray, np.ndarray],
) -> None:
    signal, breast = scene
    result = normalise(signal, breast)
    inner = ndimage.binary_erosion(breast, iterations=60)
    inner[400:490] = False
    assert abs(result[inner].mean()) < 0.1
    assert result[inner].std() == pytest.approx(1.0, abs=0.2)
    assert np.median(result[441:445, 120:380]) > 3.0
    assert result.dtype == np.float32
    assert (result[~breast] == 0).all()
    assert result.min() >= CLIP[0]
    assert result.max() <= CLIP[1]


def test_what_lies_outside_the_breast_has_no_influence(scene: tuple[np.ndarray, np.ndarray]) -> None:
    signal, breast = scene
    other = np.where(breast, signal, np.float32(1e4))
    np.testing.assert_allclose(normalise(signal, breast), normalise(other, breast), atol=1e-3)


def test_a_metal_clip_does_not_dim_the_tissue_around_it(scene: tuple[np.ndarray, np.ndarray]) -> None:
    signal, breast = scene
    clipped = signal.copy()
    clipped[200:215, 300:315] = 60.0
    before, after = normalise(signal, breast), normalise(clipped, breast)
    beside = np.s_[230:260, 290:330]
    assert np.abs(after[beside]).mean() == pytest.approx(np.abs(before[beside]).mean(), rel=0.25)


def test_flat_and_empty_images_give_zeros() -> None:
    flat = np.full((100, 90), 7.0, dtype=np.float32)
    assert not normalise(flat, np.ones((100, 90), dtype=bool)).any()
    assert not normalise(flat, np.zeros((100, 90), dtype=bool)).any()


def test_rounding_on_a_flat_image_is_no_metal():
    """Most cells are equal to the last bit, so that anything is many times as high as the median cell."""
    weight = np.ones((80, 60), dtype=np.float32)
    level = np.zeros_like(weight)
    level[np.random.default_rng(2).random(level.shape) < 0.1] = 1e-7
    level[40:43, 30:33] = 1.0
    kept = _without_metal(level, weight)
    assert not kept[40:43, 30:33].any()
    assert np.count_nonzero(~kept) == 21  # the clip, and one cell around it
