"""ONNX to a TensorRT engine.

The network is built strongly typed, the only form that TensorRT 11 has and one that 10.x knows too:
precision is what the ONNX file says, and no builder flag changes it. An engine runs only on the TensorRT
version and kind of GPU that it was built with, so it is built inside the container that serves it.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import os
from pathlib import Path
from typing import Any

from bac_export.errors import ExportError

__all__ = ["run"]

INPUT = "TILES"
_TYPICAL_TILES = 16
_WORKSPACE_BYTES = 2 << 30


def run(onnx: Path, plan: Path, max_batch: int = 64) -> Path:
    """Build a TensorRT engine for the GPU of this machine.

    Parameters
    ----------
    onnx : Path
        ONNX file of `bac_export.onnx_export.run`.
    plan : Path
        Where the engine goes; ``<plan>.json`` (what it was built from and with) and ``<plan>.timing`` (the
        timing cache, which makes the next build faster) are written beside it.
    max_batch : int, default 64
        Largest batch: ``max_batch_size`` of the serving configuration.

    Returns
    -------
    Path
        The engine.

    Raises
    ------
    ExportError
        When TensorRT is missing, the ONNX file cannot be read or parsed, or the build fails.
    """
    if not onnx.is_file():
        raise ExportError(f"{onnx} is no file; run `bacctl export onnx` first")
    if max_batch < 1:
        raise ExportError(f"the largest batch is {max_batch}; give 1 or more")
    trt = _tensorrt()
    logger = trt.Logger(trt.Logger.WARNING)
    builder = trt.Builder(logger)
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = trt.OnnxParser(network, logger)
    if not parser.parse_from_file(str(onnx)):
        errors = "; ".join(str(parser.get_error(i)).replace("\n", " ") for i in range(parser.num_errors))
        raise ExportError(f"TensorRT {trt.__version__} cannot parse {onnx}: {errors}")
    config = builder.create_builder_config()
    config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, _WORKSPACE_BYTES)
    shapes = _profile(builder, config, network, max_batch)
    timing = plan.with_name(plan.name + ".timing")
    cache = config.create_timing_cache(timing.read_bytes() if timing.is_file() else b"")
    config.set_timing_cache(cache, ignore_mismatch=True)
    engine = builder.build_serialized_network(network, config)
    if engine is None:
        raise ExportError(
            f"TensorRT {trt.__version__} built no engine from {onnx}; its messages above say why"
        )
    data = bytes(engine)
    manifest = {
        "schema": "bacctl.tensorrt_plan/1",
        "plan_sha256": hashlib.sha256(data).hexdigest(),
        "onnx_sha256": hashlib.sha256(onnx.read_bytes()).hexdigest(),
        "tensorrt": trt.__version__,
        "profile": shapes,
    }
    plan.parent.mkdir(parents=True, exist_ok=True)
    _replace(timing, bytes(config.get_timing_cache().serialize()))
    _replace(plan.with_name(plan.name + ".json"), (json.dumps(manifest, indent=2) + "\n").encode())
    _replace(plan, data)
    return plan


def _tensorrt() -> Any:
    try:
        return importlib.import_module("tensorrt")
    except ImportError:
        raise ExportError(
            "TensorRT is not installed; build the engine in the server container "
            '(docker/server.Dockerfile) or install "bacctl[tensorrt]" on a machine with an NVIDIA GPU'
        ) from None


def _profile(builder: Any, config: Any, network: Any, max_batch: int) -> dict[str, list[int]]:
    """Add one optimisation profile, batch 1 to `max_batch`, and return its shapes."""
    names = [network.get_input(i).name for i in range(network.num_inputs)]
    if names != [INPUT]:
        raise ExportError(
            f"the inputs {names} are not [{INPUT!r}]; export the network with `bacctl export onnx`"
        )
    tile = list(network.get_input(0).shape)[1:]
    shapes = {
        "min": [1, *tile],
        "opt": [min(_TYPICAL_TILES, max_batch), *tile],
        "max": [max_batch, *tile],
    }
    profile = builder.create_optimization_profile()
    profile.set_shape(INPUT, shapes["min"], shapes["opt"], shapes["max"])
    config.add_optimization_profile(profile)
    return shapes


def _replace(path: Path, data: bytes) -> None:
    partial = path.with_name(path.name + ".partial")
    partial.write_bytes(data)
    os.replace(partial, path)
