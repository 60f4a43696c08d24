from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from monai.metrics import compute_hausdorff_distance, compute_surface_dice
from scipy import ndimage

from bac_evaluation.vessels.geometry import (
    Shape,
    directed_distances,
    hausdorff_95,
    near,
    points_mm,
    shapes_of,
)

Mask = np.ndarray[Any, np.dtype[np.bool_]]
SPACING = (0.1, 0.07)


def blobs(seed: int) -> Mask:
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=(90, 110)), 3)
    return np.asarray(noise > 0.09)


def joined(shapes: list[Shape], kind: str) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.concatenate([getattr(shape, kind) for shape in shapes])


def one_hot(mask: Mask) -> torch.Tensor:
    return torch.from_numpy(np.stack((~mask, mask))[None].astype(np.float32))


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_surface_dice_and_hausdorff_against_monai(seed: int) -> None:
    true, found = blobs(seed), ndimage.shift(blobs(seed), (2, -1), order=0) | blobs(seed + 100)
    outlines = [joined(shapes_of(mask, SPACING, 0.3), "outline") for mask in (true, found)]
    hits = near(outlines[0], outlines[1], 0.2).sum() + near(outlines[1], outlines[0], 0.2).sum()
    expected = compute_surface_dice(one_hot(found), one_hot(true), [0.2], spacing=SPACING)
    assert hits / sum(map(len, outlines)) == pytest.approx(float(expected), abs=1e-6)
    expected = compute_hausdorff_distance(one_hot(found), one_hot(true), percentile=95, spacing=SPACING)
    assert hausdorff_95(outlines[0], outlines[1]) == pytest.approx(float(expected), abs=1e-5)


def test_distances_against_a_distance_map() -> None:
    mask = blobs(3)
    away = ndimage.distance_transform_edt(~mask, sampling=SPACING)
    everywhere = points_mm(np.ones_like(mask), SPACING)
    ways = directed_distances(everywhere, points_mm(mask, SPACING)).reshape(mask.shape)
    np.testing.assert_allclose(ways, away, atol=1e-9)
    within = near(everywhere, points_mm(mask, SPACING), 0.5).reshape(mask.shape)
    assert np.array_equal(within, away <= 0.5 + 1e-9)
    nothing = np.zeros((0, 2))
    assert np.isinf(directed_distances(everywhere[:3], nothing)).all()
    assert not near(everywhere[:3], nothing, 9.0).any()
    assert near(nothing, everywhere, 9.0).shape == (0,)


def test_points_of_two_matrices_over_one_field_agree() -> None:
    fine, coarse = points_mm(np.ones((2, 2), bool), (0.1, 0.1)), points_mm(np.ones((1, 1), bool), (0.2, 0.2))
    np.testing.assert_allclose(fine.mean(axis=0), coarse[0])
    np.testing.assert_allclose(points_mm(np.ones((1, 1), bool), (0.2, 0.5), (3, 4)), [[0.7, 2.25]])


@pytest.mark.parametrize(("gap", "pieces"), [(19, 1), (20, 2)])
def test_gaps_of_up_to_two_mm_are_bridged(gap: int, pieces: int) -> None:
    """Two bars; the border pixels on either side of `gap` free pixels are gap + 1 pixels of 0.1 mm apart."""
    mask = np.zeros((40, 200), dtype=bool)
    mask[10:20, 5:60] = mask[10:20, 60 + gap : 150] = True
    shapes = shapes_of(mask, (0.1, 0.1), 2.0)
    assert len(shapes) == pieces
    assert sum(shape.area_mm2 for shape in shapes) == pytest.approx(mask.sum() * 0.01)


@pytest.mark.parametrize("degrees", [0, 20, 45, 70])
@pytest.mark.parametrize("width", [0.8, 1.55, 3.0])
def test_width_and_line_of_a_bar(degrees: float, width: float) -> None:
    row, column = (axis * 0.1 for axis in np.mgrid[:400, :400])
    angle = np.deg2rad(degrees)
    along = (column - 20) * np.cos(angle) + (row - 20) * np.sin(angle)
    across = (row - 20) * np.cos(angle) - (column - 20) * np.sin(angle)
    (bar,) = shapes_of((abs(across) < width / 2) & (abs(along) < 12), (0.1, 0.1), 2.0)
    assert bar.width_mm == pytest.approx(width, abs=0.13)
    # The line runs along the middle, but for the ends, where it forks into the corners.
    middle = (bar.line[:, 0] - 20.05) * np.cos(angle) - (bar.line[:, 1] - 20.05) * np.sin(angle)
    assert np.median(abs(middle)) < 0.1


def test_a_single_pixel_is_a_shape() -> None:
    mask = np.zeros((5, 5), dtype=bool)
    mask[2, 3] = True
    (dot,) = shapes_of(mask, (0.1, 0.1), 2.0)
    assert len(dot.pixels) == len(dot.outline) == len(dot.line) == 1
    assert shapes_of(np.zeros((5, 5), dtype=bool), (0.1, 0.1), 2.0) == []
