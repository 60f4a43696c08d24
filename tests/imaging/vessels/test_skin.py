"""The way to the skin, held against all distances."""

from __future__ import annotations

import numpy as np
import pytest

from bac_imaging.vessels.skin import from_skin_mm

SPACING = (0.1, 0.1)


def _breast() -> np.ndarray:
    y, x = np.ogrid[:600, :400]
    return np.asarray((((y - 300) / 250) ** 2 + (x / 300) ** 2) < 1.0)


@pytest.mark.parametrize("holes", [False, True])
def test_ways_are_those_to_the_nearest_edge(holes: bool) -> None:
    breast = _breast()
    points = np.random.default_rng(4).uniform((10.0, 5.0), (50.0, 30.0), (300, 2))
    # Along an ellipse, drawn as a line of points: 1.5 mm outside of it runs the skin.
    angle = np.linspace(-np.pi / 2, np.pi / 2, 20_000)
    edge = np.stack([30.0 + 25.0 * np.sin(angle), 30.0 * np.cos(angle)], axis=1)
    edge = edge[edge[:, 1] > 3.0]
    expected = np.hypot(*(points[:, None] - edge).transpose(2, 0, 1)).min(axis=1) + 1.5
    if holes:  # no skin is in a hole
        breast[280:300, 100:140] = breast[200:203, 50:150] = False
    found = from_skin_mm(points, breast, SPACING)
    inside = points[:, 1] > 6.0  # elsewhere the end of the line may be nearer
    np.testing.assert_allclose(found[inside], expected[inside], atol=0.15)


def test_only_short_ways_are_sought() -> None:
    points = np.random.default_rng(5).uniform((10.0, 1.0), (50.0, 30.0), (500, 2))
    every = from_skin_mm(points, _breast(), SPACING)
    near = from_skin_mm(points, _breast(), SPACING, within_mm=3.0)
    short = every <= 3.0
    assert short.any()
    assert np.array_equal(near[short], every[short])
    assert (near[~short] > 3.0).all()


def test_without_breast_there_is_no_skin() -> None:
    assert np.isinf(from_skin_mm(np.ones((3, 2)), np.zeros((50, 60), dtype=bool), SPACING)).all()
