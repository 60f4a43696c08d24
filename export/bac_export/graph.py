"""The network as an ONNX file: exported, described and checked."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from bac_export.errors import ExportError
from bac_imaging.grid.checksum import PROBABILITY_STEPS, TILE_STEPS
from bac_imaging.grid.normalise import CLIP, MEAN_SIGMA_PX, SD_SIGMA_PX
from bac_imaging.grid.tiles import MAX_TILES, TILE_PX, TILE_STRIDE_PX
from bac_imaging.grid.working_grid import WORKING_SPACING_MM

__all__ = [
    "CHECKSUM",
    "INPUT",
    "OPSET",
    "OUTPUT",
    "add_checksum",
    "check",
    "describe",
    "export_network",
    "nodes_before",
]

INPUT, OUTPUT, CHECKSUM = "TILES", "PROBABILITY", "CHECKSUM"
OPSET = 18
_RESIZE_MODES = {b"nearest", b"linear"}


def export_network(network: Any, path: Path, max_batch: int) -> None:
    """Write `network` as one ONNX file with a dynamic batch and fixed tile size.

    Parameters
    ----------
    network : bac_training.network.unet.ProbabilityNet
        In evaluation mode.
    path : Path
        Where to.
    max_batch : int
        Largest batch.
    """
    import torch

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
    add_checksum(path)


def add_checksum(path: Path) -> None:
    """Let the graph send check sums of each tile and of its probabilities beside its answer.

    TensorRT and Triton's ONNX Runtime run the graph and no code of ours, so that what tells whose answer it
    is must come out of the graph. The sums are those of `bac_imaging.grid.checksum`: whole numbers, the same
    in every engine and every precision.

    Parameters
    ----------
    path : Path
        ONNX file, changed in place. One that has them is left as it is.
    """
    model = onnx.load(path)
    graph = model.graph
    if CHECKSUM in [output.name for output in graph.output]:
        return
    make = helper.make_node
    axes, nodes, sums = f"{CHECKSUM}_axes", [], []
    graph.initializer.append(numpy_helper.from_array(np.array([2, 3], np.int64), axes))
    for tensor, steps in ((INPUT, TILE_STEPS), (OUTPUT, PROBABILITY_STEPS)):
        names = [f"{CHECKSUM}_{tensor}_{part}" for part in ("steps", "scaled", "whole", "int", "sum")]
        factor, scaled, whole, integer, total = names
        graph.initializer.append(numpy_helper.from_array(np.array(steps, np.float32), factor))
        nodes += [
            make("Mul", [tensor, factor], [scaled], scaled),
            make("Floor", [scaled], [whole], whole),
            make("Cast", [whole], [integer], integer, to=TensorProto.INT32),
            # Over rows and columns; what is left is batch and channel, and there is one channel.
            make("ReduceSum", [integer, axes], [total], total, keepdims=0),
        ]
        sums.append(total)
    # Last, so that they stay in float32 when what comes before the head is made to be in half precision.
    graph.node.extend([*nodes, make("Concat", sums, [CHECKSUM], CHECKSUM, axis=1)])
    batch = graph.input[0].type.tensor_type.shape.dim[0].dim_param
    graph.output.append(helper.make_tensor_value_info(CHECKSUM, TensorProto.INT32, [batch, 2]))
    onnx.save(model, path)


def nodes_before(nodes: Sequence[Any], tensors: Iterable[str]) -> list[Any]:
    """Return those nodes of a graph that it takes to compute some tensors, in their order."""
    needed = set(tensors)
    found = []
    for node in reversed(nodes):
        if needed.intersection(node.output):
            needed.update(node.input)
            found.append(node)
    return found[::-1]


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
        Probability from which a pixel beside a core counts as BAC.
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
    normalisation = {
        "method": "local mean and standard deviation inside the breast",
        "mean_sigma_px": MEAN_SIGMA_PX,
        "sd_sigma_px": SD_SIGMA_PX,
        "clip": CLIP,
    }
    tiles = {
        "side_px": TILE_PX,
        "stride_px": TILE_STRIDE_PX,
        "most": MAX_TILES,
        "spacing_mm": WORKING_SPACING_MM,
    }
    onnx.helper.set_model_props(
        model,
        {
            "bacctl.intended_use": "research use only",
            "bacctl.checkpoint_sha256": checkpoint_sha256,
            "bacctl.threshold": repr(threshold),
            "bacctl.post_processing": json.dumps(dict(post_processing), sort_keys=True),
            "bacctl.normalisation": json.dumps(normalisation),
            "bacctl.tiles": json.dumps(tiles),
        },
    )
    onnx.save(model, path)


def check(path: Path) -> None:
    """Check a file: a valid graph, types that agree, and nothing that TensorRT cannot parse.

    Parameters
    ----------
    path : Path
        ONNX file.

    Raises
    ------
    ExportError
        Naming every operator and every use of one that TensorRT's parser does not take.

    Notes
    -----
    The operators are those that the parser's own documentation lists, read from
    ``data/tensorrt_operators.json``; of its restrictions those that this network could run into are checked.
    """
    onnx.checker.check_model(str(path), full_check=True)
    model = onnx.load(path)
    known = json.loads(files("bac_export").joinpath("data/tensorrt_operators.json").read_text())
    faults = sorted(
        {
            f"operator {node.op_type}"
            for node in model.graph.node
            if node.domain not in ("", "ai.onnx") or node.op_type not in known["operators"]
        }
    )
    low, high = known["opsets"]
    opset = next(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx"))
    if not low <= opset <= high:
        faults.append(f"opset {opset}")
    constants = {value.name: value for value in model.graph.initializer}
    for node in model.graph.node:
        attributes = {entry.name: onnx.helper.get_attribute_value(entry) for entry in node.attribute}
        if node.op_type == "Resize" and attributes.get("mode", b"nearest") not in _RESIZE_MODES:
            faults.append(f"{node.name}: Resize by {attributes['mode'].decode()}")
        dilated = set(attributes.get("dilations", [1])) != {1}
        if node.op_type == "MaxPool" and (len(node.output) > 1 or dilated):
            faults.append(f"{node.name}: MaxPool with indices or dilations")
        if node.op_type in ("QuantizeLinear", "DequantizeLinear") and len(node.input) > 2:
            zero = constants.get(node.input[2])
            if zero is None or numpy_helper.to_array(zero).astype(float).any():
                faults.append(f"{node.name}: {node.op_type} with a zero point other than 0")
    if faults:
        raise ExportError(f"TensorRT's ONNX parser does not take {', '.join(faults)} of {path.name}")
