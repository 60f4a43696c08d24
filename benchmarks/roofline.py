"""What bounds the network on a machine: its operations and bytes a tile, against the machine's ceilings.

Counted from the served ONNX graph, operator by operator: two operations a multiplication with its addition,
and the bytes of inputs, outputs and weights. Bytes are given twice: as if every operator wrote to memory and
the next read it again, and as if what stands between two convolutions cost nothing, which compilers fuse::

    python benchmarks/roofline.py                  # this CPU, whose ceilings are measured
    python benchmarks/roofline.py --device cuda    # a GPU, likewise
    python benchmarks/roofline.py --tflops 312 --gb-s 1555 --link-gb-s 25     # a card, by its data sheet

The time of a tile is at least the larger of operations over the one ceiling and bytes over the other.
"""

from __future__ import annotations

import argparse
import functools
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import onnx
import torch
from onnx import shape_inference

from bac_imaging.grid.tiles import TILE_PX
from bacctl.server.repository import default_repository

FUSED = frozenset({"Relu", "Sigmoid", "Concat", "Resize", "Reshape", "Transpose", "DepthToSpace"})
"""What needs no pass over memory of its own, at best: done while its input is made or its output is read."""
_CHECKSUM = frozenset({"Mul", "Floor", "Cast", "ReduceSum"})
_TILE_BYTES = TILE_PX * TILE_PX * 4


@dataclass(frozen=True)
class Cost:
    """What a tile costs.

    Attributes
    ----------
    operations : int
        Floating-point operations of the convolutions.
    values_each, values_fused : int
        Numbers moved from and to memory, where every operator does, and at best.
    weights : int
        Numbers that are the same for all tiles of a batch.
    """

    operations: int
    values_each: int
    values_fused: int
    weights: int


def count(path: Path) -> Cost:
    """Count a graph for one tile."""
    model = onnx.load(path)
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    graph = shape_inference.infer_shapes(model, data_prop=True).graph
    sizes = {
        value.name: math.prod(d.dim_value for d in value.type.tensor_type.shape.dim)
        for value in (*graph.value_info, *graph.input, *graph.output)
    }
    weights = {tensor.name: tensor for tensor in graph.initializer}
    operations = each = fused = constant = 0
    for node in graph.node:
        if node.op_type in _CHECKSUM:
            continue
        moved = sum(sizes.get(name, 0) for name in (*node.input, *node.output) if name not in weights)
        own = sum(math.prod(weights[name].dims) for name in node.input if name in weights)
        each += moved
        if node.op_type not in FUSED:
            fused += moved
        if node.op_type == "Conv":
            constant += own
            # Channels of input over groups, rows and columns of the kernel.
            operations += 2 * sizes[node.output[0]] * math.prod(weights[node.input[1]].dims[1:])
    return Cost(operations, each, fused, constant)


def measured_ceilings(device: str) -> tuple[float, float]:
    """Return what a device does with all its cores: 10^12 operations and 10^9 bytes a second.

    A large matrix product in half precision, or in float32 where that is faster; and a copy of an array that
    no cache holds, read and written.
    """
    on_gpu = device != "cpu"
    side, megabytes = (8192, 1024) if on_gpu else (2048, 256)

    def least_s(work: Callable[[], object]) -> float:
        times = []
        for _ in range(6):
            began = time.perf_counter()
            work()
            if on_gpu:  # work is only queued until then
                torch.cuda.synchronize(device)
            times.append(time.perf_counter() - began)
        return min(times)

    products = []
    for dtype in (torch.float16 if on_gpu else torch.bfloat16, torch.float32):
        factor = torch.randn(side, side, device=device).to(dtype)
        products.append(2 * side**3 / least_s(functools.partial(torch.mm, factor, factor)) / 1e12)
    source = torch.ones(megabytes * 2**18, device=device)
    copying_s = least_s(functools.partial(torch.empty_like(source).copy_, source))
    return max(products), 2 * megabytes * 2**20 / copying_s / 1e9


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tflops", type=float, help="10^12 operations a second; default: measured")
    parser.add_argument("--gb-s", type=float, help="10^9 bytes a second from memory; default: measured")
    parser.add_argument("--device", default="cpu", help="whose ceilings to measure: cpu, cuda")
    parser.add_argument("--bytes", type=int, default=2, help="of a number, 2 for half precision")
    parser.add_argument(
        "--link-gb-s", type=float, help="10^9 bytes a second between the host's memory and the card's"
    )
    parser.add_argument("--tiles", type=int, default=16, help="of a view and of a batch")
    options = parser.parse_args()
    if (options.tflops is None) != (options.gb_s is None):
        raise SystemExit("give both --tflops and --gb-s, or neither")
    cost = count(default_repository() / "bac_segment" / "1" / "model.onnx")
    tflops, gb_s = (options.tflops, options.gb_s) if options.tflops else measured_ceilings(options.device)
    moved = {
        name: options.bytes * (values + cost.weights / options.tiles)
        for name, values in (("every operator", cost.values_each), ("fused", cost.values_fused))
    }
    compute_us = cost.operations / tflops / 1e6
    print(
        f"A tile: {cost.operations / 1e9:.2f} GFLOP, {cost.weights} weights. "
        f"Ceilings: {tflops:.2f} TFLOP/s, {gb_s:.0f} GB/s, ridge at {1e3 * tflops / gb_s:.0f} FLOP a byte.\n"
    )
    print("| | MB a tile | FLOP a byte | arithmetic, us | memory, us | bound by | views/s at most |")
    print("|---|---|---|---|---|---|---|")
    for name, size in moved.items():
        memory_us = size / gb_s / 1e3
        bound = "memory" if memory_us > compute_us else "arithmetic"
        views = 1e6 / max(memory_us, compute_us) / options.tiles
        cells = [f"{size / 1e6:.1f}", f"{cost.operations / size:.0f}", f"{compute_us:.1f}"]
        print(f"| {name} | {' | '.join([*cells, f'{memory_us:.1f}', bound, f'{views:.3g}'])} |")
    if options.link_gb_s:
        link_us = 2 * _TILE_BYTES / options.link_gb_s / 1e3
        print(
            f"\nTiles and probabilities in float32 over the link: {2 * _TILE_BYTES / 1e6:.1f} MB and "
            f"{link_us:.0f} us a tile, {1e6 / link_us / options.tiles:.0f} views/s at most."
        )


if __name__ == "__main__":
    main()
