"""Masses of digital step wedges and tubes whose calcium is known by construction."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from bac_imaging.mass.background import fit_background
from bac_imaging.mass.blur import Blur
from bac_imaging.mass.calibration import Calibration, calibrate
from bac_imaging.mass.interval import mass_interval
from bac_imaging.mass.weigh import VesselMass, to_density, weigh_vessels
from bac_imaging.vessels.demands import PostProcessing
from bac_imaging.vessels.find import find_vessels
from bac_terms.beam import Beam

BEAMS = tuple(
    Beam(anode, material, filter_mm, kvp, thickness, True, "DIRECT")
    for anode, material, filter_mm, kvp, thickness in (
        ("MOLYBDENUM", "MOLYBDENUM", 0.030, 26.0, 40.0),
        ("RHODIUM", "RHODIUM", 0.025, 29.0, 60.0),
        ("TUNGSTEN", "RHODIUM", 0.050, 28.0, 50.0),
        ("TUNGSTEN", "SILVER", 0.050, 30.0, 60.0),
        ("TUNGSTEN", "ALUMINUM", 0.700, 29.0, 50.0),
    )
)
SPACING = (0.1, 0.1)
SHAPE = (400, 500)
K = 14.0  # cm2/g
PLAIN = Calibration(
    k_cm2_per_g=K, hardening_cm2_per_g=0.0, scatter_to_primary=0.0, relative_sd=0.0, thickness_mm=50.0
)
# Blood and wall read like 2.36 mg/cm2 of calcium a mm in fat and 0.53 in gland, see
# test_soft_tissue. The skin is too near for a level of fat to be learnt: 15 % of gland is assumed at 50 mm.
SOFT_PER_MM = K * (0.85 * 2.36e-3 + 0.15 * 0.53e-3)


def _curved_tissue() -> np.ndarray:
    """A breast of curved thickness: the signal falls by 0.5 log units across the field, and not linearly."""
    y, x = np.ogrid[: SHAPE[0], : SHAPE[1]]
    return -6.0 + 2.0 * np.sqrt(1.0 - ((x - 100.0) / 700.0) ** 2 - ((y - 200.0) / 900.0) ** 2)


def _strip(width_px: int) -> np.ndarray:
    mask = np.zeros(SHAPE, dtype=bool)
    mask[200 : 200 + width_px, 100:400] = True
    return mask


def _measure(
    signal: np.ndarray, mask: np.ndarray, calibration: Calibration = PLAIN, magnification: float = 1.0
):
    found = find_vessels(mask.astype(np.float32), SPACING, PostProcessing())
    breast = np.zeros(signal.shape, dtype=bool)
    breast[60:-60, 60:-60] = True
    return weigh_vessels(
        signal.astype(np.float32), breast, np.zeros_like(breast), found, calibration, SPACING, magnification
    )


def _soft_tissue(width_mm: float) -> float:
    return SOFT_PER_MM * math.pi / 4 * width_mm


@pytest.mark.parametrize("mg_per_cm2", [5.0, 10.0, 20.0, 50.0])
@pytest.mark.parametrize("width_px", [8, 16, 24])
def test_step_wedge_on_a_curved_background(mg_per_cm2: float, width_px: int) -> None:
    mask = _strip(width_px)
    area_mm2 = 300 * width_px * 0.01
    true_mg = mg_per_cm2 / 100.0 * area_mm2
    # Calcium, and the soft tissue of a vessel of this width as the mass model has it.
    signal = _curved_tissue() + mask * (K * mg_per_cm2 / 1000.0 + _soft_tissue(width_px * 0.1))
    result = _measure(signal, mask)
    assert len(result.vessels) == 1
    assert result.vessels[0].mass_mg == pytest.approx(true_mg, rel=0.03, abs=0.02)


def test_tube_with_a_calcified_wall() -> None:
    # A hollow cylinder, 2.0 mm outside and 1.4 mm inside, along the columns; chords by geometry.
    y = (np.arange(SHAPE[0]) + 0.5) * 0.1 - 20.0
    outer = 2 * np.sqrt(np.maximum(0.0, 1.0**2 - y**2))
    inner = 2 * np.sqrt(np.maximum(0.0, 0.7**2 - y**2))
    wall_g_per_cm3 = 0.25
    density_g_cm2 = (outer - inner) / 10.0 * wall_g_per_cm3
    stretch = np.zeros(SHAPE[1])
    stretch[100:400] = 1.0
    signal = _curved_tissue() + np.outer(K * density_g_cm2 + SOFT_PER_MM * outer, stretch)
    mask = np.outer(outer > 0, stretch > 0)
    # Wall's cross-section pi (1.0^2 - 0.7^2) mm2 times 30 mm, at 0.25 mg/mm3.
    true_mg = math.pi * (1.0 - 0.49) * 30.0 * wall_g_per_cm3
    assert _measure(signal, mask).vessels[0].mass_mg == pytest.approx(true_mg, rel=0.03)


def test_noise_and_a_nearby_second_vessel_do_not_bias_the_mass() -> None:
    rng = np.random.default_rng(7)
    first, second = _strip(10), np.zeros(SHAPE, dtype=bool)
    second[240:250, 100:400] = True
    both = first | second
    soft = _soft_tissue(1.0)
    signal = _curved_tissue() + both * (K * 0.02 + soft) + rng.normal(0, 0.02, SHAPE)
    result = _measure(signal, both)
    true_mg = 0.2 * 30.0  # each: 20 mg/cm2 on 30 mm2
    assert [v.mass_mg for v in result.vessels] == pytest.approx([true_mg, true_mg], rel=0.03)


def test_density_sums_to_the_mass() -> None:
    mask = _strip(12)
    result = _measure(_curved_tissue() + mask * 0.3, mask, magnification=1.08)
    total = result.density.sum(dtype=np.float64) * 0.01 / 1.08**2
    assert total == pytest.approx(result.vessels[0].mass_mg, rel=1e-4)
    # Blur carries calcium out of the outline: two pixels beyond it still count, and no more.
    assert not result.density[~ndimage.binary_dilation(mask, iterations=2)].any()


def test_magnification_shrinks_the_area_and_nothing_else() -> None:
    mask = _strip(12)
    calibration = PLAIN
    signal = _curved_tissue() + mask * 0.3
    plain = _measure(signal, mask, calibration)
    magnified = _measure(signal, mask, calibration, 1.1)
    # The object is 1.1 times narrower, so its soft tissue is thinner; the rest is area.
    expected = (0.3 - _soft_tissue(1.2 / 1.1)) / (0.3 - _soft_tissue(1.2)) / 1.1**2
    assert magnified.vessels[0].mass_mg / plain.vessels[0].mass_mg == pytest.approx(expected, rel=0.02)


def test_hardening_is_inverted() -> None:
    true_g_cm2 = np.array([0.005, 0.02, 0.05])
    apparent = true_g_cm2 * (1.0 - 0.8 * true_g_cm2)
    found = to_density(apparent, Calibration(K, 0.8, 0.0, 0.0, 50.0))
    np.testing.assert_allclose(found, 10.0 * true_g_cm2, rtol=1e-3)


def test_a_vessel_weaker_than_its_soft_tissue_has_no_negative_mass() -> None:
    mask = _strip(10)
    result = _measure(_curved_tissue() - mask * 0.05, mask)
    assert result.vessels[0].mass_mg == 0.0
    assert not result.density.any()


def test_a_vessel_without_tissue_around_it_gives_nothing_and_no_nan() -> None:
    mask = _strip(10)
    found = find_vessels(mask.astype(np.float32), SPACING, PostProcessing())
    result = weigh_vessels(
        np.zeros(SHAPE, np.float32), mask, np.zeros(SHAPE, dtype=bool), found, PLAIN, SPACING, 1.0
    )
    assert result.vessels[0].mass_mg == 0.0
    assert np.isfinite(result.density).all()
    # Nothing is known: the interval reaches to solid hydroxyapatite, some 40 mg in a vessel of 1 mm x 30 mm.
    assert mass_interval(result.vessels, PLAIN, scale_known=True) == pytest.approx((0.0, 42.8), abs=0.5)


def test_tissue_that_is_too_far_away_is_no_tissue_to_compare_with() -> None:
    mask = _strip(10)
    found = find_vessels(mask.astype(np.float32), SPACING, PostProcessing())
    breast = np.ones(SHAPE, dtype=bool)
    # Everything within 3 mm of the vessel looks calcified.
    avoid = ndimage.binary_dilation(mask, iterations=30)
    signal = (_curved_tissue() + mask * 0.3).astype(np.float32)
    result = weigh_vessels(signal, breast, avoid, found, PLAIN, SPACING, 1.0)
    assert not result.vessels[0].weighed
    low, high = mass_interval(result.vessels, PLAIN, scale_known=True)
    assert low == 0.0
    assert high > 30.0


def test_background_is_exact_on_a_quadratic_surface_up_to_its_ridge() -> None:
    y, x = np.mgrid[:200, :200] / 100.0 - 1.0
    surface = (3.0 + 0.4 * x - 0.7 * y + 0.5 * x * x - 0.3 * x * y + 0.2 * y * y).astype(np.float32)
    target = np.zeros((200, 200), dtype=bool)
    target[90:110, 60:140] = True
    spoiled = np.where(target, np.float32(99.0), surface)
    found = fit_background(spoiled, ~target, target)
    assert found is not None
    np.testing.assert_allclose(found.signal[target], surface[target], atol=2e-3)
    assert found.spread < 1e-3


def test_interval_holds_the_mass_and_widens_with_what_is_unknown() -> None:
    mask = _strip(10)
    signal = _curved_tissue() + mask * 0.3 + np.random.default_rng(5).normal(0, 0.03, SHAPE)
    vessels = _measure(signal, mask).vessels
    low, high = mass_interval(vessels, PLAIN, scale_known=True)
    mass = vessels[0].mass_mg
    assert 0.0 <= low < mass < high
    # Units differ by 8 %, and the artery's height is unknown: 0.29 x 50 mm, at 0.33 % of area a mm.
    assert high - mass > 1.96 * math.hypot(0.08, 0.29 * 50 * 0.0033) * mass
    wide = mass_interval(vessels, PLAIN, scale_known=False)
    wider = mass_interval(vessels, Calibration(K, 0.0, 0.6, 0.1, 50.0), scale_known=False)
    assert low > wide[0] > wider[0]
    assert high < wide[1] < wider[1]
    assert mass_interval((), PLAIN, scale_known=True) == (0.0, 0.0)


def test_interval_widens_with_thickness_and_with_scatter_that_is_not_known() -> None:
    def half(calibration: Calibration) -> float:
        low, high = mass_interval((VesselMass(10.0, 0.0, 0.0),), calibration, scale_known=True)
        return (high - low) / 2

    thin, thick = (Calibration(K, 0.0, 0.1, 0.0, mm) for mm in (30.0, 80.0))
    assert half(thin) < half(thick)
    # A third of scatter of 0.5 unknown moves a mass by 0.35 x 0.5 / 1.5 = 12 %.
    unsure = Calibration(K, 0.0, 0.5, 0.0, 30.0, scatter_sd=0.35)
    expected = math.hypot(half(thin), 1.96 * 0.35 * 0.5 / 1.5 * 10.0)
    assert half(unsure) == pytest.approx(expected)


def test_without_a_grid_thickness_and_scatter_count_for_more() -> None:
    def half(grid: bool) -> float:
        calibration = calibrate(replace(BEAMS[2], grid=grid, thickness_mm=70.0))
        assert isinstance(calibration, Calibration)
        low, high = mass_interval((VesselMass(10.0, 0.0, 0.0),), calibration, scale_known=True)
        return (high - low) / 2

    # Scatter of 0.8 with a quarter unknown: 11 %. Thickness: 8 % of 70 mm at 1.1 % a mm: 6 %.
    assert half(False) > 1.96 * math.hypot(0.08, 0.25 * 0.8 / 1.8, 0.08 * 70.0 * 0.011) * 10.0
    assert half(False) > 1.15 * half(True)


@pytest.mark.parametrize("beam", BEAMS)
def test_a_header_value_that_is_a_tenth_off_stays_within_the_interval(beam: Beam) -> None:
    right = calibrate(beam)
    assert isinstance(right, Calibration)
    low, high = mass_interval((VesselMass(10.0, 0.0, 0.0),), right, scale_known=True)
    for change in (0.9, 1.1):
        for name in ("kvp", "filter_thickness_mm", "thickness_mm"):
            found = calibrate(replace(beam, **{name: getattr(beam, name) * change}))
            assert isinstance(found, Calibration)
            scatter = (1 + found.scatter_to_primary) / (1 + right.scatter_to_primary)
            assert low < 10.0 * right.k_cm2_per_g / found.k_cm2_per_g * scatter < high


def test_an_offset_of_the_detector_moves_the_upper_end_alone() -> None:
    vessels = (VesselMass(10.0, 0.0, 0.0),)
    low, high = mass_interval(vessels, PLAIN, scale_known=True)
    # Of 550 stored, 50 may be no exposure: contrast, and the mass, would then be 500/550 of what they are.
    with_offset = mass_interval(vessels, PLAIN, scale_known=True, level_dn=550.0)
    assert with_offset == (low, pytest.approx(10.0 + math.hypot(high - 10.0, 1.0)))
    assert mass_interval(vessels, PLAIN, scale_known=True, level_dn=1e6) == pytest.approx(
        (low, high), rel=1e-4
    )
    assert math.isfinite(mass_interval(vessels, PLAIN, scale_known=True, level_dn=0.0)[1])


def test_what_sharpening_added_is_told_and_widens_the_interval() -> None:
    # Tracks of 0.2 mm, blurred as a scintillator does.
    fine = np.zeros(SHAPE)
    fine[200:202, 100:400] = fine[208:210, 100:400] = 0.8
    exposure = ndimage.gaussian_filter(np.exp(-_curved_tissue() - fine), 0.65)
    mask = np.zeros(SHAPE, dtype=bool)
    mask[199:211, 100:400] = True
    plain = _measure(-np.log(exposure), mask).vessels[0]
    sharp_calibration = replace(PLAIN, blur=Blur(0.065))
    sharp = _measure(-np.log(exposure), mask, sharp_calibration).vessels[0]
    assert plain.blur_mg == 0.0
    assert sharp.mass_mg - plain.mass_mg == pytest.approx(sharp.blur_mg, rel=0.15)
    low, high = mass_interval((sharp,), PLAIN, scale_known=True)
    low_without, high_without = mass_interval((replace(sharp, blur_mg=0.0),), PLAIN, scale_known=True)
    assert low < low_without
    assert high > high_without
