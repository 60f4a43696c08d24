"""The composite loss: binary cross-entropy + Dice + Hausdorff.

The three terms are those of Molloi et al. (Academic Radiology 2025), whose weights were not published.
The Hausdorff term is the distance-transform form of Karimi and Salcudean (IEEE Trans. Med. Imaging 2020):
the mean of ``(p - g)^2 (DT(p > 0.5)^2 + DT(g)^2)``, DT being the distance to the border of the mask.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["CompositeLoss", "LossTerms", "capped_distance_squared", "dice_loss", "hausdorff_loss"]

_FAR = 1e9


def dice_loss(probability: Tensor, target: Tensor, smooth: float = 1.0) -> Tensor:
    """Return one minus the soft Dice coefficient, pooled over the batch.

    Pooling, rather than averaging over patches, keeps patches without any BAC from ruling the gradient.
    `smooth` pixels are added to numerator and denominator; an empty prediction of an empty truth scores 0.
    """
    overlap = (probability * target).sum()
    total = probability.sum() + target.sum()
    return 1.0 - (2.0 * overlap + smooth) / (total + smooth)


@torch.no_grad()
def capped_distance_squared(mask: Tensor, cap_px: int) -> Tensor:
    """Return the squared distance of each pixel to the other side of the mask's border, capped.

    Inside the mask it is the distance to the nearest pixel outside and the reverse, as in the two-sided
    Euclidean distance transform. Distances up to the cap are exact; the two separable passes over a window of
    the cap's width (lower envelope of parabolas, Felzenszwalb and Huttenlocher 2012) treat a whole batch at
    once, which for small caps is several times faster than a transform image by image. All are
    [batch, 1, height, width]; an image without a border has the cap everywhere.
    """
    # First to the mask, then to its complement: each is zero where the other is not.
    squared = torch.cat((mask, ~mask), dim=1).logical_not().float() * _FAR
    for axis in (3, 2):
        length = squared.shape[axis]
        nearest = squared.clone()
        for shift in range(1, min(cap_px, length - 1) + 1):
            ahead = squared.narrow(axis, shift, length - shift) + float(shift * shift)
            behind = squared.narrow(axis, 0, length - shift) + float(shift * shift)
            lower, upper = (
                nearest.narrow(axis, 0, length - shift),
                nearest.narrow(axis, shift, length - shift),
            )
            torch.minimum(lower, ahead, out=lower)
            torch.minimum(upper, behind, out=upper)
        squared = nearest
    return squared.clamp_(max=float(cap_px * cap_px)).amax(dim=1, keepdim=True)


def hausdorff_loss(probability: Tensor, target: Tensor, cap_px: int = 16, stride: int = 2) -> Tensor:
    """Return the distance-transform Hausdorff loss, divided by the square of the cap.

    The cap keeps one false spot far from any artery from outweighing the borders; the division puts the
    weights into 0 to 2, so that the term has the scale of a mean squared error. Distance maps are computed on
    a grid coarser by `stride`, of which the cap is a multiple; errors are averaged onto it.
    """
    truth, found = target, (probability.detach() > 0.5).float()
    error = (probability - target) ** 2
    if stride > 1:
        error, truth, found = (functional.avg_pool2d(t, stride) for t in (error, truth, found))
    cap = max(cap_px // stride, 1)
    maps = capped_distance_squared(torch.cat((truth, found)) >= 0.5, cap)
    weight = maps[: len(truth)] + maps[len(truth) :]
    return (error * weight).mean() / float(cap * cap)


@dataclass(frozen=True)
class LossTerms:
    """The loss and its three terms before weighting (scalars with gradient)."""

    total: Tensor
    bce: Tensor
    dice: Tensor
    hausdorff: Tensor


@dataclass(frozen=True)
class CompositeLoss:
    """Weighted sum of the three terms, whose weights may change over the run.

    Distances to a prediction that is still noise say nothing, so the Hausdorff term starts late. Between
    `hausdorff_start` and `hausdorff_full` it grows linearly from nothing to its weight, and the Dice term
    either keeps its own ("ramp") or gives way to it as in the public code of Molloi's laboratory
    ("exchange": alpha x Dice + (1 - alpha) x Hausdorff, alpha falling from 1 to a floor).

    Parameters
    ----------
    bce, dice, hausdorff : float
        Weights of the terms. A term of weight 0 is not computed.
    schedule : {"ramp", "exchange"}
        How the weights of the Dice and Hausdorff terms change.
    hausdorff_start, hausdorff_full : float
        Parts of the run (0 to 1) at which the Hausdorff term sets in and reaches its full weight.
    dice_floor : float
        Part of the Dice term's weight that an exchange leaves.
    cap_px : int
        Largest distance in pixels.
    """

    bce: float = 1.0
    dice: float = 1.0
    hausdorff: float = 1.0
    schedule: Literal["ramp", "exchange"] = "ramp"
    hausdorff_start: float = 0.1
    hausdorff_full: float = 0.4
    dice_floor: float = 0.001
    cap_px: int = 16

    def weights(self, progress: float) -> tuple[float, float, float]:
        """Return the weights of the three terms (BCE, Dice, Hausdorff) at `progress` (0 to 1) of the run."""
        span = self.hausdorff_full - self.hausdorff_start
        ramp = (
            (progress - self.hausdorff_start) / span if span > 0 else float(progress >= self.hausdorff_start)
        )
        ramp = min(max(ramp, 0.0), 1.0)
        if self.schedule == "ramp":
            return self.bce, self.dice, self.hausdorff * ramp
        alpha = max(1.0 - ramp, self.dice_floor)
        return self.bce, self.dice * alpha, self.hausdorff * (1.0 - alpha)

    def __call__(self, logits: Tensor, target: Tensor, progress: float = 1.0) -> LossTerms:
        """Return the loss of a batch, [batch, 1, height, width]; `progress` is the done part of the run."""
        weights = self.weights(progress)
        zero = logits.new_zeros(())
        probability = torch.sigmoid(logits)
        bce = functional.binary_cross_entropy_with_logits(logits, target) if weights[0] else zero
        dice = dice_loss(probability, target) if weights[1] else zero
        hausdorff = hausdorff_loss(probability, target, self.cap_px) if weights[2] else zero
        total = weights[0] * bce + weights[1] * dice + weights[2] * hausdorff
        return LossTerms(total, bce, dice, hausdorff)
