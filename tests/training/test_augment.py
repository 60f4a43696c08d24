from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import ndimage

from bac_training.config import AugmentConfig, load_config
from bac_training.patches.augment import _blur, augment, draw_batch
from bac_training.patches.draw import PatchSampler
from bac_training.patches.marks import draw_marks

NONE = AugmentConfig(**dict.fromkeys(asdict(load_config().augment), 0.0))


def test_blur_is_scipys() -> None:
    image = torch.randn(2, 1, 40, 40, generator=torch.Generator().manual_seed(0))
    rows, columns = np.array([0.6, 1.2]), np.array([1.0, 0.5])
    found = _blur(image, rows, columns)[:, 0].numpy()
    for plane, *sigmas, result in zip(image[:, 0].numpy(), rows, columns, found, strict=True):
        expected = ndimage.gaussian_filter(plane, sigmas, mode="constant", radius=4)
        np.testing.assert_allclose(result, expected, atol=1e-5)


def test_without_strength_nothing_changes() -> None:
    image = torch.randn(3, 1, 32, 32)
    found = augment(image, torch.ones_like(image), np.random.default_rng(0), NONE)
    assert torch.allclose(found, image.clamp(-4, 12), atol=1e-6)


def test_noise_has_its_spread_and_stays_in_the_breast() -> None:
    image = torch.zeros(64, 1, 64, 64)
    breast = torch.ones_like(image)
    breast[..., :20] = 0
    found = augment(image, breast, np.random.default_rng(0), replace(NONE, noise=0.4))
    assert torch.all(found[..., :20] == 0)
    spreads = found[..., 20:].flatten(1).std(1)
    # Uniform in 0 to 0.4.
    assert float(spreads.mean()) == pytest.approx(0.2, abs=0.05)
    assert float(spreads.max()) <= 0.42


def test_few_grey_levels_are_evenly_spaced() -> None:
    # Within the range of the normalisation, whose ends are no multiples of the step.
    image = torch.randn(4, 1, 64, 64, generator=torch.Generator().manual_seed(0)).clamp(-3, 3)
    found = augment(image, torch.ones_like(image), np.random.default_rng(0), replace(NONE, quantise=1.0))
    for patch, before in zip(found, image, strict=True):
        steps = np.diff(np.unique(patch.numpy().round(4)))
        assert 0.05 <= steps.min() <= 0.5
        np.testing.assert_allclose(steps / steps.min(), np.rint(steps / steps.min()), atol=0.01)
        assert float((patch - before).abs().max()) <= 0.5 * steps.min() + 1e-3


def test_scratches_are_straight_thin_and_bright() -> None:
    marks = draw_marks(torch.Size((40, 1, 96, 96)), np.random.default_rng(1), 0.5, 0.0)[:, 0].numpy()
    marked = [patch for patch in marks if patch.max() > 1]
    assert 10 <= len(marked) <= 30
    straight = 0
    for patch in marked:
        labels, count = ndimage.label(patch > 0.5 * patch.max(), np.ones((3, 3)))
        points = np.argwhere(labels == 1 + np.argmax(np.bincount(labels.ravel())[1:]))
        across, along = np.sqrt(np.linalg.eigvalsh(np.cov(points.T)))
        # A line of 3 pixels' width at most has a standard deviation of 1 across.
        straight += count == 1 and across < 1.0 and along > 5.0
    assert straight > len(marked) / 4, "one in three has a single scratch"
    assert marks.min() >= 0
    assert marks.max() <= 3 * 8.0


def test_dust_is_small_and_bright() -> None:
    marks = draw_marks(torch.Size((40, 1, 96, 96)), np.random.default_rng(1), 0.0, 1.0)[:, 0].numpy()
    for patch in marks:
        labels, count = ndimage.label(patch > 1)
        assert count <= 8
        for box in ndimage.find_objects(labels):
            assert max(s.stop - s.start for s in box) < 25
    assert 2 < np.median(marks.max(axis=(1, 2))) < 12


def test_marks_change_no_truth_and_stay_in_the_breast() -> None:
    image, breast = torch.zeros(20, 1, 64, 64), torch.ones(20, 1, 64, 64)
    breast[..., :20] = 0
    found = augment(image, breast, np.random.default_rng(0), replace(NONE, scratches=1.0, dust=1.0))
    assert torch.all(found[..., :20] == 0)
    assert float((found > 1).float().mean()) > 0.001


def test_gain_leaves_order() -> None:
    image = torch.linspace(-2, 6, 32 * 32).view(1, 1, 32, 32)
    found = augment(
        image, torch.ones_like(image), np.random.default_rng(1), replace(NONE, gain=0.3, gamma=0.2)
    )
    assert torch.all(found.flatten().diff() > 0)
    assert not torch.allclose(found, image)


def test_geometry_keeps_image_and_truth_together(cache: Path) -> None:
    sampler = PatchSampler([cache], 1.0, 0.0, 0.0)
    batch = draw_batch(sampler, np.random.default_rng(0), 16, 64, 0.15)
    image, target, breast = batch.image, batch.target, batch.breast
    assert image.shape == target.shape == breast.shape == (16, 1, 64, 64)
    assert set(target.unique().tolist()) == {0.0, 1.0}
    # The cases are 5 brighter in the artery.
    inside, outside = image[target > 0].mean(), image[(target == 0) & (breast > 0)].mean()
    assert float(inside - outside) == pytest.approx(5, abs=0.5)
    assert set(batch.names) <= {"case-0", "case-1", "case-2"}
    again = draw_batch(sampler, np.random.default_rng(0), 16, 64, 0.15)
    assert torch.equal(image, again.image)
