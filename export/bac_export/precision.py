"""Precision written into the ONNX file: half precision, or quantised convolutions.

TensorRT 11 builds what the file says and nothing else, so that there is no flag to set later. The head (the
last convolution and what follows it) stays in float32 in every precision: its four logits decide the outline.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from bac_export.errors import ExportError
from bac_export.graph import nodes_before
from bac_imaging.files import digest_of

__all__ = ["FLOAT32_SHA256", "PLAIN", "PRECISIONS", "Precision", "name_of", "to_half", "to_quantised"]

FloatArray = npt.NDArray[np.float32]
Precision = Literal["fp32", "fp16", "int8", "fp8"]
PRECISIONS: tuple[Precision, ...] = ("fp32", "fp16", "int8", "fp8")
PLAIN = "model.onnx"
"""File name of the network that looks once, in float32: the weights, and what the digest in reports is of."""
FLOAT32_SHA256 = "bacctl.float32_sha256"
"""What a file in reduced precision says of where it is from."""

_FP8_OPSET = 19
"""The first opset whose QuantizeLinear knows float8."""
_INT8_LARGEST, _FP8_LARGEST = 127.0, 448.0


def name_of(precision: Precision) -> str:
    """Return the file name of the network that votes (`bac_export.votes`) in `precision`."""
    return "model_voted.onnx" if precision == "fp32" else f"model_voted.{precision}.onnx"


def to_half(source: Path, target: Path) -> None:
    """Write a float32 ONNX file with everything before its head in float16.

    Needs neither PyTorch nor a GPU, so that it runs where the engine is built. Inputs and outputs stay
    float32.

    Parameters
    ----------
    source : Path
        File of `bac_export.onnx_export.run`, of one look or with votes.
    target : Path
        Where to.

    Raises
    ------
    ExportError
        When a weight does not fit float16 or the file has no convolution.
    """
    model = onnx.load(source)
    graph = model.graph
    heads = _heads(graph)
    before = nodes_before(graph.node, [head.input[0] for head in heads])
    constants = {value.name: value for value in graph.initializer}
    halved: set[str] = set()
    for node in before:
        for place, name in enumerate(node.input):
            # A Resize takes its scales in float32 whatever it resizes.
            if name in constants and not (node.op_type == "Resize" and place > 0):
                halved.add(name)
    for name in halved:
        if constants[name].data_type == TensorProto.FLOAT:
            constants[name].CopyFrom(_half(constants[name]))
    incoming = f"{graph.input[0].name}_half"
    for node in before:
        for place, name in enumerate(node.input):
            if name == graph.input[0].name:
                node.input[place] = incoming
    nodes = [helper.make_node("Cast", [graph.input[0].name], [incoming], "to_half", to=TensorProto.FLOAT16)]
    for node in graph.node:
        if node in heads:
            features, outgoing = node.input[0], f"{node.input[0]}_single"
            nodes.append(helper.make_node("Cast", [features], [outgoing], outgoing, to=TensorProto.FLOAT))
            node.input[0] = outgoing
        nodes.append(node)
    del graph.node[:]
    graph.node.extend(nodes)
    _finish(model, source, target, "fp16")


def to_quantised(
    source: Path, target: Path, tiles: Iterable[FloatArray], precision: Literal["int8", "fp8"]
) -> None:
    """Write a float32 ONNX file with its convolutions, save the head's, between Q/DQ pairs.

    Symmetric with zero points of 0, the only kind that TensorRT takes: weights for each output channel,
    activations for each tensor, biases left in float32.

    Parameters
    ----------
    source, target : Path
        As for `to_half`.
    tiles : iterable of ndarray of float32, shape (n, 1, 512, 512)
        What the ranges of the activations are read from.
    precision : {"int8", "fp8"}
        fp8 is E4M3.
    """
    from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static

    with TemporaryDirectory() as scratch:
        path = Path(scratch) / "source.onnx"
        model = onnx.load(source)
        if precision == "fp8":
            model = onnx.version_converter.convert_version(model, _FP8_OPSET)
        onnx.save(model, path)
        quantize_static(
            path,
            target,
            _Calibration(model.graph.input[0].name, tiles),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=["Conv"],
            per_channel=True,
            activation_type=QuantType.QInt8,
            weight_type=QuantType.QInt8,
            nodes_to_exclude=[_heads(model.graph)[-1].name],
            calibrate_method=CalibrationMethod.MinMax,
            extra_options={"ActivationSymmetric": True, "WeightSymmetric": True, "QuantizeBias": False},
        )
    quantised = onnx.load(target)
    if precision == "fp8":
        _to_float8(quantised, model)
    _finish(quantised, source, target, precision)


def _to_float8(model: Any, single: Any) -> None:
    """Turn the pairs of an INT8 file into pairs of E4M3 with the same ranges.

    The quantiser's own ranges for float8 are those of a normal distribution; calcium lies far out in its tail
    and would be cut off.
    """
    from ml_dtypes import float8_e4m3fn

    weights = {value.name: numpy_helper.to_array(value) for value in single.graph.initializer}
    stored = {value.name: value for value in model.graph.initializer}
    done: set[str] = set()

    def store(name: str, array: npt.NDArray[Any]) -> None:
        stored[name].CopyFrom(numpy_helper.from_array(array, name))
        done.add(name)

    for node in model.graph.node:
        if node.op_type not in ("QuantizeLinear", "DequantizeLinear"):
            continue
        value, scale, zero = node.input
        scales = numpy_helper.to_array(stored[scale])
        weight = weights.get(value.removesuffix("_quantized"))
        if value in stored and weight is not None:
            largest = np.abs(weight).max(axis=tuple(range(1, weight.ndim)))
            scales = np.maximum(largest / _FP8_LARGEST, np.finfo(np.float16).tiny).astype(np.float32)
            shape = (-1, *[1] * (weight.ndim - 1))
            store(value, (weight / scales.reshape(shape)).astype(float8_e4m3fn))
        elif scale not in done:
            scales = (scales * np.float32(_INT8_LARGEST / _FP8_LARGEST)).astype(np.float32)
        else:
            continue
        store(scale, scales)
        store(zero, np.zeros(scales.shape, float8_e4m3fn))


class _Calibration:
    """Tiles one by one, as the quantiser asks for them."""

    def __init__(self, name: str, tiles: Iterable[FloatArray]) -> None:
        self._feeds: Iterator[dict[str, FloatArray]] = (
            {name: tile[None]} for batch in tiles for tile in batch
        )

    def get_next(self) -> dict[str, FloatArray] | None:
        return next(self._feeds, None)


def _heads(graph: Any) -> list[Any]:
    """Return the last convolution, and whatever others have its weights: one for each look."""
    convolutions = [node for node in graph.node if node.op_type == "Conv"]
    if not convolutions:
        raise ExportError("the network has no convolution; give a file of `bacctl export onnx`")
    return [node for node in convolutions if node.input[1] == convolutions[-1].input[1]]


def _half(tensor: Any) -> Any:
    single = numpy_helper.to_array(tensor)
    if np.abs(single).max(initial=0.0) > np.finfo(np.float16).max:
        raise ExportError(f"the weights {tensor.name} do not fit half precision; serve float32")
    return numpy_helper.from_array(single.astype(np.float16), tensor.name)


def _finish(model: Any, source: Path, target: Path, precision: Precision) -> None:
    """Infer the types anew, note where the file comes from, check it and write it."""
    del model.graph.value_info[:]
    digest = digest_of(source)
    kept = {entry.key: entry.value for entry in onnx.load(source).metadata_props}
    helper.set_model_props(model, {**kept, "bacctl.precision": precision, FLOAT32_SHA256: digest})
    model = onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True)
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, target)
