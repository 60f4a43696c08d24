"""Scatter and blur undone: the primary radiation that a perfect detector would have seen."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from bac_imaging.mass.blur import Blur, sharpen
from bac_imaging.mass.calibration import Calibration
from bac_imaging.mass.primary import primary_signal
from bac_imaging.mass.scatter import scattered, without_scatter

SHAPE = (160, 120)  # of 1 mm
SPACING = (1.0, 1.0)


def _breast() -> np.ndarray:
    """Half a disc of 7 cm on the left border, kept 2 mm off it as the breast mask is."""
    y, x = np.ogrid[: SHAPE[0], : SHAPE[1]]
    breast = (y - 80) ** 2 + x**2 < 70**2
    breast[:, :2] = False
    return breast


@pytest.mark.parametrize("ratio", [0.05, 0.15, 0.6, 1.1])
@pytest.mark.parametrize("spread_mm", [12.0, 20.0])
def test_scatter_of_a_breast_with_dense_parts_is_found(ratio: float, spread_mm: float) -> None:
    y, x = np.ogrid[: SHAPE[0], : SHAPE[1]]
    inside = (y - 80) ** 2 + x**2 < 70**2
    dense = (y - 80) ** 2 + (x - 30) ** 2 < 15**2
    primary = np.where(dense, 0.5, 1.0)
    # The chest wall goes on beyond the border: mirrored there, air elsewhere.
    source = np.concatenate([np.fliplr(primary * inside), primary * inside], axis=1)
    scatter = ratio * ndimage.gaussian_filter(source, spread_mm)[:, SHAPE[1] :]
    exposure = np.where(inside, primary + scatter, 30.0).astype(np.float32)
    found = scattered(exposure, _breast(), ratio, SPACING)
    middle = (y - 80) ** 2 + (x - 10) ** 2 < 40**2
    # The kernel's width is not known to the method: it takes 15 mm.
    assert found[middle] == pytest.approx(scatter[middle], rel=0.2)
    # A ratio that is the same everywhere is further off where little primary arrives.
    everywhere = exposure * ratio / (1.0 + ratio)
    assert abs(found[80, 30] - scatter[80, 30]) < 0.8 * abs(everywhere[80, 30] - scatter[80, 30])


def test_an_even_breast_has_the_ratio_in_its_middle() -> None:
    exposure = np.full(SHAPE, 1.3, dtype=np.float32)
    found = scattered(exposure, _breast(), 0.3, SPACING)
    assert found[80, 20] == pytest.approx(0.3, rel=0.02)
    np.testing.assert_allclose(without_scatter(exposure, found)[80, 20], 1.0, rtol=0.01)


@pytest.mark.parametrize("diameter_mm", [50.0, 80.0, 120.0])
def test_scatter_grows_with_the_field_as_was_measured(diameter_mm: float) -> None:
    """Boone et al. (2000): 1 / (-2.354 + 22.40 D^-1.5 + 8.851 T^-0.5) in the middle of a disc, D and T in cm.

    At 5 cm the ratio is 0.28, 0.39 and 0.47 for discs of 5, 8 and 12 cm, and 0.53 for 19.3 cm. The method's
    kernel is Gaussian and takes the ratio of a whole breast: for smaller fields it finds up to 0.17 too much.
    """

    def measured(diameter: float) -> float:
        return float(1.0 / (-2.35452817 + 22.3960980 * (diameter / 10.0) ** -1.5 + 8.85064260 * 5.0**-0.5))

    y, x = np.ogrid[:200, :200]
    disc = np.hypot(y - 99.5, x - 99.5) < diameter_mm / 2.0
    whole = measured(193.0)
    assert whole == pytest.approx(0.535, abs=0.002)
    found = scattered(np.where(disc, 1.0, 0.0).astype(np.float32), disc, whole, SPACING)[100, 100]
    ratio = found / (1.0 - found)
    assert measured(diameter_mm) - 0.02 < ratio < measured(diameter_mm) + 0.18


def test_a_thin_rim_lets_much_through_and_scatters_little() -> None:
    # A breast of fat, 5.5 cm thick, round at its edge: exp(3) times as much light there as in the middle.
    y, x = np.ogrid[: SHAPE[0], : SHAPE[1]]
    depth = np.maximum(70.0 - np.hypot(y - 80.0, x), 0.0) / 27.5
    share = np.sqrt(np.where(depth < 1.0, depth * (2.0 - depth), 1.0))
    primary = np.where(share > 0, np.exp(3.0 - 3.0 * share), 0.0)
    source = np.concatenate([np.fliplr(primary * share), primary * share], axis=1)
    scatter = 0.6 * ndimage.gaussian_filter(source, 15.0)[:, SHAPE[1] :]
    exposure = np.where(share > 0, primary + scatter, 30.0).astype(np.float32)
    found = scattered(exposure, _breast(), 0.6, SPACING, 3.0)
    as_thick_everywhere = scattered(exposure, _breast(), 0.6, SPACING)
    radius = np.hypot(y - 80.0, x - 0.0) + 99.0 * (x < 5)
    middle, rim = radius < 40, (radius > 50) & (radius < 60)
    assert found[middle] == pytest.approx(scatter[middle], rel=0.03)
    assert found[rim].mean() == pytest.approx(scatter[rim].mean(), rel=0.06)
    assert as_thick_everywhere[rim].mean() > 1.3 * scatter[rim].mean()


def test_no_scatter_and_no_breast() -> None:
    exposure = np.ones(SHAPE, dtype=np.float32)
    assert not scattered(exposure, _breast(), 0.0, SPACING).any()
    assert not scattered(exposure, np.zeros(SHAPE, dtype=bool), 0.2, SPACING).any()


def test_less_than_the_scatter_leaves_a_positive_exposure() -> None:
    faint = np.full((2, 2), 0.01, dtype=np.float32)
    assert (without_scatter(faint, np.ones_like(faint)) > 0).all()


@pytest.mark.parametrize("sigma_mm", [0.035, 0.065])
@pytest.mark.parametrize("track_mm", [0.2, 0.3, 0.6])
def test_calcium_hidden_by_blur_is_found_again(sigma_mm: float, track_mm: float) -> None:
    # A track of calcium of one log unit, 0.01 mm fine, blurred and averaged to pixels of 0.1 mm.
    fine = np.zeros((60, 3000))
    fine[:, 1500 - round(track_mm * 50) : 1500 + round(track_mm * 50)] = 1.0
    exposure = ndimage.gaussian_filter1d(np.exp(-fine), sigma_mm / 0.01, axis=1)
    seen = exposure.reshape(60, 300, 10).mean(axis=2).astype(np.float32)
    true = fine[0].sum() * 0.01
    blurred = -np.log(seen[30]).sum() * 0.1
    whole_blur = float(np.hypot(sigma_mm, 0.1 / np.sqrt(12.0)))  # the pixel averages too
    found = -np.log(sharpen(seen, Blur(whole_blur), (0.1, 0.1))[30]).sum() * 0.1
    assert blurred < 0.98 * true
    # About half of what was hidden is found, and nothing is made up.
    assert blurred + 0.4 * (true - blurred) < found < 1.005 * true


def test_even_areas_and_edges_of_squares_keep_their_sum() -> None:
    even = np.full((80, 90), 7.0, dtype=np.float32)
    np.testing.assert_allclose(sharpen(even, Blur(0.048, 0.19, 0.14), (0.1, 0.1)), even, rtol=1e-4)
    assert sharpen(even, Blur(), (0.1, 0.1)) is even
    # A square of 3 mm that was never blurred: what is undone in vain must not add much.
    wedge = np.zeros((80, 90))
    wedge[25:55, 30:60] = 0.7
    found = -np.log(sharpen(np.exp(-wedge).astype(np.float32), Blur(0.035), (0.1, 0.1)))
    assert found.sum() == pytest.approx(wedge.sum(), rel=0.015)


def test_noise_is_held_and_metal_stays_positive() -> None:
    noisy = np.random.default_rng(3).normal(1.0, 0.02, (200, 200)).astype(np.float32)
    assert sharpen(noisy, Blur(0.048, 0.19, 0.14), (0.1, 0.1)).std() < 3.0 * 0.02
    noisy[90:110, 90:110] = 1e-4
    assert (sharpen(noisy, Blur(0.048, 0.19, 0.14), (0.1, 0.1)) > 0).all()


@pytest.mark.parametrize("air", [3.0, 9.0, 80.0])
def test_bright_air_does_not_reach_into_the_breast(air: float) -> None:
    # Tissue without any structure, and beside it noisy air that is e^3 to e^80 times as bright.
    signal = np.zeros((200, 300), dtype=np.float32)
    signal[:, 200:] = np.random.default_rng(5).normal(-air, 0.3, (200, 100))
    breast = np.zeros(signal.shape, dtype=bool)
    breast[:, :185] = True
    whole = (slice(0, 200), slice(0, 300))
    calibration = Calibration(14.0, 0.0, 0.0, 0.0, 50.0, blur=Blur(0.048, 0.19, 0.14))
    found = primary_signal(signal, breast, calibration, (0.1, 0.1), whole)
    np.testing.assert_allclose(found.signal[breast], 0.0, atol=1e-3)


def test_grains_sharper_than_the_blur_do_not_become_masses_of_calcium() -> None:
    # Grains of one pixel, 1.5 log units, as sharp as the pixels are: there is no blur to undo.
    rng = np.random.default_rng(8)
    grains = np.where(rng.random((120, 160)) < 0.4, 1.5, 0.0).astype(np.float32)
    grains[:30] = grains[-30:] = grains[:, :30] = grains[:, -30:] = 0.0
    breast = np.ones(grains.shape, dtype=bool)
    whole = (slice(0, 120), slice(0, 160))
    for ratio in (0.0, 0.5):
        signal = (-np.log(np.exp(-grains) + ratio)).astype(np.float32)
        calibration = Calibration(14.0, 0.0, ratio, 0.0, 50.0, blur=Blur(0.048, 0.19, 0.14))
        found = primary_signal(signal, breast, calibration, (0.1, 0.1), whole)
        assert found.sharpened_by.max() <= 0.6932
        assert found.sharpened_by.sum() < 0.2 * grains.sum()


def test_scatter_is_the_same_where_only_the_breast_is_looked_at() -> None:
    y, x = np.ogrid[: SHAPE[0], : SHAPE[1]]
    exposure = (1.0 + 0.3 * np.sin(x / 9.0) * np.cos(y / 7.0)).astype(np.float32)
    breast = _breast()
    breast[:20] = False
    window = (slice(15, 155), slice(0, 75))
    whole = scattered(exposure, breast, 0.4, SPACING, 2.0)
    part = scattered(exposure[window], breast[window], 0.4, SPACING, 2.0, shape=SHAPE, window=window)
    np.testing.assert_allclose(part, whole[window], rtol=1e-5)
