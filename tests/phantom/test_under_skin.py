"""Arteries that follow the skin, on a breast that is half a disc: its border is known."""

import numpy as np
import pytest

from bac_phantom.body.anatomy import Anatomy
from bac_phantom.calcium.courses import Projection
from bac_phantom.calcium.under_skin import DEPTH_MM, lay_under_skin

PITCH_MM = 0.2
RADIUS_MM = 80.0
MIDDLE_MM = 100.0
THICKNESS_MM = 50.0


@pytest.fixture(scope="module")
def view() -> tuple[Anatomy, Projection]:
    """Half a disc whose straight side is the chest wall, at the left border of the image."""
    rows, columns = np.mgrid[:1000, :600].astype(np.float32) * PITCH_MM
    depth_mm = np.clip(RADIUS_MM - np.hypot(rows - MIDDLE_MM, columns), 0, None)
    nipple = (MIDDLE_MM, RADIUS_MM)
    tissue = np.full((1, 1), THICKNESS_MM, dtype=np.float32)
    anatomy = Anatomy(tissue, tissue, depth_mm > 0, (depth_mm / PITCH_MM).astype(np.float32), nipple)
    projection = Projection("CC", nipple, MIDDLE_MM, 650.0, 20.0, THICKNESS_MM, 60.0, 1)
    return anatomy, projection


@pytest.mark.parametrize("seed", range(8))
def test_the_course_keeps_its_depth_below_the_skin(view: tuple[Anatomy, Projection], seed: int) -> None:
    anatomy, projection = view
    course = lay_under_skin(np.random.default_rng(seed), anatomy, projection, PITCH_MM, 40.0)
    assert course is not None
    path, _ = projection.project(projection.place(course))
    depth_mm = RADIUS_MM - np.hypot(path[:, 0] - MIDDLE_MM, path[:, 1])
    # It wanders about the depth that it aims at: by 1.2 mm (SD) at most.
    assert depth_mm.min() > 0.2
    assert depth_mm.max() < DEPTH_MM[1] + 4.0
    assert depth_mm.std() < 2.0
    # 0.1 mm a step, as a curve has it; none is thrown out of the way.
    assert np.linalg.norm(np.diff(path, axis=0), axis=1).max() < 0.15


def test_the_chest_wall_is_no_skin(view: tuple[Anatomy, Projection]) -> None:
    anatomy, projection = view
    for seed in range(20):
        course = lay_under_skin(np.random.default_rng(seed), anatomy, projection, PITCH_MM, 120.0)
        if course is not None:
            path, _ = projection.project(projection.place(course))
            assert (np.hypot(path[:, 0] - MIDDLE_MM, path[:, 1]) > RADIUS_MM - DEPTH_MM[1] - 5.0).all()


def test_a_breast_without_room_has_none() -> None:
    nothing = np.zeros((100, 100), dtype=np.float32)
    anatomy = Anatomy(nothing, nothing, nothing > 0, nothing, (10.0, 10.0))
    projection = Projection("CC", (10.0, 10.0), 10.0, 650.0, 20.0, THICKNESS_MM, 60.0, 1)
    assert lay_under_skin(np.random.default_rng(0), anatomy, projection, PITCH_MM, 40.0) is None
