"""The random-field phantom's beam against tables and hand calculation."""

import numpy as np
import pytest

from bac_randfield.body.tissue import Tissue
from bac_randfield.physics import (
    Attenuator,
    Beam,
    calcium_attenuation,
    calcium_coefficient,
    energies,
    linear_attenuation,
    log_attenuation,
)

# Half-value layer in mm Al, and log signal per g/cm2 of calcium behind 5 cm of breast with 15 % of gland and
# 3 mm of skin: computed with SpekPy and xraydb by other code.
TECHNIQUES = [
    (Beam("Mo", "Mo", 30, 26, "a-Se"), 0.283, 18.9),
    (Beam("Mo", "Rh", 25, 28, "a-Se"), 0.361, 15.9),
    (Beam("Rh", "Rh", 25, 29, "a-Se"), 0.360, 14.0),
    (Beam("W", "Rh", 50, 28, "a-Se"), 0.475, 14.3),
    (Beam("W", "Rh", 50, 30, "a-Se"), 0.491, 13.6),
    (Beam("Rh", "Ag", 30, 34, "a-Se"), 0.474, 11.8),
    (Beam("W", "Ag", 50, 32, "a-Se"), 0.545, 11.3),
    (Beam("W", "Al", 700, 31, "a-Se"), 0.488, 10.0),
]


@pytest.mark.parametrize(("beam", "layer", "coefficient"), TECHNIQUES)
def test_half_value_layer_and_calcium_contrast_are_those_of_other_code(
    beam: Beam, layer: float, coefficient: float
) -> None:
    assert beam.half_value_layer_mm() == pytest.approx(layer, rel=0.07)
    assert calcium_coefficient(beam, 47 * 0.85, 47 * 0.15 + 3.15) == pytest.approx(coefficient, rel=0.03)


# g/cm2 of calcium, as hydroxyapatite in the place of gland: (mu_HA - mu_gland x 1.04/3.16)/0.3989, from
# tables of Hammerstein's tissues and of hydroxyapatite.
@pytest.mark.parametrize(("kev", "expected"), [(15, 36.2), (18, 21.4), (20, 15.8), (25, 8.33), (30, 4.97)])
def test_calcium_at_single_energies(kev: float, expected: float) -> None:
    at = int(np.argmin(np.abs(energies() - kev)))
    assert calcium_attenuation()[at] / 0.1 == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize(("tissue", "density", "expected"), [("gland", 1.04, 0.751), ("fat", 0.93, 0.548)])
def test_tissue_at_20_kev(tissue: str, density: float, expected: float) -> None:
    at = int(np.argmin(np.abs(energies() - 20)))
    assert linear_attenuation(tissue)[at] * 10 / density == pytest.approx(expected, rel=0.02)


def test_an_artery_in_fat_attenuates_as_blood_and_wall_do() -> None:
    """By NIST (ICRU 44) at 20 keV, cm2/g: blood 0.8428 at 1.06 g/cm3, muscle 0.8205 at 1.05; 70 and 30 %.

    0.884 cm-1, and 0.751 x 1.04 = 0.781 of gland, 0.548 x 0.93 = 0.510 of fat: 2 mm of artery in the place of
    fat add 0.2 x 0.374 = 0.075, in the place of gland 0.2 x 0.103 = 0.021.
    """
    at = int(np.argmin(np.abs(energies() - 20)))
    fat, gland = (float(linear_attenuation(tissue)[at]) for tissue in ("fat", "gland"))
    for fat_mm, expected in ((40.0, 0.075), (0.0, 0.021)):
        tissue = Tissue(np.full((1, 1), fat_mm, np.float32), np.full((1, 1), 10.0, np.float32))
        tissue.hold_vessels(np.full((1, 1), 2.0, np.float32))
        added = fat * (float(tissue.fat_mm[0, 0]) - fat_mm) + gland * (float(tissue.gland_mm[0, 0]) - 10.0)
        # One number serves all energies.
        assert added == pytest.approx(expected, abs=0.003)


def test_a_scintillator_sees_more_of_calcium_than_selenium() -> None:
    beams = [Beam("W", "Rh", 50, 28, detector) for detector in ("a-Se", "CsI")]
    selenium, scintillator = (calcium_coefficient(b, 40, 10) for b in beams)
    assert 1.02 < scintillator / selenium < 1.10


def test_calcium_hardens_the_beam_by_a_few_percent_at_50_mg_cm2() -> None:
    beam = Beam("W", "Rh", 50, 28, "a-Se")
    thick = float(log_attenuation(beam, 40, 10, 0.5) - log_attenuation(beam, 40, 10)) / 0.05
    assert 0.93 < thick / calcium_coefficient(beam, 40, 10) < 0.98


@pytest.mark.parametrize("beam", [Beam("Mo", "Mo", 30, 26, "CsI"), Beam("W", "Ag", 50, 32, "a-Se")])
@pytest.mark.parametrize("glandularity", [0.05, 0.3, 0.6])
def test_tables_for_images_equal_the_integral(beam: Beam, glandularity: float) -> None:
    attenuator = Attenuator(beam, 80.0)
    thickness = np.linspace(5, 80, 30, dtype=np.float32)
    fat, gland = thickness * np.float32(1 - glandularity), thickness * np.float32(glandularity)
    exact = log_attenuation(beam, fat, gland)
    assert attenuator.tissue(fat, gland) == pytest.approx(exact, abs=0.025)
    calcium = np.linspace(0.01, 1.0, 30, dtype=np.float32)
    added = -np.log(attenuator.transmission(exact.astype(np.float32), calcium, glandularity))
    assert added == pytest.approx(log_attenuation(beam, fat, gland, calcium) - exact, rel=0.005)
