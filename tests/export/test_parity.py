"""The gate: what it sees, and that the checked-in network passes it in the precisions that are served."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from tests.export.conftest import Served

from bac_export.errors import ExportError
from bac_export.parity import (
    CALIBRATION_CASES,
    CASES,
    FLOAT32,
    REDUCED,
    SERVED,
    Case,
    Parity,
    Reference,
    onnxruntime_engine,
    openvino_engine,
)
from bac_export.precision import to_half, to_quantised
from bac_export.torch_engine import TorchSegmenter


def test_agreement_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """Masks of 3 and 2 pixels with 2 in common, 10 mg and 8 mg, and a view without anything."""
    masks = {0.9: [1, 1, 1, 0], 0.8: [1, 1, 0, 0], 0.1: [0, 0, 0, 0]}
    masses = {0.9: 10.0, 0.8: 8.0, 0.1: 0.0}

    def report(_self: Reference, _case: Case, probability: np.ndarray) -> tuple[np.ndarray, float]:
        value = round(float(probability.max()), 1)
        return np.array(masks[value], bool), masses[value]

    monkeypatch.setattr(Reference, "_report", report)
    views = [Case(np.full((1, 1, 4, 4), v, np.float32), np.zeros((4, 4), np.float32), {}) for v in (0.9, 0.1)]
    reference = Reference(lambda tiles: tiles, views, 0.5, {})
    assert reference.compare(lambda tiles: tiles) == Parity(0.0, 1.0, 1.0, 0.0)
    found = reference.compare(lambda tiles: np.where(tiles > 0.5, np.float32(0.8), tiles))
    assert found.largest_difference == pytest.approx(0.1, abs=1e-6)
    assert found.dice == found.worst_dice == pytest.approx(4 / 5)
    assert found.mass_difference == pytest.approx(0.2)
    one_sided = reference.compare(lambda tiles: np.full_like(tiles, 0.1))
    assert (one_sided.dice, one_sided.mass_difference) == (0.0, 1.0)


@pytest.mark.parametrize("field", ["largest_difference", "dice", "worst_dice", "mass_difference"])
def test_each_figure_alone_fails_the_gate(field: str) -> None:
    good = Parity(1e-4, 1.0, 1.0, 0.0)
    good.require("it")
    bad = replace(good, **{field: 0.5})
    for limits in (FLOAT32, REDUCED, SERVED):
        with pytest.raises(ExportError, match="it differs from the network"):
            bad.require("it", limits)
    assert not replace(good, **{field: float("nan")}).within(REDUCED)


def test_ranges_come_from_other_views_than_the_judgement() -> None:
    assert not set(CASES) & set(CALIBRATION_CASES)


@pytest.mark.slow
def test_half_precision_passes_on_a_faint_artery(served: Served, tmp_path: Path) -> None:
    path = tmp_path / "model.fp16.onnx"
    to_half(served.path, path)
    found = served.reference.compare(onnxruntime_engine(path, optimised=False))
    found.require("fp16", REDUCED)
    # Nothing would be rounded at all if the engine had put float32 in its place.
    assert found.largest_difference > 1e-5


@pytest.mark.slow
def test_bfloat16_as_served_keeps_limits_of_its_own_on_a_faint_artery(served: Served) -> None:
    served.reference.compare(openvino_engine(served.path, "bf16")).require("bf16", SERVED)


@pytest.mark.slow
def test_pytorch_passes_with_the_weights_of_the_file(served: Served) -> None:
    engine = TorchSegmenter(served.path, served.card["network"], "cpu")
    served.reference.compare(engine).require("PyTorch", FLOAT32)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "looks"), [("model.onnx", 1), ("model_voted.onnx", 8)])
def test_half_precision_ends_before_the_head(served: Served, tmp_path: Path, name: str, looks: int) -> None:
    path = tmp_path / "half.onnx"
    to_half(served.path.with_name(name), path)
    model = onnx.load(path)
    types = {value.name: value.type.tensor_type.elem_type for value in model.graph.value_info}
    stored = {value.name: value.data_type for value in model.graph.initializer}
    convolutions = [node for node in model.graph.node if node.op_type == "Conv"]
    heads = [node for node in convolutions if node.input[1] == "network.head.weight"]
    assert len(heads) == looks
    for node in convolutions:
        if node in heads:
            assert {stored[name] for name in node.input[1:]} == {onnx.TensorProto.FLOAT}
            continue
        assert types[node.output[0]] == onnx.TensorProto.FLOAT16
        assert {stored[name] for name in node.input[1:]} == {onnx.TensorProto.FLOAT16}
    for value in (*model.graph.input, model.graph.output[0]):
        assert value.type.tensor_type.elem_type == onnx.TensorProto.FLOAT


@pytest.mark.slow
def test_weights_beyond_half_precision_are_refused(served: Served, tmp_path: Path) -> None:
    model = onnx.load(served.path)
    weight = next(w for w in model.graph.initializer if w.name == "network.encoder.0.0.weight")
    weight.CopyFrom(
        onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(weight) * np.float32(1e8), weight.name)
    )
    onnx.save(model, tmp_path / "large.onnx")
    with pytest.raises(ExportError, match=r"network\.encoder\.0\.0\.weight do not fit"):
        to_half(tmp_path / "large.onnx", tmp_path / "half.onnx")


@pytest.mark.parametrize(
    ("precision", "kind"), [("int8", onnx.TensorProto.INT8), ("fp8", onnx.TensorProto.FLOAT8E4M3FN)]
)
def test_quantised_convolutions_are_what_tensorrt_takes(
    exported: Path, tmp_path: Path, precision: str, kind: int
) -> None:
    path = tmp_path / "quantised.onnx"
    tiles = np.random.default_rng(1).normal(size=(1, 1, 512, 512)).astype(np.float32)
    to_quantised(exported, path, [tiles], precision)  # type: ignore[arg-type]
    model = onnx.load(path)
    stored = {value.name: onnx.numpy_helper.to_array(value) for value in model.graph.initializer}
    zeros = {value.name: value for value in model.graph.initializer}
    pairs = [node for node in model.graph.node if node.op_type in ("QuantizeLinear", "DequantizeLinear")]
    for node in pairs:
        assert zeros[node.input[2]].data_type == kind
        assert not stored[node.input[2]].astype(np.float32).any()
    made = {name: node.op_type for node in model.graph.node for name in node.output}
    single = {v.name: onnx.numpy_helper.to_array(v) for v in onnx.load(exported).graph.initializer}
    for node in pairs:
        if node.input[0] in stored:
            weight = single[node.input[0].removesuffix("_quantized")]
            scale = stored[node.input[1]].reshape(-1, *[1] * (weight.ndim - 1))
            # Half a step of INT8; of E4M3, whose mantissa has three bits, a sixteenth of the value.
            step = scale / 2 if precision == "int8" else np.maximum(np.abs(weight) / 16, scale * 2.0**-10)
            error = np.abs(stored[node.input[0]].astype(np.float32) * scale - weight)
            assert (error <= step * 1.001).all()
    *convolutions, head = [node for node in model.graph.node if node.op_type == "Conv"]
    assert convolutions
    for node in convolutions:
        assert [made[name] for name in node.input[:2]] == ["DequantizeLinear"] * 2
        assert not any(made.get(name) for name in node.input[2:])
    assert not any(made.get(name) == "DequantizeLinear" for name in head.input)
