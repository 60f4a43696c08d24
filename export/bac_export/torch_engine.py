"""The network by PyTorch, for GPUs without TensorRT: the weights of ``model.onnx`` in half precision.

It reads the file that all other configurations serve, so that one digest says which network answered. On a
GPU a batch of fixed size is captured once as a CUDA graph and replayed; two lanes with page-locked memory of
their own let the copies of one batch run beside the arithmetic of the other. On a CPU the same lanes compute
at once, in float32.
"""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from bac_export.errors import ExportError
from bac_imaging.grid.tiles import TILE_PX
from bac_training.network.unet import UNet

__all__ = ["TorchSegmenter", "network_from_onnx"]

FloatArray = npt.NDArray[np.float32]

GPU_BATCH = 16
"""Tiles of one replay. Most mammograms have 10 to 20; a part-filled batch costs as much as a full one."""
_LANES = 2
_WARM_UPS = 3


class HalfNet(nn.Module):
    """A network that gives logits, computed in `dtype` except its head and the sigmoid."""

    def __init__(self, network: UNet, dtype: torch.dtype) -> None:
        super().__init__()
        self.dtype = dtype
        # The head is taken out first: rounded once, its weights would stay rounded.
        # What stands in for the convolution is another module, which torch allows and its type does not.
        head, network.head = network.head, nn.Identity()  # type: ignore[assignment]
        self.network = network.to(dtype)
        self.network.head = _SingleHead(head.float())  # type: ignore[assignment]

    def forward(self, tiles: Tensor) -> Tensor:
        """Return BAC probabilities, float32, in the shape of `tiles` ([batch, 1, height, width])."""
        return torch.sigmoid(self.network(tiles.to(self.dtype)))


class _SingleHead(nn.Module):
    def __init__(self, head: nn.Module) -> None:
        super().__init__()
        self.head = head

    def forward(self, features: Tensor) -> Tensor:
        """Return logits in float32."""
        return self.head(features.float())


def network_from_onnx(path: Path, shape: Mapping[str, Any]) -> UNet:
    """Build the network and fill it with the weights of an exported file in float32.

    In the file batch normalisation has been folded into the convolutions; so it is in what comes back.
    `shape` is ``network`` of the model card: ``widths`` and ``block``.

    Raises
    ------
    ExportError
        When the file holds the weights of another network.
    """
    weights = {value.name: numpy_helper.to_array(value) for value in onnx.load(path).graph.initializer}
    network = UNet(shape["widths"], shape.get("block", "plain"))
    for module in network.modules():
        for name, child in module.named_children():
            if isinstance(child, nn.BatchNorm2d):
                setattr(module, name, nn.Identity())
    for name, convolution in network.named_modules():
        if not isinstance(convolution, nn.Conv2d):
            continue
        weight = weights.get(f"network.{name}.weight")
        if weight is None or weight.shape != tuple(convolution.weight.shape):
            raise ExportError(f"{path} and its model card are of different networks; export the model again")
        convolution.weight = nn.Parameter(torch.from_numpy(weight.copy()))
        # Folding gives a bias to a convolution that had none, under a name of its own.
        bias = weights.get(f"network.{name}.bias", weights.get(f"network.{name}.weight_bias"))
        convolution.bias = None if bias is None else nn.Parameter(torch.from_numpy(bias.copy()))
    return network.eval()


class _Lane(Protocol):
    def start(self, tiles: FloatArray) -> None:
        """Begin with up to a batch of tiles."""

    def finish(self, out: FloatArray) -> None:
        """Wait for the answers and write them into `out`."""


class TorchSegmenter:
    """Tiles to probabilities.

    Parameters
    ----------
    path : Path
        ONNX file in float32.
    shape : mapping
        As for `network_from_onnx`.
    device : str, default "auto"
        "cpu", "cuda", "cuda:1", or "auto": a GPU where there is one.
    """

    def __init__(self, path: Path, shape: Mapping[str, Any], device: str = "auto") -> None:
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        self.device = torch.device(device)
        on_gpu = self.device.type == "cuda"
        # All batches have one shape, so that trying cuDNN's algorithms once pays.
        torch.backends.cudnn.benchmark = on_gpu
        self.batch = GPU_BATCH if on_gpu else 1
        network = HalfNet(network_from_onnx(path, shape), torch.float16 if on_gpu else torch.float32)
        # torch's annotations leave this keyword out.
        network = network.eval().to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._lanes: list[_Lane] = [
            _GpuLane(network, self.device, self.batch) if on_gpu else _CpuLane(network) for _ in range(_LANES)
        ]

    def __call__(self, tiles: FloatArray) -> FloatArray:
        """Return the probabilities of normalised tiles, both float32 (n, 1, 512, 512)."""
        probability = np.empty(tiles.shape, np.float32)
        running: deque[tuple[_Lane, slice]] = deque()
        free = deque(self._lanes)
        for first in range(0, len(tiles), self.batch):
            if not free:
                self._collect(running, free, probability)
            lane, part = free.popleft(), slice(first, min(first + self.batch, len(tiles)))
            lane.start(tiles[part])
            running.append((lane, part))
        while running:
            self._collect(running, free, probability)
        return probability

    @staticmethod
    def _collect(running: deque[tuple[_Lane, slice]], free: deque[_Lane], probability: FloatArray) -> None:
        lane, part = running.popleft()
        lane.finish(probability[part])
        free.append(lane)


class _CpuLane:
    def __init__(self, network: nn.Module) -> None:
        self._network = network
        self._answer = torch.empty(0)

    def start(self, tiles: FloatArray) -> None:
        with torch.inference_mode(), warnings.catch_warnings():
            # Triton's tensors are read-only, and nothing here writes to them.
            warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
            self._answer = self._network(torch.from_numpy(tiles))

    def finish(self, out: FloatArray) -> None:
        out[:] = self._answer.numpy()


class _GpuLane:
    """A stream, its page-locked and device memory, and the network captured as a CUDA graph on it."""

    def __init__(self, network: nn.Module, device: torch.device, batch: int) -> None:
        shape = (batch, 1, TILE_PX, TILE_PX)
        self._stream = torch.cuda.Stream(device)
        self._sent = torch.zeros(shape, pin_memory=True)
        self._received = torch.zeros(shape, pin_memory=True)
        self._tiles = torch.zeros(shape, device=device)
        self._graph = torch.cuda.CUDAGraph()
        self._count = 0
        with torch.inference_mode(), torch.cuda.stream(self._stream):
            # cuDNN chooses its algorithms in the first calls, which may not be captured.
            for _ in range(_WARM_UPS):
                network(self._tiles)
            self._stream.synchronize()
            with torch.cuda.graph(self._graph, stream=self._stream):
                self._answer = network(self._tiles)

    def start(self, tiles: FloatArray) -> None:
        self._count = len(tiles)
        # What an earlier batch left in the rest of the memory is computed along and not read.
        np.copyto(self._sent.numpy()[: self._count], tiles)
        with torch.inference_mode(), torch.cuda.stream(self._stream):
            self._tiles.copy_(self._sent, non_blocking=True)
            self._graph.replay()
            self._received.copy_(self._answer, non_blocking=True)

    def finish(self, out: FloatArray) -> None:
        self._stream.synchronize()
        np.copyto(out, self._received.numpy()[: self._count])
