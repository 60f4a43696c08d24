"""Augmentation of patches: geometry patch by patch, appearance on the whole batch."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from bac_training.config import AugmentConfig
from bac_training.patches.draw import Patch, PatchSampler
from bac_training.patches.marks import draw_marks

__all__ = ["Batch", "augment", "draw_batch"]

FloatArray = npt.NDArray[np.float64]

_LOWEST, _HIGHEST = -4.0, 12.0
_BLUR_RADIUS_PX = 4
_STEP_SD = (0.05, 0.5)  # of 8-bit films: a local SD is 2 to 10 grey levels


@dataclass(frozen=True)
class Batch:
    """Patches to learn from."""

    # normalised image, BAC (0 or 1), breast (0 or 1)
    image: Tensor
    target: Tensor
    breast: Tensor
    names: tuple[str, ...]  # the cases they were cut from

    def pinned(self) -> Batch:
        """Return the batch in memory that a GPU can copy from while it computes."""
        return replace(
            self,
            image=self.image.pin_memory(),
            target=self.target.pin_memory(),
            breast=self.breast.pin_memory(),
        )


def draw_batch(sampler: PatchSampler, rng: np.random.Generator, batch: int, side: int, scale: float) -> Batch:
    """Draw patches with random flips, quarter turns and a slight change of scale, on the CPU.

    Side lengths change by up to the part `scale`.
    """
    stacks, names = [], []
    for _ in range(batch):
        cut = round(side / (1.0 + scale * rng.uniform(-1.0, 1.0)))
        patch = sampler.draw(rng, cut)
        names.append(patch.name)
        stack = _stack(patch)
        if rng.random() < 0.5:
            stack = stack.flip(2)
        stack = torch.rot90(stack, int(rng.integers(4)), (1, 2))
        if cut != side:
            stack = functional.interpolate(stack[None], (side, side), mode="bilinear", align_corners=False)[0]
        stacks.append(stack)
    planes = torch.stack(stacks)
    image, target, breast = planes[:, :1], planes[:, 1:2] >= 0.5, planes[:, 2:] >= 0.5
    return Batch(image.contiguous(), target.float(), breast.float(), tuple(names))


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
    batch, device = len(image), image.device

    def uniform(low: float, high: float) -> Tensor:
        return torch.from_numpy(rng.uniform(low, high, (batch, 1, 1, 1)).astype(np.float32)).to(device)

    def chosen(part: float) -> Tensor:
        return torch.from_numpy((rng.random((batch, 1, 1, 1)) < part).astype(np.float32)).to(device)

    image = image + draw_marks(image.shape, rng, config.scratches, config.dust).to(device)
    sigmas = rng.uniform(0.5, 1.3, batch)
    ratio = np.exp(0.5 * config.anisotropy * rng.uniform(-1.0, 1.0, batch))
    smooth = _blur(image, sigmas * ratio, sigmas / ratio)
    # A blur moves towards the smoothed patch, a sharpening away from it.
    amount = chosen(config.blur) * uniform(0.3, 1.0)
    amount -= chosen(config.sharpen) * uniform(0.2, 1.0)
    result = image + amount * (smooth - image)
    exponent = uniform(-config.gamma, config.gamma).exp()
    result = result.sign() * result.abs().pow(exponent)
    result = result * (1.0 + uniform(-config.gain, config.gain)) + uniform(-config.offset, config.offset)
    generator = torch.Generator(device).manual_seed(int(rng.integers(2**62)))
    white = torch.randn(image.shape, generator=generator, device=device)
    sigmas = rng.uniform(0.5, 1.5, batch)
    # Blurring white noise by sigma divides its SD by 2 sqrt(pi) sigma.
    spread = torch.from_numpy((2.0 * math.sqrt(math.pi) * sigmas).astype(np.float32)).to(device)
    grain = _blur(white, sigmas, sigmas) * spread[:, None, None, None]
    result = result + uniform(0.0, config.grain) * grain
    # The same numbers, moved far enough to be independent of the grain.
    result = result + uniform(0.0, config.noise) * torch.roll(white, (97, 61), dims=(2, 3))
    step = uniform(*_STEP_SD)
    coarse = chosen(config.quantise)
    result = result + coarse * ((result / step).round() * step - result)
    return result.clamp(_LOWEST, _HIGHEST) * breast


def _blur(image: Tensor, row_sigmas: FloatArray, column_sigmas: FloatArray) -> Tensor:
    """Blur each patch of a batch ([batch, 1, side, side]) with Gaussians of its own widths in pixels."""
    offsets = np.arange(-_BLUR_RADIUS_PX, _BLUR_RADIUS_PX + 1)
    planes, batch, size = image.transpose(0, 1), len(image), len(offsets)
    for sigmas, shape, padding in (
        (row_sigmas, (size, 1), (size // 2, 0)),
        (column_sigmas, (1, size), (0, size // 2)),
    ):
        kernels = np.exp(-0.5 * (offsets[None, :] / sigmas[:, None]) ** 2)
        kernels /= kernels.sum(axis=1, keepdims=True)
        weights = torch.from_numpy(kernels.astype(np.float32)).to(image.device).view(batch, 1, *shape)
        planes = functional.conv2d(planes, weights, padding=padding, groups=batch)
    return planes.transpose(0, 1)
