"""Networks ready to run: a checkpoint by PyTorch, an ONNX file by OpenVINO or ONNX Runtime."""

from __future__ import annotations

import hashlib
import importlib.util
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bac_imaging.openvino import load_openvino
from bac_training.errors import TrainingError

__all__ = ["Segmenter", "load_segmenter"]

FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Segmenter:
    """A network that can be run.

    Attributes
    ----------
    sha256 : str
        Of the file.
    threshold : float
        Probability from which a pixel counts as BAC: of the model card, or 0.5.
    engine : str
        "pytorch", "openvino" or "onnxruntime".
    probability : callable
        Tiles, float32 [n, 1, h, w], to probabilities of the same shape.
    """

    sha256: str
    threshold: float
    engine: str
    probability: Callable[[FloatArray], FloatArray]


def load_segmenter(model: Path) -> Segmenter:
    """Load a network.

    Parameters
    ----------
    model : Path
        Checkpoint (``.pt``), or ONNX file, which is run by OpenVINO, with the settings that serve, or by
        ONNX Runtime where OpenVINO is not installed. A ``model_card.json`` beside an ONNX file gives the
        threshold.

    Raises
    ------
    TrainingError
        When the file is missing, of another kind, or not the one its card describes.
    """
    if not model.is_file():
        raise TrainingError(f"{model} is no file; give a checkpoint or an ONNX file")
    sha256 = hashlib.sha256(model.read_bytes()).hexdigest()
    if model.suffix == ".pt":
        return Segmenter(sha256, 0.5, "pytorch", _pytorch(model))
    if model.suffix != ".onnx":
        raise TrainingError(f"{model} is neither a checkpoint (.pt) nor an ONNX file (.onnx)")
    threshold = _threshold(model.with_name("model_card.json"), sha256)
    if importlib.util.find_spec("openvino"):
        return Segmenter(sha256, threshold, "openvino", _openvino(model))
    return Segmenter(sha256, threshold, "onnxruntime", _onnxruntime(model))


def _threshold(card: Path, sha256: str) -> float:
    if not card.is_file():
        return 0.5
    content = json.loads(card.read_text())
    if content["sha256"] != sha256:
        raise TrainingError(
            f"{card} describes another network than the file beside it; export the model again"
        )
    return float(content["threshold"])


def _pytorch(model: Path) -> Callable[[FloatArray], FloatArray]:
    import torch

    from bac_training.checkpoint import load_checkpoint, load_network
    from bac_training.unet import ProbabilityNet

    network = ProbabilityNet(load_network(load_checkpoint(model))).to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def probability(tiles: FloatArray) -> FloatArray:
        with torch.no_grad():
            return np.concatenate([network(torch.from_numpy(tile[None])).numpy() for tile in tiles])

    return probability


def _openvino(model: Path) -> Callable[[FloatArray], FloatArray]:
    openvino = load_openvino()
    # Without a precision hint OpenVINO takes bfloat16 where the CPU has it, as in serving.
    network = openvino.Core().compile_model(str(model), "CPU", {"PERFORMANCE_HINT": "LATENCY"})
    return lambda tiles: np.concatenate([np.array(network([tile[None]])[0]) for tile in tiles])


def _onnxruntime(model: Path) -> Callable[[FloatArray], FloatArray]:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    return lambda tiles: np.concatenate([session.run(None, {"TILES": tile[None]})[0] for tile in tiles])
