from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from bac_evaluation.vessels.froc import Candidate, froc, score_vessels
from bac_evaluation.vessels.geometry import Shape, shapes_of
from bac_evaluation.vessels.matching import compare, share_masses

Mask = np.ndarray[Any, np.dtype[np.bool_]]
PX = 0.1


def bars(*boxes: tuple[int, int, int, int]) -> Mask:
    mask = np.zeros((200, 400), dtype=bool)
    for top, left, bottom, right in boxes:
        mask[top:bottom, left:right] = True
    return mask


def shapes(mask: Mask) -> list[Shape]:
    return shapes_of(mask, (PX, PX), 2.0)


def test_vessels_by_hand() -> None:
    true = bars((20, 20, 30, 220), (100, 20, 110, 120))
    # The first is found but for its last 5 mm, 1 px too thick; the second is missed; one is false.
    found = bars((20, 20, 31, 170), (160, 200, 170, 300))
    (first, second), (hit, alarm) = compare(shapes(true), shapes(found), [3.0, 1.0], 1.25)
    assert (first.found, second.found, hit.false, alarm.false) == (True, False, False, True)
    assert first.area_mm2 == pytest.approx(10 * 200 * 0.01 / 1.25**2)
    assert (first.mass_mg, second.mass_mg) == (3.0, 1.0)
    assert first.dice == pytest.approx(2 * 10 * 150 / (10 * 200 + 11 * 150))
    assert (second.dice, second.hd95_mm, second.covered) == (0.0, None, 0.0)
    # 150 px of 200 are found, and 10 more lie within 1 mm of them.
    assert first.covered == pytest.approx(160 / 200, abs=0.02)
    # The missing 5 mm are more than 5 % of the border: of about 416 px the farthest 21 lie beyond 4.4 mm.
    assert first.hd95_mm == pytest.approx(4.4, abs=0.15)
    assert alarm.area_mm2 == pytest.approx(10 * 100 * 0.01 / 1.25**2)


def test_a_find_that_runs_off_is_false_though_it_touches() -> None:
    true = bars((20, 20, 30, 70))
    found = bars((20, 60, 30, 360))
    (vessel,), (finding,) = compare(shapes(true), shapes(found), [None], 1.0)
    assert finding.false
    assert finding.true_share == pytest.approx(20 / 300, abs=0.03)
    assert vessel.dice == 0


def test_found_pixels_go_to_the_nearest_vessel() -> None:
    true = bars((20, 20, 30, 220), (70, 20, 80, 220))
    vessels, findings = compare(shapes(true), shapes(true), [None, None], 1.0)
    assert [vessel.dice for vessel in vessels] == [1.0, 1.0]
    assert [vessel.hd95_mm for vessel in vessels] == [0.0, 0.0]
    assert not any(finding.false for finding in findings)
    assert compare([], [], [], 1.0) == ([], [])


def artery(mass: float, area: float, box: list[int] | None) -> dict[str, Any]:
    return {"calcium_mass_mg": mass, "area_mm2": area, "bbox_px": box}


def test_masses_go_to_the_pieces_in_an_arterys_box() -> None:
    pieces = shapes(bars((20, 20, 30, 120), (20, 160, 30, 210), (100, 20, 110, 120)))
    # The first artery is the two upper pieces, of 10 and 5 mm2; their order in the list does not matter.
    arteries = [
        artery(4.0, 10.0, [100, 20, 110, 120]),
        artery(3.0, 15.0, [20, 20, 30, 210]),
        artery(0.5, 0.0, None),
    ]
    assert share_masses(pieces, arteries, 7.5) == pytest.approx([2.0, 1.0, 4.0])
    assert share_masses(pieces, arteries[::-1], 7.5) == pytest.approx([2.0, 1.0, 4.0])
    # Without boxes by area, without a mass not at all.
    assert share_masses(pieces, [{"calcium_mass_mg": 7.5}], 7.5) == pytest.approx([3.0, 1.5, 3.0])
    assert share_masses(pieces, arteries, None) == [None] * 3


def test_arteries_that_cross_are_one_piece_with_both_masses() -> None:
    cross = bars((20, 20, 30, 220), (20, 100, 120, 110), (150, 300, 160, 400))
    arteries = [
        artery(3.0, 20.0, [20, 20, 30, 220]),
        artery(1.0, 9.0, [20, 100, 120, 110]),
        artery(2.0, 10.0, [150, 300, 160, 400]),
    ]
    assert share_masses(shapes(cross), arteries, 6.0) == pytest.approx([4.0, 2.0], abs=1e-3)


def test_a_vessel_has_the_score_that_finds_a_quarter_of_it() -> None:
    true = shapes(bars((20, 20, 30, 220), (100, 20, 110, 120)))
    (short,), (rest,), (other,) = (
        shapes(bars(box)) for box in ((20, 20, 30, 40), (20, 100, 30, 200), (160, 20, 170, 220))
    )
    judged, scores = score_vessels(true, [(short, 9.0), (rest, 4.0), (other, 7.0)])
    assert judged == [Candidate(9.0, False), Candidate(4.0, False), Candidate(7.0, True)]
    # The short one covers 2 mm and its reach of 20: not a quarter. Nothing is near the second.
    assert scores == [4.0, 0.0]
    assert score_vessels([], []) == ([], [])


def test_froc_by_hand() -> None:
    curve = froc(np.array([9.0, 4.0, 4.0, 0.0]), np.array([7.0, 4.0, 1.0]), views=10)
    assert curve is not None
    assert curve.scores.tolist() == [9.0, 7.0, 4.0, 1.0]
    assert curve.sensitivity.tolist() == [0.25, 0.25, 0.75, 0.75]
    assert curve.false_per_view.tolist() == pytest.approx([0.0, 0.1, 0.2, 0.3])
    assert curve.sensitivity_at(0.19) == 0.25
    assert curve.sensitivity_at(0.2) == 0.75
    assert froc(np.zeros(0), np.array([1.0]), 3) is None
