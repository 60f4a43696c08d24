"""Calcium drawn along arteries of known shape: its mass, its log signal and its mask, by hand."""

import numpy as np
import pytest

from bac_randfield.body.outline import Outline
from bac_randfield.calcium.arteries import Artery, Setting
from bac_randfield.calcium.drawn import Canvas, Drawn, draw_artery
from bac_randfield.calcium.forms import FORMS, STEP_MM, Deposit, draw_deposit
from bac_randfield.physics import Attenuator, Beam, calcium_coefficient, log_attenuation

BEAM = Beam("W", "Rh", 50, 28, "a-Se")
LENGTH_MM, RADIUS_MM = 20.0, 1.0


def outline(rows: int = 300, columns: int = 400) -> Outline:
    inside = np.full((rows, columns), 20.0, dtype=np.float32)
    return Outline(np.full(rows, 80.0), (30.0, 60.0), inside, np.zeros_like(inside))


def deposit(
    left: float, right: float, fill: float, held: np.ndarray | None = None, **changes: float
) -> Deposit:
    n = int(LENGTH_MM / STEP_MM)
    along = np.ones(n) if held is None else held
    values = {"outer_radius_mm": RADIUS_MM, "wall_mm": 0.2, "face": 1.0, "grain": 0.0, **changes}
    return Deposit(left=left * along, right=right * along, fill=fill * along, forms=("tram",), **values)


def draw(what: Deposit, pitch_mm: float = 0.07, tilt: float = 0.0) -> tuple[Canvas, Drawn]:
    """A straight artery, level or tilted towards the beam, in 5 cm of breast with 20 % of gland."""
    setting = Setting("CC", outline(), 0.2, 650.0, 20.0, 50.0)
    along = np.linspace(0, 30, 121)
    body = np.stack([15 + along * np.cos(tilt), np.zeros(121), along * np.sin(tilt)], axis=1)
    artery = Artery(body, (0.5,), what, 4.0, False)
    shape = (int(60 / pitch_mm), int(80 / pitch_mm))
    tissue = np.full(shape, float(log_attenuation(BEAM, 40, 10)), dtype=np.float32)
    canvas = Canvas(pitch_mm, tissue, 0.2, np.ones(shape, np.float32), np.zeros(shape, dtype=bool))
    return canvas, draw_artery(np.random.default_rng(1), canvas, Attenuator(BEAM, 60), artery, setting, 0)


@pytest.mark.parametrize("pitch_mm", [0.05, 0.07, 0.1])
def test_a_filled_cylinder_holds_density_times_volume(pitch_mm: float) -> None:
    _, drawn = draw(deposit(0, 0, 0.05), pitch_mm)
    assert drawn.mass_mg == pytest.approx(0.05 * np.pi * RADIUS_MM**2 * LENGTH_MM, rel=0.01)


def test_a_tube_holds_density_times_the_volume_of_its_wall() -> None:
    wall = np.pi * (RADIUS_MM**2 - 0.8**2) * LENGTH_MM
    assert deposit(0.3, 0.3, 0).mass_mg == pytest.approx(0.3 * wall, rel=0.01)
    assert draw(deposit(0.3, 0.3, 0))[1].mass_mg == pytest.approx(0.3 * wall, rel=0.01)
    # One wall alone: half of it.
    assert draw(deposit(0.3, 0, 0))[1].mass_mg == pytest.approx(0.15 * wall, rel=0.01)


def test_foreshortening_changes_no_mass() -> None:
    _, level = draw(deposit(0, 0, 0.05))
    _, tilted = draw(deposit(0, 0, 0.05), tilt=0.9)
    assert tilted.mass_mg == pytest.approx(level.mass_mg, rel=0.02)
    assert tilted.visible_length_mm == pytest.approx(np.cos(0.9) * level.visible_length_mm, rel=0.03)


def test_the_log_signal_over_the_coefficient_is_the_mass() -> None:
    """Thin and uniform enough that hardening and partial volume cost little."""
    canvas, drawn = draw(deposit(0, 0, 0.02), 0.05)
    signal = float(-np.log(canvas.through).sum()) * (canvas.pitch_mm / drawn.magnification) ** 2  # mm2
    mass = signal / calcium_coefficient(BEAM, 40, 10) * 10  # 1 g/cm2 = 10 mg/mm2
    assert mass == pytest.approx(drawn.mass_mg, rel=0.015)


def test_thin_walls_lose_log_signal_to_large_pixels() -> None:
    """The log of a mean is less than the mean of the log: walls are averaged as intensity, not as log."""
    thin = deposit(0.45, 0.45, 0, wall_mm=0.15, face=0.1)
    ratios = []
    for pitch in (0.05, 0.1):
        canvas, drawn = draw(thin, pitch)
        area = (pitch / drawn.magnification) ** 2
        ratios.append(float(-np.log(canvas.through).sum()) * area / drawn.mass_mg)
    assert ratios[1] < 0.995 * ratios[0]


def test_the_mask_is_the_width_between_the_outer_walls() -> None:
    for what in (deposit(0.3, 0.3, 0), deposit(0.3, 0, 0)):
        canvas, drawn = draw(what)
        assert drawn.area_mm2 == pytest.approx(2 * RADIUS_MM * LENGTH_MM, rel=0.04)
        rows = np.flatnonzero(canvas.mask.any(axis=1))
        assert (rows[-1] - rows[0] + 1) * 0.07 == pytest.approx(2 * RADIUS_MM * drawn.magnification, abs=0.15)


@pytest.mark.parametrize(("gap_mm", "bridged"), [(1.4, True), (3.0, False)])
def test_gaps_under_2_mm_are_bridged(gap_mm: float, bridged: bool) -> None:
    held = np.ones(int(LENGTH_MM / STEP_MM))
    middle = len(held) // 2
    held[middle : middle + int(gap_mm / STEP_MM)] = 0
    _, drawn = draw(deposit(0.3, 0.3, 0, held))
    assert drawn.visible_length_mm == pytest.approx(LENGTH_MM - (0 if bridged else gap_mm), abs=0.7)
    assert drawn.visible_mg == pytest.approx(drawn.mass_mg, rel=0.03)


def test_calcium_too_faint_for_the_mask_is_not_under_it() -> None:
    # A filled cylinder of radius 1 mm is pi/2 mm deep on average: 0.03 mg/mm3 makes 0.047 mg/mm2, a third of
    # it 0.016, below the 0.02 of the mask. Half of the length each: three quarters of the calcium is shown.
    held = np.ones(int(LENGTH_MM / STEP_MM))
    held[len(held) // 2 :] = 1 / 3
    _, drawn = draw(deposit(0, 0, 0.03, held))
    assert drawn.mass_mg == pytest.approx(0.03 * np.pi * LENGTH_MM * 2 / 3, rel=0.01)
    assert drawn.visible_mg == pytest.approx(0.75 * drawn.mass_mg, rel=0.03)


def test_calcium_under_2_mg_cm2_is_no_truth() -> None:
    canvas, drawn = draw(deposit(0, 0, 0.008))
    assert drawn.mass_mg > 0.3
    assert not canvas.mask.any()


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_laid(form: str) -> None:
    bends = 0.08 * np.sin(np.linspace(0, 12, 200))
    laid = [draw_deposit(np.random.default_rng(k), 40.0, 0.8, bends, form) for k in range(8)]
    assert all(form in d.forms and d.mass_mg >= 0 for d in laid)
    assert any(d.mass_mg > 0.1 for d in laid)


def test_crescents_lie_on_the_outer_side_of_a_bend() -> None:
    """A positive curvature bends towards the normal, which is the right-hand side: left is outside."""
    for curvature in (0.08, -0.08):
        for k in range(5):
            d = draw_deposit(np.random.default_rng(k), 20.0, 0.8, np.full(80, curvature), "crescent")
            outer, inner = (d.left, d.right) if curvature > 0 else (d.right, d.left)
            if d.forms == ("crescent",):
                assert outer.sum() > 0
                assert inner.sum() == 0


def test_thin_walls_are_as_the_name_says() -> None:
    for k in range(5):
        d = draw_deposit(np.random.default_rng(k), 30.0, 0.5, np.zeros(120), "thin_wall")
        assert 2.2 <= 2 * d.outer_radius_mm <= 2.9
        assert 0.15 <= d.wall_mm <= 0.3


def test_broken_pieces_are_short_and_far_between() -> None:
    lengths, gaps = [], []
    for k in range(6):
        d = draw_deposit(np.random.default_rng(k), 60.0, 0.6, np.zeros(240), "broken")
        held = (d.left + d.right + d.fill) > 0
        edges = np.flatnonzero(np.diff(held.astype(int))) * STEP_MM
        runs = np.diff(edges)
        lengths += list(runs[0::2] if not held[0] else runs[1::2])
        gaps += list(runs[1::2] if not held[0] else runs[0::2])
    assert np.median(lengths) < 3.1
    assert 2.0 <= np.median(gaps) <= 8.5
