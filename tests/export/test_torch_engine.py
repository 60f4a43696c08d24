"""The PyTorch engine on a CPU, and its GPU lane on stand-ins for the four names of CUDA that it uses."""

from __future__ import annotations

import json
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import pytest
import torch

from bac_export.errors import ExportError
from bac_export.parity import onnxruntime_engine
from bac_export.torch_engine import HalfNet, TorchSegmenter, _GpuLane, network_from_onnx


@pytest.fixture
def shape(exported: Path) -> dict[str, Any]:
    return dict(json.loads((exported.parent / "model_card.json").read_text())["network"])


@pytest.fixture(scope="module")
def tiles() -> np.ndarray:
    tiles = np.random.default_rng(3).normal(size=(5, 1, 512, 512)).astype(np.float32)
    tiles.flags.writeable = False  # as Triton hands them over
    return tiles


def test_it_answers_as_the_file_does_whatever_the_batch(
    exported: Path, shape: dict[str, Any], tiles: np.ndarray
) -> None:
    expected = onnxruntime_engine(exported)(tiles)
    segmenter = TorchSegmenter(exported, shape, "cpu")
    for batch in (1, 2):
        segmenter.batch = batch
        np.testing.assert_allclose(segmenter(tiles), expected, atol=1e-5)


@pytest.mark.slow
def test_weights_of_residual_blocks_are_found(tmp_path: Path) -> None:
    """Plain blocks are those of the exported network, depthwise ones those of the checked-in one."""
    from bac_export.graph import export_network
    from bac_training.network.unet import ProbabilityNet, UNet

    torch.manual_seed(1)
    network = UNet((4, 6), "residual").eval()
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.uniform_(-0.5, 0.5)
            module.running_var.uniform_(0.5, 2.0)
    path = tmp_path / "model.onnx"
    export_network(ProbabilityNet(network).eval(), path, 2)
    found = network_from_onnx(path, {"widths": [4, 6], "block": "residual"})
    tile = torch.randn(1, 1, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(found(tile), network(tile), atol=1e-4, rtol=1e-4)


def test_a_card_of_another_network_is_refused(exported: Path) -> None:
    with pytest.raises(ExportError, match="different networks"):
        network_from_onnx(exported, {"widths": [8, 16], "block": "plain"})


def test_half_precision_leaves_the_head_in_float32(exported: Path, shape: dict[str, Any]) -> None:
    network = HalfNet(network_from_onnx(exported, shape), torch.float16)
    types = {name: value.dtype for name, value in network.named_parameters()}
    assert {dtype for name, dtype in types.items() if ".head." in name} == {torch.float32}
    assert {dtype for name, dtype in types.items() if ".head." not in name} == {torch.float16}
    stored = {
        value.name: onnx.numpy_helper.to_array(value) for value in onnx.load(exported).graph.initializer
    }
    head = dict(network.named_parameters())["network.head.head.weight"].detach().numpy()
    np.testing.assert_array_equal(head, stored["network.head.weight"])
    tile = torch.randn(1, 1, 64, 64)
    single = HalfNet(network_from_onnx(exported, shape), torch.float32)
    with torch.no_grad():
        answer = network(tile)
        assert answer.dtype == torch.float32
        torch.testing.assert_close(answer, single(tile), atol=0.02, rtol=0.0)


def test_a_gpu_lane_answers_each_batch_with_its_own_tiles(
    exported: Path, shape: dict[str, Any], tiles: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Part-filled batches leave old tiles in the rest of the memory, which nobody may get to see."""
    for name in ("Stream", "CUDAGraph", "graph", "stream"):
        assert hasattr(torch.cuda, name)
    zeros = torch.zeros
    monkeypatch.setattr(torch, "zeros", lambda *size, pin_memory=False, **rest: zeros(*size, **rest))
    monkeypatch.setattr(torch.cuda, "Stream", lambda device: SimpleNamespace(synchronize=lambda: None))
    monkeypatch.setattr(torch.cuda, "CUDAGraph", lambda: SimpleNamespace(replay=None))
    for name in ("graph", "stream"):
        monkeypatch.setattr(torch.cuda, name, lambda *given, **rest: nullcontext())
    network = HalfNet(network_from_onnx(exported, shape), torch.float32).eval()
    lane = _GpuLane(network, torch.device("cpu"), 2)
    lane._graph.replay = lambda: lane._answer.copy_(network(lane._tiles))  # type: ignore[method-assign]
    expected = onnxruntime_engine(exported)(tiles)
    answers = np.empty_like(expected)
    for part in (slice(0, 2), slice(2, 4), slice(4, 5)):
        lane.start(tiles[part])
        lane.finish(answers[part])
    np.testing.assert_allclose(answers, expected, atol=1e-5)
