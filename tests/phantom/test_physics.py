"""The phantom's physics against tables, hand calculations and conservation of mass."""

import dataclasses

import numpy as np
import pytest

import bac_phantom
from bac_phantom.beams import Beam, calcium_factor, techniques, transmitted
from bac_phantom.body.anatomy import Anatomy
from bac_phantom.calcium.arteries import Artery
from bac_phantom.calcium.courses import Projection
from bac_phantom.calcium.walls import draw_artery
from bac_phantom.render import Exposure, expose


def tissue(thickness_mm: float, glandularity: float, size: int = 4) -> tuple[np.ndarray, np.ndarray]:
    total = np.full((size, size), thickness_mm, dtype=np.float32)
    return total * (1 - glandularity), total * glandularity


# Effective log signal per g/cm2 of calcium in 5 cm of breast, computed with SpekPy and xraydb by other code
# (15 % gland, 200 um a-Se, 3 mm skin, 2 mm plastic, no scatter).
@pytest.mark.parametrize(
    ("beam", "expected"),
    [
        (Beam("Mo", "Mo", 0.030, 26), 18.9),
        (Beam("Mo", "Rh", 0.025, 28), 15.9),
        (Beam("Rh", "Rh", 0.025, 29), 14.0),
        (Beam("W", "Rh", 0.050, 28), 14.3),
        (Beam("W", "Ag", 0.050, 32), 11.3),
        (Beam("W", "Al", 0.700, 31), 10.0),
        (Beam("Rh", "Ag", 0.030, 34), 11.8),
    ],
)
def test_calcium_contrast_matches_other_code_on_spekpy_and_xraydb(beam: Beam, expected: float) -> None:
    adipose, gland = tissue(50.0, 0.15)
    thin = np.full(1, 0.01, dtype=np.float32)  # mg/mm2 = 0.001 g/cm2
    factor = calcium_factor(beam, adipose.ravel()[:1], gland.ravel()[:1], thin)
    assert -np.log(factor[0]) / 0.001 == pytest.approx(expected, rel=0.04)


def test_calcium_hardens_the_beam_by_a_few_percent_at_50_mg_cm2() -> None:
    adipose, gland = tissue(50.0, 0.15)
    beam = Beam("W", "Rh", 0.050, 28)
    thin, thick = (
        -np.log(calcium_factor(beam, adipose.ravel()[:1], gland.ravel()[:1], np.array([c], np.float32))[0])
        / c
        for c in (0.01, 5.0 / 10)
    )
    assert 0.93 < thick / thin < 0.98


def test_transmission_table_equals_the_direct_integral() -> None:
    beam = Beam("W", "Rh", 0.050, 30)
    rng = np.random.default_rng(3)
    adipose = rng.uniform(0.1, 60, (20, 20)).astype(np.float32)
    gland = rng.uniform(0.1, 20, (20, 20)).astype(np.float32)
    with np.load(bac_phantom.__path__[0] + "/data/spectra.npz") as tables:
        # cm of tissue times density (Hammerstein) times mass attenuation; 3 mm of skin at 1.09 g/cm3.
        exponent = (
            np.multiply.outer(adipose / 10 * 0.93, tables["adipose"])
            + np.multiply.outer(gland / 10 * 1.04, tables["gland"])
            + 0.3 * 1.09 * tables["skin"]
        )
    direct = (np.exp(-exponent) * beam.weights()).sum(axis=-1)
    assert np.abs(np.log(transmitted(beam, adipose, gland) / direct)).max() < 1e-4


def test_every_technique_has_a_spectrum_with_a_sensible_mean_energy() -> None:
    energy = np.arange(5.25, 40.0, 0.5)
    for anode, material, thickness_mm, kvp in techniques():
        mean = float((Beam(anode, material, thickness_mm, kvp).weights() * energy).sum())
        assert 15.0 < mean < min(kvp, 25.0), (anode, material, kvp)


def straight_artery(mass_mg: float, **changes: float) -> Artery:
    base = {
        "seed": 5,
        "mass_mg": mass_mg,
        "calcified_mm": 30.0,
        "lead_mm": 0.0,
        "tail_mm": 0.0,
        "outer_radius_mm": 1.0,
        "taper": 0.8,
        "coverage": 0.7,
        "grain_mm": 0.6,
        "banding": 0.0,
        "one_sided": 0.0,
        "gaps": 0.0,
        "tortuosity": 0.0,
        "beading": 0.05,
    }
    return Artery(**{**base, **changes})  # type: ignore[arg-type]


def craniocaudal(magnification: float = 1.0) -> Projection:
    """All of a body at one magnification: a support far below, and a breast squeezed flat."""
    sid_mm = 1e6
    gap_mm = sid_mm * (1 - 1 / magnification)
    return Projection("CC", (20.0, 40.0 * magnification), 20.0, sid_mm, gap_mm, 1e-3, 50.0, 1)


def course(behind: np.ndarray, lateral: np.ndarray, caudal: np.ndarray | float = 0.0) -> np.ndarray:
    return np.column_stack([behind, lateral, np.broadcast_to(caudal, behind.shape)])


@pytest.mark.parametrize("magnification", [1.0, 1.1, 1.25])
def test_an_artery_holds_exactly_its_mass_at_any_magnification(magnification: float) -> None:
    straight = course(np.linspace(35, 10, 300), np.linspace(-10, 7, 300))
    drawn = draw_artery(straight_artery(12.0), straight, craniocaudal(magnification), 0.1, (600, 600))
    assert drawn is not None
    mass = float(drawn.calcium_mg_mm2.sum()) * (0.1 / magnification) ** 2
    assert mass == pytest.approx(12.0, rel=1e-4)
    # A tube of 30 mm whose radius falls from 1.0 to 0.8 mm, and of which the ends may hold too little.
    assert 0.8 * 54 < float(drawn.truth.sum()) * (0.1 / magnification) ** 2 < 1.05 * 54
    # Blood and wall fill it: pi r^2 = 0.81 pi mm2 on average.
    volume_mm3 = float(drawn.soft_tissue_mm.sum()) * (0.1 / magnification) ** 2
    assert volume_mm3 == pytest.approx(np.pi * (0.9**2 + 0.1**2 / 3) * 30, rel=0.15)


def test_both_views_show_the_same_calcium_with_their_own_magnification() -> None:
    body = course(np.linspace(45, 20, 400), np.linspace(-8, 8, 400), np.linspace(-20, 15, 400))
    for view in ("CC", "MLO"):
        projection = Projection(view, (40.0, 60.0), 40.0, 660.0, 20.0, 60.0, 60.0, 1)
        drawn = draw_artery(straight_artery(9.0), body, projection, 0.1, (900, 900))
        assert drawn is not None
        # Between the support (660/640) and the paddle (660/580).
        assert 660 / 640 < drawn.magnification < 660 / 580
        mass = float(drawn.calcium_mg_mm2.sum()) * (0.1 / drawn.magnification) ** 2
        assert mass == pytest.approx(9.0, rel=0.02)


def test_an_artery_along_the_beam_is_seen_as_a_ring() -> None:
    upright = course(np.full(200, 20.0), np.zeros(200), np.linspace(-200, 200, 200))
    projection = Projection("CC", (20.0, 40.0), 20.0, 1e6, 0.0, 40.0, 50.0, 1)
    artery = straight_artery(3.0, taper=1.0, beading=0.0, coverage=0.95)
    drawn = draw_artery(artery, upright, projection, 0.1, (400, 400))
    assert drawn is not None
    rows, columns = np.indices(drawn.calcium_mg_mm2.shape)
    row, column = (20.0 / 0.1 - drawn.box[0].start - 0.5, 20.0 / 0.1 - drawn.box[1].start - 0.5)
    distance_mm = 0.1 * np.hypot(rows - row, columns - column)
    calcium = drawn.calcium_mg_mm2
    # The wall takes up to half of the radius of 1 mm; the lumen inside it is free.
    assert calcium[distance_mm < 0.3].max() < 0.05 * calcium[(distance_mm > 0.5) & (distance_mm < 1.0)].mean()


def test_truth_bridges_short_gaps_and_leaves_long_ones() -> None:
    straight = course(np.linspace(62, 2, 600), np.zeros(600))
    projection = Projection("CC", (20.0, 65.0), 20.0, 1e6, 0.0, 1e-3, 50.0, 1)
    whole, gappy = (
        draw_artery(
            straight_artery(20.0, calcified_mm=60.0, gaps=gaps), straight, projection, 0.1, (400, 700)
        )
        for gaps in (0.0, 0.5)
    )
    assert whole is not None
    assert gappy is not None
    assert gappy.visible_length_mm < 0.85 * whole.visible_length_mm
    # What lies in the gaps is too little to be seen, and little.
    assert 0.9 * 20.0 < gappy.visible_mg < whole.visible_mg <= 20.0 + 1e-3


def test_plain_stretches_before_and_after_hold_blood_but_are_not_truth() -> None:
    straight = course(np.linspace(62, 2, 600), np.zeros(600))
    projection = Projection("CC", (20.0, 65.0), 20.0, 1e6, 0.0, 1e-3, 50.0, 1)
    artery = straight_artery(20.0, calcified_mm=30.0, lead_mm=15.0, tail_mm=15.0)
    drawn = draw_artery(artery, straight, projection, 0.1, (400, 700))
    assert drawn is not None
    truth, blood = (np.flatnonzero(m.any(axis=0)) for m in (drawn.truth, drawn.soft_tissue_mm > 0.1))
    assert 0.1 * len(truth) < 31
    assert 0.1 * len(blood) == pytest.approx(60.0, abs=0.5)
    assert drawn.calcium_mg_mm2[:, truth[0] : truth[-1]].sum() > 0.95 * drawn.calcium_mg_mm2.sum()


def test_the_inside_of_a_loop_is_not_truth() -> None:
    angle = np.linspace(0, 2 * np.pi * 0.98, 600)
    loop = course(25 - 10 * np.sin(angle), 10 * np.cos(angle))
    projection = Projection("CC", (25.0, 50.0), 25.0, 1e6, 0.0, 1e-3, 50.0, 1)
    drawn = draw_artery(straight_artery(20.0, calcified_mm=60.0), loop, projection, 0.1, (500, 500))
    assert drawn is not None
    rows, columns = np.nonzero(drawn.truth)
    radius = np.hypot((rows + drawn.box[0].start) * 0.1 - 25, (columns + drawn.box[1].start) * 0.1 - 25)
    assert radius.min() > 8.5


def test_densitometry_with_a_known_background_gives_the_mass_back() -> None:
    """Log ratio with and without calcium, over the published coefficient: the whole render in one number."""
    shape, pitch, magnification = (300, 420), 0.1, 1.08
    adipose, gland = (np.full(shape, t, np.float32) for t in (42.5, 7.5))
    inside = np.ones(shape, bool)
    anatomy = Anatomy(adipose, gland, inside, np.full(shape, 100, np.float32), (15, 40))
    straight = course(np.linspace(35, 5, 300), np.zeros(300))
    projection = dataclasses.replace(craniocaudal(magnification), nipple_mm=(15.0, 40.0), axis_row_mm=15.0)
    drawn = draw_artery(straight_artery(10.0), straight, projection, pitch, shape)
    assert drawn is not None
    calcium = np.zeros(shape, np.float32)
    calcium[drawn.box] += drawn.calcium_mg_mm2
    exposure = Exposure(Beam("W", "Rh", 0.050, 28), True, 0.0, 0.03, 1e12, 0.0)
    with_calcium = expose(np.random.default_rng(1), anatomy, calcium, exposure, pitch)
    without = expose(np.random.default_rng(1), anatomy, calcium * 0, exposure, pitch)
    # Normalisation by the mean primary differs a little between the two: compare away from the artery.
    scale = np.median(with_calcium[:80] / without[:80])
    log_signal = float(np.log(without * scale / with_calcium)[100:200].sum())
    mass_mg = log_signal / 14.3 * 1000 / 100 * (pitch / magnification) ** 2
    assert mass_mg == pytest.approx(10.0, rel=0.06)
