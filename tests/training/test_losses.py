from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch import Tensor

from bac_training.network.losses import CompositeLoss, capped_distance_squared, dice_loss, hausdorff_loss


def random_masks(seed: int, count: int = 3, side: int = 40) -> Tensor:
    rng = np.random.default_rng(seed)
    smooth = ndimage.gaussian_filter(rng.normal(size=(count, side, side)), (0, 3, 3))
    return torch.from_numpy(smooth > 0.05)[:, None]


def test_dice_by_hand() -> None:
    probability = torch.tensor([1.0, 0.5, 0.0, 0.5])
    target = torch.tensor([1.0, 1.0, 0.0, 0.0])
    # 2 * 1.5 / (2 + 2)
    assert float(dice_loss(probability, target, smooth=0.0)) == pytest.approx(1 - 0.75)
    assert float(dice_loss(torch.zeros(4), torch.zeros(4))) == 0


@pytest.mark.parametrize("cap", [3, 12, 100])
def test_distances_are_scipys_up_to_the_cap(cap: int) -> None:
    masks = random_masks(1)
    squared = capped_distance_squared(masks, cap)
    for mask, found in zip(masks[:, 0].numpy(), squared[:, 0].numpy(), strict=True):
        inside, outside = (ndimage.distance_transform_edt(m) for m in (mask, ~mask))
        np.testing.assert_allclose(found, np.minimum(inside + outside, cap) ** 2, rtol=1e-6)


@pytest.mark.parametrize("value", [False, True])
def test_without_a_border_the_distance_is_the_cap(value: bool) -> None:
    assert torch.all(capped_distance_squared(torch.full((1, 1, 8, 8), value), 5) == 25)


def test_hausdorff_by_hand() -> None:
    """One false pixel beside a single true one, in a strip of four.

    Truth 0100, found 0110. Distances to the other side: truth 1 1 1 2, found 1 1 1 1.
    Only pixel 2 is wrong, by 1: 1 * (1 + 1) / 4 pixels / cap 2 squared.
    """
    target = torch.tensor([0.0, 1.0, 0.0, 0.0]).view(1, 1, 1, 4)
    probability = torch.tensor([0.0, 1.0, 1.0, 0.0]).view(1, 1, 1, 4)
    assert float(hausdorff_loss(probability, target, cap_px=2, stride=1)) == pytest.approx(2 / 4 / 4)


def test_hausdorff_is_monais_with_the_cap_out_of_reach() -> None:
    losses = pytest.importorskip("monai.losses.hausdorff_loss")
    target = random_masks(2).float()
    probability = torch.rand(target.shape, generator=torch.Generator().manual_seed(0))
    probability = (0.6 * target + 0.4 * probability).clamp(0, 1)
    cap = 200
    expected = losses.HausdorffDTLoss(include_background=True)(probability, target)
    found = hausdorff_loss(probability, target, cap_px=cap, stride=1) * cap**2
    assert float(found) == pytest.approx(float(expected), rel=1e-5)


def test_far_errors_cost_more_than_near_ones() -> None:
    target = torch.zeros(1, 1, 64, 64)
    target[..., 28:36, :] = 1
    near, far = target.clone(), target.clone()
    near[..., 36:38, 20:22] = 1
    far[..., 50:52, 20:22] = 1
    assert float(hausdorff_loss(far, target)) > 3 * float(hausdorff_loss(near, target))


def test_distance_maps_pass_no_gradient() -> None:
    target = random_masks(3).float()
    probability = torch.full_like(target, 0.6, requires_grad=True)
    hausdorff_loss(probability, target, cap_px=4, stride=1).backward()
    squared = capped_distance_squared(target > 0, 4) + 16
    expected = 2 * (0.6 - target) * squared / 16 / target.numel()
    assert probability.grad is not None
    assert torch.allclose(probability.grad, expected, atol=1e-8)


def test_composite_is_the_weighted_sum_of_its_terms() -> None:
    target = random_masks(4).float()
    logits = torch.randn(target.shape, generator=torch.Generator().manual_seed(1))
    terms = CompositeLoss(bce=2.0, dice=3.0, hausdorff=5.0, hausdorff_start=0.0, hausdorff_full=1.0)(
        logits, target, progress=0.5
    )
    p = torch.sigmoid(logits.double())
    bce = -(target * p.log() + (1 - target) * (1 - p).log()).mean()
    assert float(terms.bce) == pytest.approx(float(bce), rel=1e-5)
    expected = 2 * terms.bce + 3 * terms.dice + 2.5 * terms.hausdorff
    assert float(terms.total) == pytest.approx(float(expected), rel=1e-6)


def test_dice_is_monais() -> None:
    losses = pytest.importorskip("monai.losses.dice")
    target = random_masks(5).float()
    probability = torch.rand(target.shape, generator=torch.Generator().manual_seed(2))
    # MONAI adds its smoothing to numerator and denominator as well; `batch` pools as here.
    expected = losses.DiceLoss(smooth_nr=1.0, smooth_dr=1.0, batch=True)(probability, target)
    assert float(dice_loss(probability, target)) == pytest.approx(float(expected), rel=1e-6)


def test_ramp() -> None:
    loss = CompositeLoss(bce=2.0, dice=3.0, hausdorff=4.0, hausdorff_start=0.2, hausdorff_full=0.6)
    expected = {0.0: 0.0, 0.2: 0.0, 0.4: 2.0, 0.6: 4.0, 1.0: 4.0}
    for progress, hausdorff in expected.items():
        assert loss.weights(progress) == pytest.approx((2.0, 3.0, hausdorff))
    step = CompositeLoss(hausdorff_start=0.5, hausdorff_full=0.5)
    assert [step.weights(x)[2] for x in (0.49, 0.5)] == [0, 1]


def test_exchange() -> None:
    """Alpha x Dice + (1 - alpha) x Hausdorff, alpha falling by the same amount each step to its floor."""
    loss = CompositeLoss(
        bce=0.0, schedule="exchange", hausdorff_start=0.0, hausdorff_full=1.0, dice_floor=0.001
    )
    for progress, alpha in {0.0: 1.0, 0.01: 0.99, 0.3: 0.7, 0.9999: 0.001, 1.0: 0.001}.items():
        assert loss.weights(progress) == pytest.approx((0.0, alpha, 1.0 - alpha))


def test_a_term_of_weight_zero_is_not_computed() -> None:
    target = random_masks(6).float()
    terms = CompositeLoss(dice=0.0, hausdorff=0.0)(torch.randn(target.shape), target)
    assert (float(terms.dice), float(terms.hausdorff)) == (0, 0)
    assert float(terms.total) == float(terms.bce) > 0
