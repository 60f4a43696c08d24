from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import ndimage

from bac_training.augment import _blur, augment, draw_batch
from bac_training.config import AugmentConfig, load_config
from bac_training.patches import PatchSampler

NONE = AugmentConfig(**dict.fromkeys(asdict(load_config().augment), 0.0))


def test_blur_is_scipys() -> None:
    image = torch.randn(2, 1, 40, 40, generator=torch.Generator().manual_seed(0))
    sigmas = np.array([0.6, 1.2])
    for plane, sigma, found in zip(
        image[:, 0].numpy(), sigmas, _blur(image, sigmas)[:, 0].numpy(), strict=True
    ):
        expected = ndimage.gaussian_filter(plane, sigma, mode="constant", radius=4)
        np.testing.assert_allclose(found, expected, atol=1e-5)


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


def test_gain_leaves_order() -> None:
    image = torch.linspace(-2, 6, 32 * 32).view(1, 1, 32, 32)
    found = augment(
        image, torch.ones_like(image), np.random.default_rng(1), replace(NONE, gain=0.3, gamma=0.2)
    )
    assert torch.all(found.flatten().diff() > 0)
    assert not torch.allclose(found, image)


def test_geometry_keeps_image_and_truth_together(cache: Path) -> None:
    sampler = PatchSampler([cache], 1.0, 0.0, 0.0)
    image, target, breast = draw_batch(sampler, np.random.default_rng(0), 16, 64, 0.15)
    assert image.shape == target.shape == breast.shape == (16, 1, 64, 64)
    assert set(target.unique().tolist()) == {0.0, 1.0}
    # The cases are 5 brighter in the artery.
    inside, outside = image[target > 0].mean(), image[(target == 0) & (breast > 0)].mean()
    assert float(inside - outside) == pytest.approx(5, abs=0.5)
    again, *_ = draw_batch(sampler, np.random.default_rng(0), 16, 64, 0.15)
    assert torch.equal(image, again)
