"""Fine dense calcium under blur and pixels: the logarithm of a mean is less than the mean of the logarithm.

Exposures are computed on steps of 0.005 mm, blurred, averaged to pixels, and weighed as images are. What is
lost without any correction is checked against the integral by hand; what is left with it is what a
measurement may lose.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import integrate, ndimage

from bac_imaging.grid.working_grid import resample_area
from bac_imaging.mass.blur import Blur
from bac_imaging.mass.calibration import Calibration, calibrate
from bac_imaging.mass.weigh import weigh_vessels
from bac_imaging.vessels.demands import PostProcessing
from bac_imaging.vessels.find import find_vessels
from bac_terms.beam import Beam

K = 14.0  # cm2/g
STEP_MM, LENGTH_MM, WIDE_MM = 0.005, 28.0, 24.0
# Of the kinds of detector: pixel, point spread of the layer alone, and with the pixel as the method has it.
# A pixel of 0.1 mm adds 0.029 mm to 0.038 in quadrature.
SELENIUM = (0.07, Blur(0.025), "DIRECT")
SCINTILLATOR = (0.1, Blur(0.038, 0.19, 0.14), "SCINTILLATOR")


def across() -> np.ndarray:
    return (np.arange(round(WIDE_MM / STEP_MM)) + 0.5) * STEP_MM - WIDE_MM / 2 + 0.0131


def slab(width_mm: float, log_depth: float) -> np.ndarray:
    return log_depth * (np.abs(across()) < width_mm / 2)


def tube(wall_mm: float, peak_mg_cm2: float) -> np.ndarray:
    """Both walls of an artery 2.4 mm wide, `peak_mg_cm2` along the ray that grazes the lumen; log depth.

    A quarter of the wall's calcium lies in front and behind.
    """
    outer, inner, x = 1.2, 1.2 - wall_mm, across()
    chord = 2 * (np.sqrt(np.maximum(outer**2 - x**2, 0)) - np.sqrt(np.maximum(inner**2 - x**2, 0)))
    chord *= 0.25 + 0.75 * (x / outer) ** 2
    return K * peak_mg_cm2 / 1000 * chord / (2 * math.sqrt(outer**2 - inner**2))


def weighed(depth: np.ndarray, half_mm: float, pixel_mm: float, layer: Blur, detector: str | None) -> float:
    """Weigh 28 mm of a straight artery of this log depth across it; measured over true mass.

    Its soft tissue, which is subtracted whatever the calcium, is put back.
    """
    exposure = np.exp(-depth)
    seen = (1 - layer.tail_share) * ndimage.gaussian_filter1d(exposure, layer.core_mm / STEP_MM)
    if layer.tail_share:
        seen += layer.tail_share * ndimage.gaussian_filter1d(exposure, layer.tail_mm / STEP_MM)
    fine = round(pixel_mm / STEP_MM)
    seen = -np.log(seen[: seen.size // fine * fine].reshape(-1, fine).mean(axis=1))
    rows = round(seen.size * pixel_mm / 0.1)
    profile = resample_area(seen[:, None], (rows, 1))
    signal = np.zeros((rows, 400), dtype=np.float32)
    signal[:, 60:340] = profile
    spacing = (seen.size * pixel_mm / rows, 0.1)
    mask = np.zeros(signal.shape, dtype=bool)
    place = (np.arange(rows) + 0.5) * spacing[0] - WIDE_MM / 2 + 0.0131
    mask[:, 60:340] = (np.abs(place) < half_mm)[:, None]
    found = find_vessels(mask.astype(np.float32), spacing, PostProcessing())
    calibration = Calibration(K, 0.0, 0.0, 0.0, 50.0)
    if detector is not None:
        known = calibrate(Beam("TUNGSTEN", "RHODIUM", 0.05, 28.0, 50.0, True, detector))
        assert isinstance(known, Calibration)
        calibration = replace(calibration, blur=known.blur)
    breast = np.ones(signal.shape, dtype=bool)
    result = weigh_vessels(signal, breast, np.zeros_like(breast), found, calibration, spacing, 1.0)
    true_mg = float(depth.sum()) * STEP_MM * LENGTH_MM / K * 10
    vessel = result.vessels[0]
    return (vessel.mass_mg + vessel.soft_tissue_mg) / true_mg


def seen_of_slab(width_mm: float, log_depth: float, sigma_mm: float) -> float:
    """Share of a blurred slab's log depth that is left: the integral of -log(1 - a g), g a blurred box."""
    root = sigma_mm * math.sqrt(2)
    opaque = 1 - math.exp(-log_depth)

    def left(x: float) -> float:
        box = 0.5 * (math.erf((x + width_mm / 2) / root) - math.erf((x - width_mm / 2) / root))
        return -math.log1p(-opaque * box)

    reach = width_mm / 2 + 6 * sigma_mm
    return 2 * integrate.quad(left, 0, reach)[0] / (width_mm * log_depth)


def test_the_integral_by_hand_to_second_order() -> None:
    # -log(1 - a g) = a g + a^2 g^2 / 2 + ... with a = 1 - exp(-L). The box keeps its area, 0.3 mm. Its square
    # has w erf(w / 2s) - 2 s / sqrt(pi) (1 - exp(-w^2 / 4 s^2)) = 0.3 x 0.9661 - 0.1128 x 0.8946 = 0.1889 mm.
    # With L = 0.1, a = 0.095163: (0.095163 x 0.3 + 0.009056 x 0.1889 / 2) / 0.03 = 0.9801, and the third
    # term adds 0.0003 x 0.13 / 0.03 = 0.0013.
    assert seen_of_slab(0.3, 0.1, 0.1) == pytest.approx(0.9814, abs=0.0005)


@pytest.mark.parametrize("width_mm", [0.5, 1.0])
@pytest.mark.parametrize("sigma_mm", [0.05, 0.1])
def test_without_correction_as_much_is_lost_as_the_integral_says(width_mm: float, sigma_mm: float) -> None:
    # Pixels of 0.05 mm add a twelfth of their square.
    blur = math.hypot(sigma_mm, 0.05 / math.sqrt(12))
    found = weighed(slab(width_mm, 0.7), width_mm / 2 + 0.1, 0.05, Blur(sigma_mm), None)
    assert found == pytest.approx(seen_of_slab(width_mm, 0.7, blur), abs=0.01)


@pytest.mark.parametrize("detector", [SELENIUM, SCINTILLATOR])
@pytest.mark.parametrize("width_mm", [0.2, 0.3, 0.5, 1.0])
@pytest.mark.parametrize("log_depth", [0.35, 0.7])
def test_slabs_under_the_detectors_own_blur_keep_their_mass(
    detector: tuple[float, Blur, str], width_mm: float, log_depth: float
) -> None:
    # 25 and 50 mg/cm2. Without the correction up to 9 % is lost.
    assert 0.95 < weighed(slab(width_mm, log_depth), 0.4, *detector) < 1.01


@pytest.mark.parametrize("detector", [SELENIUM, SCINTILLATOR])
@pytest.mark.parametrize(("wall_mm", "peak"), [(0.15, 50.0), (0.3, 50.0), (0.3, 30.0)])
def test_thin_walls_of_wide_arteries_keep_their_mass(
    detector: tuple[float, Blur, str], wall_mm: float, peak: float
) -> None:
    assert 0.97 < weighed(tube(wall_mm, peak), 1.2, *detector) < 1.01


@pytest.mark.parametrize("sigma_mm", [0.1, 0.15])
def test_walls_under_more_blur_than_any_detectors_lose_less_than_a_tenth(sigma_mm: float) -> None:
    # Plates that are read by laser, or a breast that moves. What is lost is well within the interval, whose
    # half-width is a quarter of such a mass.
    for pixel, _, detector in (SELENIUM, SCINTILLATOR):
        assert 0.92 < weighed(tube(0.15, 50.0), 1.2, pixel, Blur(sigma_mm), detector) < 1.0
