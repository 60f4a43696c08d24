"""Figures of hand-made rows, so that what each of them counts is written down once more."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bac_evaluation import figures
from bac_evaluation.dataset import Dataset, View, Woman
from bac_evaluation.figures import Estimate, estimate
from bac_evaluation.measure import Near, Row
from bac_evaluation.sample import CATEGORIES, Sample, tabulate
from bac_evaluation.strata import stratify
from bac_evaluation.targets import TARGETS, as_text, is_met, value_text
from bac_evaluation.vessels.froc import Candidate
from bac_evaluation.vessels.matching import FoundVessel, TrueVessel
from bac_training.network.metrics import Overlap


def result(mass: float | None, found: bool, score: float, view: View) -> dict[str, Any]:
    interval = None if mass is None else [0.8 * mass, 1.2 * mass]
    return {
        "status": "ok",
        "bac_detected": found,
        "bac_probability": score,
        "calcium_mass_mg": mass,
        "calcium_mass_interval_mg": interval,
        "mass_basis": "none" if mass is None else "calibrated",
        "laterality": view.laterality,
        "view": view.view,
    }


def woman(
    name: str, true: tuple[float, float], found: tuple[float, float] | None, **kinds: Any
) -> tuple[Woman, dict[str, Row]]:
    """A woman with one CC view a breast, of these masses (left, right); a view with mass has one vessel."""
    views, rows = [], {}
    for side, number in (("L", 0), ("R", 1)):
        mass = true[number]
        view = View(f"{name}{side}", f"{name}{side}.png", laterality=side, view="CC", mass_mg=mass, **kinds)
        measured = None if found is None else found[number]
        detected = bool(measured)
        px, both = (100 if mass else 0), (90 if mass and detected else 0)
        vessel = TrueVessel(
            10.0, 1.0 if mass < 10 else 2.0, mass, 0.9 * detected, 0.9, 0.5 if detected else None
        )
        alarm = detected and not mass
        rows[view.path] = Row(
            path=view.path,
            result=result(measured, detected, 0.9 if detected else 0.2, view),
            overlap=Overlap(both + 20 * alarm, px, both),
            line=Near(
                20.0 * bool(mass), 18.0 * bool(both) + 4.0 * alarm, 17.0 * bool(both), 16.0 * bool(both)
            ),
            surface=Near(50 * bool(mass), 40 * bool(both), 45 * bool(both), 36 * bool(both)),
            false_area_mm2=0.2 * alarm,
            true_vessels=[vessel] if mass else [],
            found_vessels=[FoundVessel(2.0, 0.0)] if alarm else [],
            candidates=[Candidate(1.5, True)] if alarm else [],
            vessel_scores=[2.0 * detected] if mass else [],
        )
        views.append(view)
    return Woman(name, tuple(views), sum(true), {"L": true[0], "R": true[1]}), rows


def made() -> tuple[Dataset, dict[str, Row]]:
    cases = [
        woman("a", (30.0, 12.0), (27.0, 11.0), look="raw", thickness_mm=40.0),
        woman("b", (1.0, 0.0), (0.0, 0.5), look="raw", thickness_mm=41.0),  # missed left, invented right
        woman("c", (0.0, 0.0), (0.0, 0.0), look="film", hard_negatives=frozenset({"clip"})),
        woman("d", (4.0, 4.0), (4.0, 4.0), look="film", hard_negatives=frozenset()),
    ]
    women, rows = zip(*cases, strict=True)
    merged = {path: row for part in rows for path, row in part.items()}
    return Dataset(Path("heldout"), women, 1, "0" * 64), merged


@pytest.fixture
def sample() -> Sample:
    dataset, rows = made()
    return tabulate(dataset.women, rows)


def test_masks_by_hand(sample: Sample) -> None:
    found = figures.segmentation(sample)
    hit = 2 * 90 / (90 + 100)
    assert found["dice"] == pytest.approx((4 * hit + 0) / 5)
    assert found["dice_2mg"] == pytest.approx(hit)  # without the 1 mg that was missed
    assert found["dice_2mg_wide"] == pytest.approx(hit)
    assert found["dice_pooled"] == pytest.approx(2 * 360 / (360 + 20 + 500))
    assert found["line_recall"] == pytest.approx(4 * 17 / 100)
    assert found["line_precision"] == pytest.approx(4 * 16 / (4 * 18 + 4))
    recall, precision = 0.68, 64 / 76
    assert found["cldice"] == pytest.approx(2 * recall * precision / (recall + precision))
    assert found["surface_dice_2mg"] == pytest.approx((45 + 36) / 90)
    assert found["surface_dice"] == pytest.approx(0.9 * 4 / 5)
    assert found["surface_dice_pooled"] == pytest.approx(4 * 81 / (4 * 90 + 50))
    assert found["hd95_mm"] == 0.5
    assert found["false_area_mm2"] == pytest.approx(0.2 / 8)
    assert found["false_area_negative_mm2"] == pytest.approx(0.2 / 3)


def test_vessels_by_hand(sample: Sample) -> None:
    found = figures.vessels(sample)
    assert found["sensitivity"] == pytest.approx(4 / 5)
    assert found["false_per_view"] == pytest.approx(1 / 8)
    # 1 mg on 10 mm2 is 10 mg/cm2: all are dense. The smallest found is 4 mg, with 4 of 4 from there on.
    assert found["smallest_found_mg"] == 4.0
    assert found["sensitivity_at_0.05"] == pytest.approx(0.8)


def test_detection_by_hand(sample: Sample) -> None:
    found = figures.detection(sample)
    # Views: 4 of 5 found, one of 3 without BAC called. Breasts are the same here. Women: 3 of 3, 0 of 1.
    assert found["view_sensitivity"] == pytest.approx(4 / 5)
    assert found["view_specificity"] == pytest.approx(2 / 3)
    assert found["view_f1"] == pytest.approx(8 / 10)
    assert found["breast_f1"] == found["view_f1"]
    assert (found["woman_f1"], found["woman_specificity"]) == (1.0, 1.0)
    # Of 15 pairs 4 x 2 are won, 4 x 1 and 1 x 2 tied, 1 x 1 lost.
    assert found["view_auc"] == pytest.approx((8 + 0.5 * 6) / 15)


def test_a_woman_is_confirmed_by_two_measured_views_of_a_breast_that_agree() -> None:
    refused = None
    seen: dict[str, tuple[float, list[bool | None]]] = {
        "both": (9.0, [True, True]),
        "one of two": (2.0, [False, True]),
        "a third refused": (9.0, [True, refused, True]),
        "one left": (9.0, [True, refused]),
        "one taken": (9.0, [True]),
        "invented once": (0.0, [True, False]),
        "invented, one left": (0.0, [True, refused]),
    }
    women, rows = [], {}
    for name, (mass, views) in seen.items():
        taken = []
        for number, found in enumerate(views):
            path = f"{name}-{number}.dcm"
            view = View(path, "mask.png", laterality="L", view=("CC", "MLO")[number % 2], mass_mg=mass)
            refusal = {"status": "refused", "code": "BAC-FILE-NOT-IMAGE", "reason": "torn"}
            told = refusal if found is None else result(mass if found else 0.0, found, 0.5, view)
            rows[path] = Row(path=path, result=told, overlap=Overlap(0, 100 if mass else 0, 0))
            taken.append(view)
        women.append(Woman(name, tuple(taken), mass, {"L": mass}))
    found = figures.detection(tabulate(women, rows))
    # On any view all five are found and both others invented. Two by two views: the first and the third.
    assert (found["woman_sensitivity"], found["woman_specificity"]) == (1.0, 0.0)
    assert (found["confirmed_sensitivity"], found["confirmed_specificity"]) == (2 / 5, 1.0)
    assert found["confirmed_f1"] == pytest.approx(4 / 7)


def test_masses_and_categories_by_hand(sample: Sample) -> None:
    found = figures.mass(sample)
    assert found["woman_mean_difference_mg"] == pytest.approx((-4 - 0.5 + 0 + 0) / 4)
    assert found["woman_to_20mg_mean_difference_mg"] == pytest.approx(-0.5 / 3)
    # Intervals of women with BAC: 30.4 to 45.6 holds 42; 0.4 to 0.6 does not hold 1; 6.4 to 9.6 holds 8.
    assert found["woman_interval_holds"] == pytest.approx(2 / 3)
    assert found["woman_interval_half_width_mg"] == pytest.approx(1.6)
    counts = figures.confusion(sample)
    assert {(CATEGORIES[i], CATEGORIES[j]): int(counts[i, j]) for i, j in np.argwhere(counts)} == {
        ("40-60", "20-40"): 1,
        ("0-20", "0-20"): 2,
        ("0", "0"): 1,
    }
    assert figures.categories(sample)["exact"] == pytest.approx(3 / 4)


def test_a_woman_who_cannot_be_weighed_has_no_category() -> None:
    (seen, rows), (clean, more) = woman("a", (3.0, 0.0), None), woman("b", (0.0, 0.0), None)
    sample = tabulate((seen, clean), rows | more)
    assert figures.confusion(sample).sum() == 0
    assert np.isnan(figures.mass(sample)["woman_slope"])
    assert figures.detection(sample)["woman_specificity"] == 1.0


def test_women_are_drawn_with_all_that_is_theirs(sample: Sample) -> None:
    sizes = set()
    for draw in sample.draws(50, seed=1):
        women, views = draw.women["woman"], draw.views["woman"]
        assert len(women) == 4
        assert sorted(np.repeat(women, 2)) == sorted(views)
        sizes.add(len(draw.vessels["woman"]))
        of_women = {0: 2, 1: 1, 2: 0, 3: 2}
        assert len(draw.vessels["woman"]) == sum(of_women[int(number)] for number in women)
    assert len(sizes) > 2


@pytest.mark.slow
def test_the_interval_of_a_mean_is_that_of_theory() -> None:
    """Of 200 women with one value each the mean's standard error is s / sqrt(n)."""
    cases = [woman(f"{n}", (5.0, 5.0), (5.0 + 0.01 * (n % 21 - 10),) * 2) for n in range(210)]
    rows = {path: row for _, part in cases for path, row in part.items()}
    sample = tabulate([case for case, _ in cases], rows)
    of = estimate(sample, lambda s: {"mean": float((s.women["mg"] - s.women["true_mg"]).mean())}, 1000, 0)
    found = of["mean"]
    error = np.std([0.02 * (n % 21 - 10) for n in range(210)]) / 210**0.5
    assert found.value == pytest.approx(0.0, abs=1e-12)
    assert found.low == pytest.approx(-1.96 * error, rel=0.12)
    assert found.high == pytest.approx(1.96 * error, rel=0.12)
    again = estimate(sample, lambda s: {"mean": float((s.women["mg"] - s.women["true_mg"]).mean())}, 1000, 0)
    assert again == of


def test_what_cannot_be_computed_is_none(sample: Sample) -> None:
    nothing = sample.of_views(np.zeros(8, dtype=bool))
    for group in figures.FIGURES.values():
        for name, value in group(nothing).items():
            assert np.isnan(value), name
    assert estimate(sample, lambda s: {"x": float("nan")}, 10, 0)["x"] == Estimate(None, None, None)
    assert value_text(Estimate(None, None, None), 2) == "-"
    assert value_text(Estimate(1.0, None, None), 2, "mm") == "1.00 mm"


def test_strata_hold_what_belongs_to_them(sample: Sample) -> None:
    dataset, _ = made()
    strata = stratify(dataset, sample, 10, 0)
    assert [(s.name, s.count, s.positives) for s in strata["look"]] == [("film", 4, 2), ("raw", 4, 3)]
    assert [(s.name, s.count) for s in strata["thickness"]] == [("to 40 mm", 2), ("40 to 50 mm", 2)]
    assert [s.name for s in strata["mass"]] == ["0 mg", "0-20 mg", "40-60 mg"]
    # Of women b to d only two are told about: one with a clip, one with nothing of the kind.
    assert [(s.name, s.count) for s in strata["hard negative"]] == [("none", 2), ("clip", 2)]
    assert [(s.name, s.count) for s in strata["artery width"]] == [("to 1 mm", 3), ("1.5 to 2 mm", 2)]
    assert "density" not in strata
    raw = strata["look"][1].figures
    assert raw["false_vessels"].value == pytest.approx(1 / 4)
    assert raw["sensitivity"].value == pytest.approx(2 / 3)


def test_targets_are_met_by_the_figure_itself(sample: Sample) -> None:
    found = {group: estimate(sample, of, 20, 0) for group, of in figures.FIGURES.items()}
    assert all(target.figure in found[target.group] for target in TARGETS)
    table = as_text(found).splitlines()
    assert len(table) == 1 + len(TARGETS)
    hd95 = next(line for line in table if line.startswith("HD95"))
    assert "to 1 mm" in hd95
    assert hd95.endswith("yes")
    dice = next(target for target in TARGETS if target.figure == "dice_2mg")
    assert [is_met(dice, Estimate(value, 0.8, 1.0)) for value in (0.9, 0.89, None)] == [True, False, None]
