"""What looks like arterial calcification and is none: each kind alone, its switch, never in the truth."""

import numpy as np
import pytest

from bac_phantom import PhantomConfig, make_woman
from bac_phantom.body.anatomy import Anatomy, BreastTraits, ViewName, _pectoral, build_anatomy
from bac_phantom.body.tubes import paint_tube
from bac_phantom.calcium.calcifications import KINDS, add_calcifications
from bac_phantom.config import DETECTORS, HARD_NEGATIVES, Detector

TRAITS = BreastTraits(60.0, 55.0, 45.0, 0.2, 0.4, 8, 2.0)
SHAPE, PITCH = (650, 500), 0.2
IN_TISSUE = ("vessels", "masses", "folds", "pectoral")
ONLY_MLO = ("pacemaker", "deodorant")
WITH_FOLD = 9  # a seed whose breast has a fold, as few have


def breast(view: ViewName, seed: int = 1, names: tuple[str, ...] = HARD_NEGATIVES) -> Anatomy:
    return build_anatomy(np.random.default_rng(seed), TRAITS, view, SHAPE, PITCH, names)


@pytest.fixture(scope="module")
def breasts() -> dict[str, Anatomy]:
    return {view: breast(view) for view in ("CC", "MLO")}


def drawn(
    breasts: dict[str, Anatomy], names: tuple[str, ...], view: ViewName, seed: int = 3, rate: float = 40.0
):
    rng = np.random.default_rng(seed)
    return add_calcifications(rng, breasts[view], PITCH, names, rate, view)


def test_every_name_has_a_drawer_or_lies_in_the_tissue_or_on_the_film() -> None:
    assert set(KINDS) | set(IN_TISSUE) | {"scratches", "text"} == set(HARD_NEGATIVES)


@pytest.mark.parametrize("kind", sorted(KINDS))
@pytest.mark.parametrize("view", ["CC", "MLO"])
def test_a_kind_alone_shows_up_and_is_named(breasts: dict[str, Anatomy], kind: str, view: str) -> None:
    canvas, kinds = drawn(breasts, (kind,), view)
    if view == "CC" and kind in ONLY_MLO:
        assert kinds == []
        assert not canvas.any()
        return
    assert set(kinds) == {kind}
    assert canvas.dtype == np.float32
    assert canvas.shape == SHAPE
    assert np.isfinite(canvas).all()
    assert canvas.min() >= 0
    # 1.7 % of contrast is what a reader sees of calcium: 1.2 mg/cm2.
    assert canvas.max() > 0.012


@pytest.mark.parametrize("kind", ["cluster", "rods", "letters"])
def test_leaving_a_kind_out_changes_no_other(breasts: dict[str, Anatomy], kind: str) -> None:
    rest = tuple(name for name in KINDS if name != kind)
    everything, all_kinds = drawn(breasts, tuple(KINDS), "MLO", rate=3.0)
    without, fewer = drawn(breasts, rest, "MLO", rate=3.0)
    alone, own = drawn(breasts, (kind,), "MLO", rate=3.0)
    assert sorted(all_kinds) == sorted([*fewer, *own])
    assert own
    away = alone == 0
    np.testing.assert_allclose(without[away], everything[away], atol=2e-3)
    assert everything[alone > 0.05].sum() > without[alone > 0.05].sum()


def test_nothing_is_drawn_when_nothing_is_asked_for(breasts: dict[str, Anatomy]) -> None:
    canvas, kinds = drawn(breasts, (), "CC")
    assert kinds == []
    assert not canvas.any()


def test_the_rate_scales_their_number(breasts: dict[str, Anatomy]) -> None:
    few, many = (
        np.mean([len(drawn(breasts, ("bb",), "CC", seed, rate)[1]) for seed in range(40)])
        for rate in (5.0, 20.0)
    )
    # Poisson with means 1 and 4 (0.2 expected a view); the mean of 40 draws has SDs of 0.16 and 0.32.
    assert few == pytest.approx(1.0, abs=0.6)
    assert many == pytest.approx(4.0, abs=1.2)


@pytest.mark.parametrize("kind", IN_TISSUE)
def test_tissue_switched_off_is_gone_and_the_rest_stays(breasts: dict[str, Anatomy], kind: str) -> None:
    seed = WITH_FOLD if kind == "folds" else 1
    whole = breast("MLO", seed) if kind == "folds" else breasts["MLO"]
    without = breast("MLO", seed, tuple(name for name in HARD_NEGATIVES if name != kind))
    assert kind in whole.kinds
    assert kind not in without.kinds
    assert set(whole.kinds) - {kind} == set(without.kinds)
    assert np.array_equal(whole.depth_px, without.depth_px)
    changed = np.abs(whole.gland_mm - without.gland_mm) > 1e-3
    assert changed.any()
    # What is left is the same tissue, not another draw of it.
    assert not changed.all()
    for field in (whole.gland_mm, whole.adipose_mm, without.gland_mm, without.adipose_mm):
        assert np.isfinite(field).all()
        assert field.min() >= 0


def test_without_its_edge_the_muscle_fades() -> None:
    for sharp, least, most in ((True, 0.3, 3.5), (False, 14.0, 16.0)):
        cover, _ = _pectoral(np.random.default_rng(4), (800, 700), 0.2, sharp=sharp)
        row = cover[300]
        width_mm = 0.2 * float(((row > 0.25) & (row < 0.75)).sum())
        assert least < width_mm < most


def test_a_fine_grid_shows_the_same_breast() -> None:
    small = BreastTraits(40.0, 30.0, 45.0, 0.2, 0.4, 4, 2.0)
    fine = build_anatomy(np.random.default_rng(2), small, "CC", (1601, 1301), 0.05)
    plain = build_anatomy(np.random.default_rng(2), small, "CC", (801, 651), 0.1)
    assert fine.inside.shape == (1601, 1301)
    assert fine.nipple_mm == plain.nipple_mm
    assert fine.gland_mm.sum() * 0.05**2 == pytest.approx(plain.gland_mm.sum() * 0.1**2, rel=0.01)
    assert not fine.gland_mm[~fine.inside].any()


@pytest.mark.parametrize("pitch", [0.05, 0.1])
def test_a_tube_holds_what_its_geometry_says(pitch: float) -> None:
    canvas = np.zeros((int(20 / pitch), int(40 / pitch)), dtype=np.float32)
    path = np.column_stack([np.full(201, 10.0), np.linspace(10, 30, 201)])
    paint_tube(canvas, path, np.full(201, 0.6), np.full(201, 0.5), pitch)
    # Cylinder of 0.6 mm radius and 20 mm length at 0.5 mg/mm3; the ray through its middle runs 1.2 mm.
    assert float(canvas.sum()) * pitch**2 == pytest.approx(0.5 * np.pi * 0.6**2 * 20, rel=0.02)
    assert float(canvas.max()) == pytest.approx(0.5 * 1.2, rel=0.02)
    tube = np.zeros_like(canvas)
    paint_tube(tube, path, np.full(201, 0.6), np.full(201, 0.5), pitch, hollow=0.5)
    assert float(tube.sum()) * pitch**2 == pytest.approx(0.5 * np.pi * (0.6**2 - 0.3**2) * 20, rel=0.03)


@pytest.mark.slow
def test_they_are_no_part_of_the_truth(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(DETECTORS, "hard-test", Detector("a-Se", 0.4, 440, 330, (("W", "Rh"),)))
    setting = PhantomConfig(detectors=("hard-test",), hard_negative_rate=4.0)
    bare = PhantomConfig(detectors=("hard-test",), hard_negatives=())
    with_them, without = make_woman(6, setting, mass_mg=25.0), make_woman(6, bare, mass_mg=25.0)
    assert any(view.mask.any() for view in without.views)
    assert with_them.calcium_mass_mg == pytest.approx(without.calcium_mass_mg, rel=1e-6)
    for one, other in zip(with_them.views, without.views, strict=True):
        assert np.array_equal(one.mask, other.mask)
        assert not np.array_equal(one.stored.pixels, other.stored.pixels)
