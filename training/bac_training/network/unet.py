"""The segmentation network: a compact U-Net that works at half resolution inside.

A plain U-Net spends most of its arithmetic at full resolution, where the receptive field is smallest.
Here the input is rearranged losslessly into four channels at half resolution (pixel unshuffle, Shi et al.
2016 in reverse), all convolutions run there and below, and the head writes four logits per coarse pixel
that are shuffled back. A calcified artery is 5 to 20 pixels wide at 0.1 mm, so nothing is lost that the
network needs, and a 512 x 512 tile costs about a third of a plain U-Net of the same width.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["BLOCKS", "DEFAULT_WIDTHS", "ProbabilityNet", "UNet", "count_flops", "count_parameters"]

DEFAULT_WIDTHS = (32, 48, 64, 96, 128)


class ConvBlock(nn.Sequential):
    """Two 3 x 3 convolutions, each followed by batch normalisation and ReLU.

    Batch normalisation folds into the convolution on export, so that it costs nothing when serving. A
    `dilation` of 2, of the second convolution, widens the receptive field at the same cost.
    """

    def __init__(self, inputs: int, outputs: int, dilation: int = 1) -> None:
        super().__init__(
            nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
            nn.Conv2d(outputs, outputs, 3, padding=dilation, dilation=dilation, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
        )


class ResidualBlock(nn.Module):
    """A `ConvBlock` whose input is added before the last ReLU (He et al. 2016).

    Where the numbers of channels differ, a 1 x 1 convolution carries the input over.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.body = nn.Sequential(*list(ConvBlock(inputs, outputs))[:-1])
        self.carry = nn.Identity() if inputs == outputs else nn.Conv2d(inputs, outputs, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return features of `outputs` channels in the size of `x`."""
        return functional.relu(self.body(x) + self.carry(x))


class SeparableBlock(nn.Sequential):
    """A `ConvBlock` of depthwise separable convolutions (Howard et al. 2017).

    Each 3 x 3 convolution is one of its own for each channel, then a 1 x 1 convolution between channels.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        layers: list[nn.Module] = []
        for channels in (inputs, outputs):
            layers += [
                nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False),
                nn.Conv2d(channels, outputs, 1, bias=False),
                nn.BatchNorm2d(outputs),
                nn.ReLU(inplace=True),
            ]
        super().__init__(*layers)


BLOCKS: dict[str, Callable[[int, int], nn.Module]] = {
    "plain": ConvBlock,
    "residual": ResidualBlock,
    "depthwise": SeparableBlock,
    "dilated": partial(ConvBlock, dilation=2),
}


class UNet(nn.Module):
    """U-Net from normalised mammogram tiles to BAC logits.

    Parameters
    ----------
    widths : sequence of int, default DEFAULT_WIDTHS
        Channels of each level, from half resolution downwards. Each level halves the resolution.
    block : {"plain", "residual", "depthwise", "dilated"}, default "plain"
        What each level is built of: a key of `BLOCKS`.

    Raises
    ------
    ValueError
        For fewer than two widths, a width below 1 or an unknown block.

    Notes
    -----
    The side lengths of the input must be multiples of ``stride``.
    """

    def __init__(self, widths: Sequence[int] = DEFAULT_WIDTHS, block: str = "plain") -> None:
        super().__init__()
        if len(widths) < 2 or min(widths) < 1:
            raise ValueError(f"a U-Net needs two or more positive widths, not {tuple(widths)}")
        if block not in BLOCKS:
            raise ValueError(f"unknown block {block!r}; known are {', '.join(BLOCKS)}")
        make = BLOCKS[block]
        self.widths = tuple(int(width) for width in widths)
        self.stride = 2 ** len(self.widths)
        self.unshuffle = nn.PixelUnshuffle(2)
        self.encoder = nn.ModuleList(
            make(i, o) for i, o in zip((4, *self.widths[:-1]), self.widths, strict=True)
        )
        self.pool = nn.MaxPool2d(2)
        shallow, deep = self.widths[:-1][::-1], self.widths[1:][::-1]
        # Projecting before the upsampling does the work on a quarter of the pixels.
        self.project = nn.ModuleList(nn.Conv2d(d, s, 1) for d, s in zip(deep, shallow, strict=True))
        self.up = nn.Upsample(scale_factor=2.0, mode="nearest")
        self.decoder = nn.ModuleList(make(2 * s, s) for s in shallow)
        self.head = nn.Conv2d(self.widths[0], 4, 1)
        self.shuffle = nn.PixelShuffle(2)

    def forward(self, tiles: Tensor) -> Tensor:
        """Return BAC logits of normalised tiles, both [batch, 1, height, width].

        At 0.1 mm a pixel; height and width are multiples of ``stride``.
        """
        x = self.unshuffle(tiles)
        skips: list[Tensor] = []
        for level, block in enumerate(self.encoder):
            x = block(x if level == 0 else self.pool(x))
            skips.append(x)
        for project, block, skip in zip(self.project, self.decoder, skips[-2::-1], strict=True):
            x = block(torch.cat((skip, self.up(project(x))), dim=1))
        return self.shuffle(self.head(x))


class ProbabilityNet(nn.Module):
    """A U-Net, which gives logits, with the sigmoid inside: what is exported and served."""

    def __init__(self, network: UNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, tiles: Tensor) -> Tensor:
        """Return BAC probabilities, float32, in the shape of `tiles` ([batch, 1, height, width])."""
        return torch.sigmoid(self.network(tiles).float())


def count_parameters(network: nn.Module) -> int:
    """Return the number of trainable parameters."""
    return sum(p.numel() for p in network.parameters() if p.requires_grad)


def count_flops(widths: Sequence[int], side_px: int, block: str = "plain") -> int:
    """Return the floating-point operations of one forward pass on a square tile.

    Only convolutions are counted, a multiplication with its addition as two operations.
    """
    total = 0
    for level, width in enumerate(widths):
        pixels = (side_px // 2 ** (level + 1)) ** 2
        total += pixels * _products(widths[level - 1] if level else 4, width, block)
        if level + 1 < len(widths):
            total += pixels * _products(2 * width, width, block)
            total += pixels // 4 * widths[level + 1] * width
    total += (side_px // 2) ** 2 * widths[0] * 4
    return 2 * total


def _products(inputs: int, outputs: int, block: str) -> int:
    """Return the multiplications of a block for each pixel."""
    channels = inputs + outputs
    if block == "depthwise":
        return channels * (9 + outputs)
    carry = inputs * outputs if block == "residual" and inputs != outputs else 0
    return 9 * outputs * channels + carry
