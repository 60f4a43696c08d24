"""Checkpoint to ONNX, into the model repository, behind a parity gate."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import onnx
import torch

from bac_export.errors import ExportError
from bac_export.parity import compare, onnxruntime_engine, openvino_engine, probe_tiles
from bac_imaging.grid import WORKING_SPACING_MM
from bac_imaging.normalise import CLIP, MEAN_SIGMA_PX, SD_SIGMA_PX
from bac_imaging.tiles import MAX_TILES, TILE_PX, TILE_STRIDE_PX
from bac_training.checkpoint import load_checkpoint, load_network
from bac_training.unet import ProbabilityNet, count_flops, count_parameters

__all__ = ["INPUT", "OUTPUT", "run"]

INPUT, OUTPUT = "TILES", "PROBABILITY"
OPSET = 18
LARGEST_FILE = 10 * 1024 * 1024
_PROBE_TILES = 2


def run(
    checkpoint: Path,
    repository: Path,
    *,
    threshold: float = 0.5,
    post_processing: Mapping[str, float] | None = None,
    figures: Mapping[str, Any] | None = None,
    max_batch: int = MAX_TILES,
) -> Path:
    """Export a trained network to ONNX and put it into the model repository.

    The file and its card are written only after ONNX Runtime and OpenVINO gave the answers of PyTorch, and
    replace the old ones at once, so that a failed export leaves the repository as it was.

    Parameters
    ----------
    checkpoint : Path
        Checkpoint of `bac_training.train.run`; its averaged weights are exported.
    repository : Path
        Triton model repository; the model goes to ``bac_segment/1`` in it.
    threshold : float, default 0.5
        Probability from which a pixel counts as BAC, written into the card.
    post_processing : mapping of str to float, optional
        Fields of `bac_imaging.vessels.PostProcessing` that differ from its defaults, written into the card.
    figures : mapping, optional
        What was measured with this network, JSON-able, written into the card.
    max_batch : int, default MAX_TILES
        Largest batch that the graph declares.

    Returns
    -------
    Path
        The ONNX file. ``model_card.json`` lies beside it.

    Raises
    ------
    ExportError
        When the parity gate fails, the file is too large or the repository has no ``bac_segment``.
    bac_training.errors.TrainingError
        When the checkpoint cannot be read.
    """
    folder = repository / "bac_segment"
    if not folder.is_dir():
        raise ExportError(
            f"{repository} has no bac_segment; give the folder that Triton loads its models from"
        )
    if not 0.0 < threshold < 1.0:
        raise ExportError(f"the threshold {threshold} is no probability between 0 and 1")
    content = load_checkpoint(checkpoint)
    network = ProbabilityNet(load_network(content)).eval()
    with TemporaryDirectory() as scratch:
        path = Path(scratch) / "model.onnx"
        export_network(network, path, max_batch)
        describe(
            path,
            checkpoint_sha256=hashlib.sha256(checkpoint.read_bytes()).hexdigest(),
            threshold=threshold,
            post_processing=post_processing or {},
        )
        parity = check_parity(network, path, threshold)
        data = path.read_bytes()
    if len(data) > LARGEST_FILE:
        raise ExportError(
            f"the ONNX file has {len(data)} bytes, more than {LARGEST_FILE}; train a narrower network"
        )
    card = _card(content, network, data) | {
        "threshold": threshold,
        "post_processing": dict(post_processing or {}),
        "figures": dict(figures or {}),
        "parity": parity,
    }
    target = folder / "1" / "model.onnx"
    target.parent.mkdir(exist_ok=True)
    _replace(target, data)
    _replace(target.with_name("model_card.json"), (json.dumps(card, indent=2) + "\n").encode())
    return target


def export_network(network: ProbabilityNet, path: Path, max_batch: int) -> None:
    """Write `network` as one ONNX file with a dynamic batch and fixed tile size, and check it.

    Parameters
    ----------
    network : ProbabilityNet
        In evaluation mode.
    path : Path
        Where to.
    max_batch : int
        Largest batch.
    """
    # The exporter warns of operators of packages that are not installed and not used.
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    batch = torch.export.Dim("batch", min=1, max=max_batch)
    torch.onnx.export(
        network,
        (torch.zeros(2, 1, TILE_PX, TILE_PX),),
        str(path),
        input_names=[INPUT],
        output_names=[OUTPUT],
        dynamic_shapes={"tiles": {0: batch}},
        opset_version=OPSET,
        dynamo=True,
        external_data=False,
        optimize=True,
        verbose=False,
    )
    onnx.checker.check_model(str(path), full_check=True)


def describe(
    path: Path, *, checkpoint_sha256: str, threshold: float, post_processing: Mapping[str, float]
) -> None:
    """Write into an ONNX file what it takes to use it without this package, and take out what it does not.

    The exporter notes on each node the lines of source that it came from, with the paths of the machine that
    exported; they go, so that the same checkpoint gives the same file anywhere.

    Parameters
    ----------
    path : Path
        ONNX file, changed in place.
    checkpoint_sha256 : str
        Digest of the checkpoint that the weights are from.
    threshold : float
        Probability from which a pixel counts as BAC.
    post_processing : mapping of str to float
        As in the model card.
    """
    model = onnx.load(path)
    for part in (model.graph, *model.graph.node, *model.graph.input, *model.graph.output):
        del part.metadata_props[:]
    for part in (*model.graph.value_info, *model.graph.initializer):
        del part.metadata_props[:]
    for node in model.graph.node:
        node.doc_string = ""
    onnx.helper.set_model_props(
        model,
        {
            "bacctl.intended_use": "research use only",
            "bacctl.checkpoint_sha256": checkpoint_sha256,
            "bacctl.threshold": repr(threshold),
            "bacctl.post_processing": json.dumps(dict(post_processing), sort_keys=True),
            "bacctl.normalisation": json.dumps(
                {
                    "method": "local mean and standard deviation inside the breast",
                    "mean_sigma_px": MEAN_SIGMA_PX,
                    "sd_sigma_px": SD_SIGMA_PX,
                    "clip": CLIP,
                }
            ),
            "bacctl.tiles": json.dumps(
                {
                    "side_px": TILE_PX,
                    "stride_px": TILE_STRIDE_PX,
                    "most": MAX_TILES,
                    "spacing_mm": WORKING_SPACING_MM,
                }
            ),
        },
    )
    onnx.save(model, path)


def check_parity(network: ProbabilityNet, path: Path, threshold: float) -> dict[str, Any]:
    """Compare the file with the network on ONNX Runtime and OpenVINO, and require that they agree.

    Returns
    -------
    dict
        Agreement by engine; ``openvino_bf16`` is what serving costs where the CPU computes in bfloat16,
        and is reported without a limit.
    """
    tiles = probe_tiles(_PROBE_TILES, TILE_PX)
    with torch.no_grad():
        reference = network(torch.from_numpy(tiles)).numpy()
    parity = {}
    for name, engine in (("onnxruntime", onnxruntime_engine(path)), ("openvino", openvino_engine(path))):
        agreement = compare(reference, engine(tiles), threshold)
        agreement.require(name)
        parity[name] = asdict(agreement)
    parity["openvino_bf16"] = asdict(compare(reference, openvino_engine(path, "bf16")(tiles), threshold))
    return parity


def _card(content: Mapping[str, Any], network: ProbabilityNet, data: bytes) -> dict[str, Any]:
    shape = content["config"]["network"]
    return {
        "schema": "bacctl.model_card/1",
        "name": "bac_segment",
        "intended_use": "research use only",
        "sha256": hashlib.sha256(data).hexdigest(),
        "input": {"name": INPUT, "dims": ["batch", 1, TILE_PX, TILE_PX], "spacing_mm": WORKING_SPACING_MM},
        "output": {"name": OUTPUT, "dims": ["batch", 1, TILE_PX, TILE_PX]},
        "network": {
            **shape,
            "parameters": count_parameters(network),
            "gflop_per_tile": round(count_flops(side_px=TILE_PX, **shape) / 1e9, 2),
        },
        "seed": content["config"]["run"]["seed"],
        "data": content["data"],
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


def _replace(path: Path, data: bytes) -> None:
    partial = path.with_name(path.name + ".partial")
    partial.write_bytes(data)
    os.replace(partial, path)
