"""Checkpoint to ONNX, into the model repository, behind a parity gate."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch

from bac_export import parity
from bac_export.errors import ExportError
from bac_export.graph import CHECKSUM, INPUT, OUTPUT, check, describe, export_network
from bac_export.parity import REDUCED, Case, Reference, onnxruntime_engine, openvino_engine
from bac_export.precision import PLAIN, Precision, name_of, to_half, to_quantised
from bac_export.votes import add_votes
from bac_export.votes_export import CARD, make_voted, remove_reduced, voted_reference
from bac_imaging.files import digest_of, write_whole
from bac_imaging.grid.tiles import MAX_TILES, TILE_PX
from bac_imaging.grid.working_grid import WORKING_SPACING_MM
from bac_imaging.vessels.demands import PostProcessing
from bac_training.network.checkpoint import load_checkpoint, load_network
from bac_training.network.unet import ProbabilityNet, count_flops, count_parameters

__all__ = ["run"]

LARGEST_FILE = 10 * 1024 * 1024


def run(
    checkpoint: Path,
    repository: Path,
    *,
    threshold: float = 0.5,
    post_processing: Mapping[str, float] | None = None,
    probability_map: Mapping[str, Any] | None = None,
    figures: Mapping[str, Any] | None = None,
    precisions: Sequence[Precision] = (),
    cases: Sequence[Case] | None = None,
    max_batch: int = MAX_TILES,
) -> Path:
    """Export a trained network to ONNX and put it into the model repository.

    The file of one look, the one with votes (`bac_export.votes`) and their card are written only after every
    engine gave the answers of PyTorch, and replace the old ones at once, so that a failed export leaves the
    repository as it was.

    Parameters
    ----------
    checkpoint : Path
        Checkpoint of `bac_training.train.run`; its averaged weights are exported.
    repository : Path
        Triton model repository; the model goes to ``bac_segment/1`` in it.
    threshold : float, default 0.5
        Probability from which a pixel beside a core counts as BAC, written into the card.
    post_processing : mapping of str to float, optional
        Fields of `bac_imaging.vessels.demands.PostProcessing` that differ from its defaults, written into the
        card.
    probability_map : mapping, optional
        What makes probabilities of scores (`bac_evaluation.probability.calibrating`), written into the card.
    figures : mapping, optional
        What was measured with this network, JSON-able, written into the card.
    precisions : sequence of str, optional
        Of `bac_export.precision.PRECISIONS`, to be written beside the float32 files that are served: the
        network with votes, for TensorRT.
    cases : sequence of Case, optional
        Views that the engines are judged on. Default: `bac_export.parity.phantom_cases`.
    max_batch : int, default MAX_TILES
        Largest batch that the graph declares.

    Returns
    -------
    Path
        ``model.onnx``. ``model_voted.onnx`` and ``model_card.json`` lie beside it.

    Raises
    ------
    ExportError
        When an engine or a precision fails the gate, TensorRT could not parse the file, it is too large or
        the repository has no ``bac_segment``.
    bac_training.errors.TrainingError
        When the checkpoint cannot be read.
    """
    folder = repository / "bac_segment"
    if not folder.is_dir():
        raise ExportError(
            f"{repository} has no bac_segment; give the folder that Triton loads its models from"
        )
    if not 0.0 < threshold < 1.0:
        raise ExportError(f"the threshold {threshold} is not a probability between 0 and 1")
    content = load_checkpoint(checkpoint)
    network = ProbabilityNet(load_network(content)).eval()
    post_processing = dict(post_processing or {})
    views = parity.phantom_cases() if cases is None else cases
    with TemporaryDirectory() as scratch:
        single = Path(scratch) / PLAIN
        export_network(network, single, max_batch)
        describe(
            single,
            checkpoint_sha256=digest_of(checkpoint),
            threshold=threshold,
            post_processing=post_processing,
        )
        check(single)
        reference = Reference(_pytorch(network), views, threshold, post_processing)
        agreement = _judge_single(reference, single)
        chosen = PostProcessing.of(threshold, post_processing)
        voted = single.with_name(name_of("fp32"))
        counted = voted_reference(single, views, threshold, post_processing)
        agreement["votes"] = make_voted(single, voted, counted, chosen)
        for precision in precisions:
            if precision != "fp32":
                agreement[precision] = _make(counted, voted, chosen, precision)
        written = {path.name: path.read_bytes() for path in single.parent.glob("*.onnx")}
    largest = max(map(len, written.values()))
    if largest > LARGEST_FILE:
        raise ExportError(
            f"the ONNX file has {largest} bytes, more than {LARGEST_FILE}; train a narrower network"
        )
    card = _card(content, network, written[PLAIN], written[voted.name]) | {
        "threshold": threshold,
        "post_processing": post_processing,
        **({} if probability_map is None else {"probability_map": dict(probability_map)}),
        "figures": dict(figures or {}),
        "parity": agreement,
    }
    target = folder / "1"
    target.mkdir(exist_ok=True)
    remove_reduced(target)
    for name, data in written.items():
        write_whole(target / name, data)
    write_whole(target / CARD, (json.dumps(card, indent=2) + "\n").encode())
    return target / PLAIN


def _pytorch(network: ProbabilityNet) -> parity.Engine:
    # torch's annotations leave this keyword out.
    network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def run(tiles: parity.FloatArray) -> parity.FloatArray:
        with torch.inference_mode():
            return np.concatenate([network(torch.from_numpy(tile[None])).numpy() for tile in tiles])

    return run


def _judge_single(reference: Reference, path: Path) -> dict[str, Any]:
    """Hold ONNX Runtime and OpenVINO against PyTorch and require that they agree.

    ``openvino_bf16``, what is served where the CPU computes in bfloat16, is reported without a limit.
    """
    agreement = {}
    for name, engine in (("onnxruntime", onnxruntime_engine(path)), ("openvino", openvino_engine(path))):
        found = reference.compare(engine)
        found.require(name)
        agreement[name] = asdict(found)
    agreement["openvino_bf16"] = asdict(reference.compare(openvino_engine(path, "bf16")))
    return agreement


def _make(reference: Reference, voted: Path, chosen: PostProcessing, precision: Precision) -> dict[str, Any]:
    """Write the network with votes in another precision beside `voted`, and require that it agrees."""
    path = voted.with_name(name_of(precision))
    if precision == "fp16":
        to_half(voted, path)
    elif precision in ("int8", "fp8"):
        calibration = parity.phantom_cases(parity.CALIBRATION_CASES)
        with TemporaryDirectory() as scratch:
            quantised = Path(scratch) / path.name
            to_quantised(voted.with_name(PLAIN), quantised, (case.tiles for case in calibration), precision)
            add_votes(quantised, path, chosen.core, chosen.seed)
    check(path)
    found = reference.compare(onnxruntime_engine(path, optimised=False))
    found.require(f"the network in {precision}", REDUCED)
    return asdict(found)


def _card(content: Mapping[str, Any], network: ProbabilityNet, data: bytes, voted: bytes) -> dict[str, Any]:
    shape = content["config"]["network"]
    return {
        "schema": "bacctl.model_card/1",
        "name": "bac_segment",
        "intended_use": "research use only",
        "sha256": digest_of(data),
        "voted_sha256": digest_of(voted),
        "input": {"name": INPUT, "dims": ["batch", 1, TILE_PX, TILE_PX], "spacing_mm": WORKING_SPACING_MM},
        "output": {"name": OUTPUT, "dims": ["batch", 1, TILE_PX, TILE_PX]},
        "checksum": {"name": CHECKSUM, "dims": ["batch", 2]},
        "network": {
            **shape,
            "parameters": count_parameters(network),
            "gflop_per_tile": round(count_flops(side_px=TILE_PX, **shape) / 1e9, 2),
        },
        "seed": content["config"]["run"]["seed"],
        "data": content["data"],
        # Of which networks it is the mean, if of several.
        **({"averaged": content["averaged"]} if "averaged" in content else {}),
        "training": {
            "images": content["cases"],
            "steps": content["step"],
            "minutes": round(content["elapsed_s"] / 60.0, 1),
            "config": content["config"],
        },
        "software": {
            name: version(name) for name in ("torch", "onnx", "onnxscript", "onnxruntime", "openvino")
        },
    }
