"""Augmentation of patches: geometry patch by patch, appearance on the whole batch."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from bac_training.config import AugmentConfig
from bac_training.patches import Patch, PatchSampler

__all__ = ["augment", "draw_batch"]

_LOWEST, _HIGHEST = -4.0, 12.0
_BLUR_RADIUS_PX = 4


def draw_batch(
    sampler: PatchSampler, rng: np.random.Generator, batch: int, side: int, scale: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Draw patches with random flips, quarter turns and a slight change of scale.

    Parameters
    ----------
    sampler : PatchSampler
        Where patches come from.
    rng : numpy.random.Generator
        Source of chance.
    batch, side : int
        Number of patches and their side length in pixels.
    scale : float
        Side lengths change by up to this part.

    Returns
    -------
    image, target, breast : Tensor, float32, [batch, 1, side, side]
        Normalised image, BAC (0 or 1), breast (0 or 1).
    """
    stacks = []
    for _ in range(batch):
        cut = round(side / (1.0 + scale * rng.uniform(-1.0, 1.0)))
        stack = _stack(sampler.draw(rng, cut))
        if rng.random() < 0.5:
            stack = stack.flip(2)
        stack = torch.rot90(stack, int(rng.integers(4)), (1, 2))
        if cut != side:
            stack = functional.interpolate(stack[None], (side, side), mode="bilinear", align_corners=False)[0]
        stacks.append(stack)
    planes = torch.stack(stacks)
    image, target, breast = planes[:, :1], planes[:, 1:2] >= 0.5, planes[:, 2:] >= 0.5
    return image.contiguous(), target.float(), breast.float()


def _stack(patch: Patch) -> Tensor:
    return torch.from_numpy(
        np.stack((patch.image, patch.bac.astype(np.float32), patch.breast.astype(np.float32)))
    )


def augment(image: Tensor, breast: Tensor, rng: np.random.Generator, config: AugmentConfig) -> Tensor:
    """Change the appearance of a batch at random, each patch in its own way.

    Parameters
    ----------
    image, breast : Tensor, float32, [batch, 1, side, side]
        Normalised patches and breast (0 or 1).
    rng : numpy.random.Generator
        Source of chance.
    config : AugmentConfig
        How strongly.

    Returns
    -------
    Tensor, float32, [batch, 1, side, side]
        Changed patches, within the range of the normalisation and 0 outside the breast.
    """
    batch = len(image)

    def uniform(low: float, high: float) -> Tensor:
        return torch.from_numpy(rng.uniform(low, high, (batch, 1, 1, 1)).astype(np.float32))

    def chosen(part: float) -> Tensor:
        return torch.from_numpy((rng.random((batch, 1, 1, 1)) < part).astype(np.float32))

    smooth = _blur(image, rng.uniform(0.5, 1.3, batch))
    # A blur moves towards the smoothed patch, a sharpening away from it.
    amount = chosen(config.blur) * uniform(0.3, 1.0)
    amount -= chosen(config.sharpen) * uniform(0.2, 1.0)
    result = image + amount * (smooth - image)
    exponent = uniform(-config.gamma, config.gamma).exp()
    result = result.sign() * result.abs().pow(exponent)
    result = result * (1.0 + uniform(-config.gain, config.gain)) + uniform(-config.offset, config.offset)
    generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
    white = torch.randn(image.shape, generator=generator)
    sigmas = rng.uniform(0.5, 1.5, batch)
    # Blurring white noise by sigma divides its SD by 2 sqrt(pi) sigma.
    spread = torch.from_numpy((2.0 * math.sqrt(math.pi) * sigmas).astype(np.float32))[:, None, None, None]
    result = result + uniform(0.0, config.grain) * _blur(white, sigmas) * spread
    # The same numbers, moved far enough to be independent of the grain.
    result = result + uniform(0.0, config.noise) * torch.roll(white, (97, 61), dims=(2, 3))
    return result.clamp(_LOWEST, _HIGHEST) * breast


def _blur(image: Tensor, sigmas: np.ndarray[tuple[int], np.dtype[np.float64]]) -> Tensor:
    """Blur each patch of a batch ([batch, 1, side, side]) with a Gaussian of its own width in pixels."""
    offsets = np.arange(-_BLUR_RADIUS_PX, _BLUR_RADIUS_PX + 1)
    kernels = np.exp(-0.5 * (offsets[None, :] / sigmas[:, None]) ** 2)
    kernels /= kernels.sum(axis=1, keepdims=True)
    weights = torch.from_numpy(kernels.astype(np.float32))
    batch, size = weights.shape
    planes = image.transpose(0, 1)
    planes = functional.conv2d(planes, weights.view(batch, 1, size, 1), padding=(size // 2, 0), groups=batch)
    planes = functional.conv2d(planes, weights.view(batch, 1, 1, size), padding=(0, size // 2), groups=batch)
    return planes.transpose(0, 1)
