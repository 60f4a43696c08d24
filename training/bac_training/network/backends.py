"""Networks ready to run: a checkpoint by PyTorch, an ONNX file by OpenVINO or ONNX Runtime."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bac_imaging.files import digest_of
from bac_imaging.onnxruntime import load_onnxruntime
from bac_imaging.openvino import load_openvino
from bac_training.errors import TrainingError

__all__ = ["Segmenter", "load_segmenter"]

FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Segmenter:
    """A network that can be run."""

    sha256: str  # of the file
    # probability from which a pixel beside a vessel's core counts as BAC: of the model card, or 0.5
    threshold: float
    engine: str  # "pytorch", "openvino" or "onnxruntime"
    # tiles, float32 [n, 1, h, w], to probabilities of the same shape
    probability: Callable[[FloatArray], FloatArray]
    # of the model card: fields of `bac_imaging.vessels.demands.PostProcessing` that are not its defaults
    post_processing: Mapping[str, float] = field(default_factory=dict)
    probability_map: Mapping[str, Any] | None = None  # of the model card: what makes probabilities of scores


def load_segmenter(model: Path, threads: int | None = None) -> Segmenter:
    """Load a network.

    Parameters
    ----------
    model : Path
        Checkpoint (``.pt``), or ONNX file, which is run by OpenVINO, or by ONNX Runtime where OpenVINO is
        not installed. A ``model_card.json`` beside an ONNX file gives the
        threshold and the post-processing.
    threads : int, optional
        Threads to compute with, by default as many as the engine likes.

    Raises
    ------
    TrainingError
        When the file is missing, of another kind, damaged, or not the one its card describes.
    """
    if not model.is_file():
        raise TrainingError(f"{model} is not a file; give a checkpoint or an ONNX file")
    sha256 = digest_of(model)
    if model.suffix == ".pt":
        return Segmenter(sha256, 0.5, "pytorch", _pytorch(model, threads))
    if model.suffix != ".onnx":
        raise TrainingError(f"{model} is neither a checkpoint (.pt) nor an ONNX file (.onnx)")
    card = _read_card(model.with_name("model_card.json"), sha256)
    engine, load = (
        ("openvino", _openvino) if importlib.util.find_spec("openvino") else ("onnxruntime", _onnxruntime)
    )
    try:
        probability = load(model, threads)
    except Exception as error:
        # The engines raise their own classes, or plain RuntimeError, for whatever they cannot read.
        raise TrainingError(
            f"{model} is not a network that {engine} can read ({type(error).__name__}); export it again"
        ) from None
    return Segmenter(
        sha256=sha256,
        threshold=float(card.get("threshold", 0.5)),
        engine=engine,
        probability=probability,
        post_processing=card.get("post_processing", {}),
        probability_map=card.get("probability_map"),
    )


def _read_card(card: Path, sha256: str) -> dict[str, Any]:
    if not card.is_file():
        return {}
    try:
        content = dict(json.loads(card.read_text()))
    except (ValueError, TypeError):
        raise TrainingError(f"{card} is damaged; export the model again") from None
    if content.get("sha256") != sha256:
        raise TrainingError(
            f"{card} describes another network than the file beside it; export the model again"
        )
    return content


def _pytorch(model: Path, threads: int | None) -> Callable[[FloatArray], FloatArray]:
    import torch

    from bac_training.network.checkpoint import load_checkpoint, load_network
    from bac_training.network.unet import ProbabilityNet

    if threads is not None:
        torch.set_num_threads(threads)
    network = ProbabilityNet(load_network(load_checkpoint(model))).to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def probability(tiles: FloatArray) -> FloatArray:
        with torch.no_grad():
            return np.concatenate([network(torch.from_numpy(tile[None])).numpy() for tile in tiles])

    return probability


def _openvino(model: Path, threads: int | None) -> Callable[[FloatArray], FloatArray]:
    openvino = load_openvino()
    # Without a precision hint OpenVINO takes bfloat16 where the CPU has it, as in serving.
    settings: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY"}
    if threads is not None:
        settings["INFERENCE_NUM_THREADS"] = threads
    network = openvino.Core().compile_model(str(model), "CPU", settings)
    return lambda tiles: np.concatenate([np.array(network([tile[None]])[0]) for tile in tiles])


def _onnxruntime(model: Path, threads: int | None) -> Callable[[FloatArray], FloatArray]:
    onnxruntime = load_onnxruntime()
    options = onnxruntime.SessionOptions()
    if threads is not None:
        options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    return lambda tiles: np.concatenate([session.run(None, {"TILES": tile[None]})[0] for tile in tiles])
