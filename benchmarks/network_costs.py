"""Measure what the networks of study_networks.py cost on one core: a tile served, a step trained.

Processor time, least of a few repetitions, so that other work on the machine counts little::

    OMP_NUM_THREADS=1 python benchmarks/network_costs.py
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import openvino
import torch
from study_networks import VARIANTS

from bac_imaging.grid.tiles import TILE_PX
from bac_training.network.losses import CompositeLoss
from bac_training.network.unet import ProbabilityNet, UNet, count_flops, count_parameters

SIDE_PX, BATCH = 256, 8


def processor_time(work: Callable[[], object], repetitions: int) -> float:
    """Return the least processor time of `work` in seconds, after one repetition to warm up."""
    times = []
    for _ in range(repetitions + 1):
        began = time.process_time()
        work()
        times.append(time.process_time() - began)
    return min(times[1:])


def served(network: UNet) -> float:
    """Return the seconds of one tile in OpenVINO."""
    example = torch.zeros(1, 1, TILE_PX, TILE_PX)
    model = openvino.convert_model(
        ProbabilityNet(network.eval()), example_input=example, input=[*example.shape]
    )
    settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": 1}
    compiled = openvino.Core().compile_model(model, "CPU", settings)
    tile = np.random.default_rng(0).normal(size=example.shape).astype(np.float32)
    return processor_time(lambda: compiled([tile]), 6)


def trained(network: UNet) -> float:
    """Return the seconds of forward and backward pass of a batch, in bfloat16."""
    network = network.train().to(memory_format=torch.channels_last)
    images = torch.randn(BATCH, 1, SIDE_PX, SIDE_PX)
    target = (torch.rand(images.shape) > 0.97).float()
    loss = CompositeLoss()

    def step() -> None:
        with torch.autocast("cpu", torch.bfloat16):
            logits = network(images)
        loss(logits.float(), target).total.backward()

    return processor_time(step, 4)


def main() -> None:
    """Print a Markdown table."""
    torch.set_num_threads(1)
    print("| | GFLOP a tile | parameters | served, ms a tile | trained, s a step |\n|---|---|---|---|---|")
    for variant in VARIANTS:
        network = UNet(**variant.network)
        gflop = count_flops(side_px=TILE_PX, **variant.network) / 1e9
        cells = [f"{gflop:.1f}", f"{count_parameters(network):,}"]
        cells += [f"{1e3 * served(network):.0f}", f"{trained(network):.2f}"]
        print(f"| {variant.name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
