"""ONNX to a TensorRT engine.

The network is built strongly typed, the only form that TensorRT 11 has and one that 10.x knows too:
precision is what the ONNX file says, and no builder flag changes it. An engine runs only on the TensorRT
version and kind of GPU that it was built with, so it is built inside the container that serves it
(`bac_export.engine` decides when).
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from bac_export.errors import ExportError
from bac_export.graph import INPUT
from bac_imaging.files import write_whole
from bac_imaging.grid.tiles import MAX_TILES, TILE_PX

__all__ = ["Compatibility", "Profile", "build", "load_tensorrt"]

Compatibility = Literal["none", "same-compute-capability", "ampere-plus"]

WORKSPACE_BYTES = 2 << 30


@dataclass(frozen=True)
class Profile:
    """Batch sizes of the engine's one optimisation profile."""

    typical: int = 16  # what the engine is tuned for: most mammograms have 10 to 20 tiles
    largest: int = MAX_TILES  # ``max_batch_size`` of ``configs/gpu.pbtxt``: an ensemble never splits a batch

    def __post_init__(self) -> None:
        if not 1 <= self.typical <= self.largest:
            raise ExportError(
                f"the batches {self.typical} and {self.largest} are not in order; give 1 or more, "
                "the typical one no larger than the largest"
            )

    def shapes(self) -> dict[str, list[int]]:
        """Return the shapes of the input, ``min``, ``opt`` and ``max``."""
        sizes = {"min": 1, "opt": self.typical, "max": self.largest}
        return {name: [size, 1, TILE_PX, TILE_PX] for name, size in sizes.items()}


def load_tensorrt() -> Any:
    """Import TensorRT.

    Raises
    ------
    ExportError
        It is not installed.
    """
    try:
        return importlib.import_module("tensorrt")
    except ImportError:
        raise ExportError(
            "TensorRT is not installed; build the engine in the server container "
            '(docker/server.Dockerfile) or install "bacctl[tensorrt]" on a machine with an NVIDIA GPU'
        ) from None


def build(
    onnx: Path,
    *,
    profile: Profile,
    compatibility: Compatibility = "none",
    timing_cache: Path | None = None,
) -> bytes:
    """Build an engine for the GPU of this machine.

    Parameters
    ----------
    onnx : Path
        The network with votes, in the precision that the engine is to have.
    profile : Profile
        Batch sizes.
    compatibility : {"none", "same-compute-capability", "ampere-plus"}, default "none"
        Which other GPUs the engine is to run on; the wider, the slower.
    timing_cache : Path, optional
        Read if it is there, and written: the next build of a similar network is faster.

    Returns
    -------
    bytes
        The serialised engine.

    Raises
    ------
    ExportError
        When TensorRT is missing, the file cannot be parsed (every error of the parser is shown), its input
        is another one, or the build fails.
    """
    trt = load_tensorrt()
    logger = trt.Logger(trt.Logger.WARNING)
    builder = trt.Builder(logger)
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = trt.OnnxParser(network, logger)
    if not parser.parse_from_file(str(onnx)):
        errors = "; ".join(" ".join(str(parser.get_error(i)).split()) for i in range(parser.num_errors))
        raise ExportError(f"TensorRT {trt.__version__} cannot parse {onnx}: {errors}")
    names = [network.get_input(i).name for i in range(network.num_inputs)]
    if names != [INPUT]:
        raise ExportError(
            f"the inputs {names} are not [{INPUT!r}]; export the network with `bacctl export onnx`"
        )
    config = builder.create_builder_config()
    config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, WORKSPACE_BYTES)
    # One look after the other: side by side, each would need memory of its own.
    config.max_aux_streams = 0
    level = trt.HardwareCompatibilityLevel
    config.hardware_compatibility_level = {
        "none": level.NONE,
        "same-compute-capability": level.SAME_COMPUTE_CAPABILITY,
        "ampere-plus": level.AMPERE_PLUS,
    }[compatibility]
    shapes = profile.shapes()
    optimisation = builder.create_optimization_profile()
    optimisation.set_shape(INPUT, shapes["min"], shapes["opt"], shapes["max"])
    config.add_optimization_profile(optimisation)
    _read_timing(config, timing_cache)
    engine = builder.build_serialized_network(network, config)
    if engine is None:
        raise ExportError(
            f"TensorRT {trt.__version__} built no engine from {onnx}; its messages above say why"
        )
    if timing_cache is not None:
        write_whole(timing_cache, bytes(config.get_timing_cache().serialize()))
    return bytes(engine)


def _read_timing(config: Any, path: Path | None) -> None:
    """Give the builder the timings of earlier builds, or room for its own where they are of no use."""
    if path is None:
        return
    earlier = path.read_bytes() if path.is_file() else b""
    timings = config.create_timing_cache(earlier)
    # What is no such file gives none; of another GPU or version it is not taken, and TensorRT says so.
    if timings is None or not config.set_timing_cache(timings, False):
        config.set_timing_cache(config.create_timing_cache(b""), False)
