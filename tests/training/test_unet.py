from __future__ import annotations

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from bac_training.network.checkpoint import load_network
from bac_training.network.unet import (
    BLOCKS,
    DEFAULT_WIDTHS,
    ProbabilityNet,
    ResidualBlock,
    UNet,
    count_flops,
    count_parameters,
)


@pytest.mark.parametrize("side", [(64, 64), (96, 160)])
def test_logits_have_the_shape_of_the_tiles(side: tuple[int, int]) -> None:
    network = UNet().eval()
    with torch.no_grad():
        assert network(torch.zeros(2, 1, *side)).shape == (2, 1, *side)


def test_the_default_network_is_small_and_cheap() -> None:
    network = UNet()
    # 1.5 million float32 parameters are 6 MB, under the 10 MB that a checked-in model may have.
    assert count_parameters(network) < 1_500_000
    assert count_flops(DEFAULT_WIDTHS, 512) < 11e9


@pytest.mark.parametrize("block", BLOCKS)
@pytest.mark.parametrize("widths", [(8, 16, 24), (8, 8, 16, 16)])
def test_counted_operations_are_torchs_own(widths: tuple[int, ...], block: str) -> None:
    network = UNet(widths, block).eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(torch.zeros(1, 1, 64, 64))
    assert count_flops(widths, 64, block) == counter.get_total_flops()


def test_weights_from_before_there_were_blocks_still_load() -> None:
    torch.manual_seed(0)
    network = UNet((8, 8)).eval()
    content = {"config": {"network": {"widths": [8, 8]}}, "average": network.state_dict()}
    tiles = torch.randn(1, 1, 32, 32)
    with torch.no_grad():
        assert torch.equal(load_network(content)(tiles), network(tiles))


def test_a_residual_block_without_its_convolutions_passes_its_input_on() -> None:
    block = ResidualBlock(4, 4).eval()
    for parameter in block.parameters():
        torch.nn.init.zeros_(parameter)
    x = torch.randn(1, 4, 8, 8)
    with torch.no_grad():
        assert torch.equal(block(x), x.clamp(min=0))


def _reach(network: UNet) -> int:
    """Return how many rows of the input touch one pixel of the output."""
    tiles = torch.randn(1, 1, 128, 128, requires_grad=True)
    network.eval()(tiles)[0, 0, 64, 64].backward()
    assert tiles.grad is not None
    return len(torch.unique(tiles.grad[0, 0].nonzero()[:, 0]))


def test_dilation_and_depth_widen_the_view() -> None:
    torch.manual_seed(0)
    plain = _reach(UNet((8, 8)))
    assert _reach(UNet((8, 8), "dilated")) > plain
    assert _reach(UNet((8, 8, 8))) > plain


def test_probabilities_are_the_sigmoid_of_the_logits() -> None:
    network = UNet((8, 8)).eval()
    tiles = torch.randn(1, 1, 32, 32)
    with torch.no_grad():
        expected = 1 / (1 + torch.exp(-network(tiles)))
        assert torch.allclose(ProbabilityNet(network)(tiles), expected, atol=1e-6)


def test_a_single_pixel_of_the_input_reaches_its_own_pixel_of_the_output() -> None:
    """The shuffles at both ends keep pixels in place."""
    torch.manual_seed(0)
    network = UNet((8, 8)).eval()
    tiles = torch.randn(1, 1, 64, 64, requires_grad=True)
    network(tiles)[0, 0, 21, 34].backward()
    assert tiles.grad is not None
    touched = tiles.grad[0, 0].abs().nonzero()
    centre = (touched.amin(0) + touched.amax(0)) / 2
    assert torch.all((centre - torch.tensor([21, 34])).abs() <= 2)


def test_networks_without_sense_are_refused() -> None:
    with pytest.raises(ValueError, match="widths"):
        UNet((8,))
    with pytest.raises(ValueError, match="'dense'; known are plain, residual, depthwise, dilated"):
        UNet((8, 8), "dense")
