from __future__ import annotations

import hashlib
import json
import re
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from tests.export.conftest import FIGURES, PROBABILITY_MAP

from bac_export import onnx_export, parity
from bac_export.errors import ExportError
from bac_export.graph import add_checksum, check
from bac_export.parity import onnxruntime_engine
from bac_imaging.grid.checksum import PROBABILITY_SLACK, segment_checksum
from bac_imaging.grid.tiles import TILE_PX
from bac_imaging.onnxruntime import load_onnxruntime
from bac_training.network.checkpoint import load_checkpoint, load_network

ROOT = Path(__file__).parents[2]


def test_the_file_answers_like_the_network_at_any_batch(checkpoint: Path, exported: Path) -> None:
    network = load_network(load_checkpoint(checkpoint))
    engine = onnxruntime_engine(exported)
    for count in (1, 3):
        tiles = np.random.default_rng(count).normal(size=(count, 1, TILE_PX, TILE_PX)).astype(np.float32)
        with torch.no_grad():
            logits = network(torch.from_numpy(tiles)).numpy().astype(np.float64)
        np.testing.assert_allclose(engine(tiles), 1 / (1 + np.exp(-logits)), atol=1e-4)


@pytest.mark.parametrize("name", ["model.onnx", "model_voted.onnx", "model_voted.fp16.onnx"])
def test_the_graph_has_the_contracts_names_and_shapes(exported: Path, name: str) -> None:
    model = onnx.load(exported.with_name(name))
    (tiles,), (probability, checksum) = model.graph.input, model.graph.output
    for value, name in ((tiles, "TILES"), (probability, "PROBABILITY")):
        dims = value.type.tensor_type.shape.dim
        assert value.name == name
        assert value.type.tensor_type.elem_type == onnx.TensorProto.FLOAT
        assert dims[0].dim_param
        assert [d.dim_value for d in dims[1:]] == [1, 512, 512]
    dims = checksum.type.tensor_type.shape.dim
    assert (checksum.name, dims[0].dim_param, dims[1].dim_value) == ("CHECKSUM", tiles_batch(tiles), 2)
    assert not any(t.data_location == onnx.TensorProto.EXTERNAL for t in model.graph.initializer)


def tiles_batch(tiles: onnx.ValueInfoProto) -> str:
    return str(tiles.type.tensor_type.shape.dim[0].dim_param)


@pytest.mark.parametrize("name", ["model.onnx", "model_voted.onnx", "model_voted.fp16.onnx"])
@pytest.mark.parametrize("optimised", [True, False])
def test_the_graph_says_whose_answer_it_gives(exported: Path, name: str, optimised: bool) -> None:
    """As numpy says it, at any batch, in any precision and however ONNX Runtime rewrites the graph."""
    onnxruntime = load_onnxruntime()
    options = onnxruntime.SessionOptions()
    if not optimised:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(exported.with_name(name), options)
    noise = np.random.default_rng(3).normal(0, 3, size=(3, 1, TILE_PX, TILE_PX))
    tiles = np.clip(noise, -4, 12).astype(np.float32)
    tiles[2] = 12.0
    probability, checksum = session.run(["PROBABILITY", "CHECKSUM"], {"TILES": tiles})
    expected = segment_checksum(tiles, probability)
    assert checksum.dtype == np.int32
    assert checksum[:, 0].tolist() == expected[:, 0].tolist()
    assert np.abs(checksum[:, 1].astype(int) - expected[:, 1]).max() <= PROBABILITY_SLACK


def test_the_sums_are_added_once(exported: Path, tmp_path: Path) -> None:
    copy = tmp_path / "model.onnx"
    shutil.copy(exported, copy)
    add_checksum(copy)
    assert copy.read_bytes() == exported.read_bytes()


def test_the_card_describes_the_file(exported: Path) -> None:
    card = json.loads((exported.parent / "model_card.json").read_text())
    assert card["sha256"] == hashlib.sha256(exported.read_bytes()).hexdigest()
    voted = exported.with_name("model_voted.onnx")
    assert card["voted_sha256"] == hashlib.sha256(voted.read_bytes()).hexdigest()
    assert card["threshold"] == 0.4
    assert card["post_processing"] == {"seed": 0.9, "min_length_mm": 8.0}
    assert card["probability_map"] == PROBABILITY_MAP
    assert card["figures"] == FIGURES
    assert card["intended_use"] == "research use only"
    assert card["training"]["images"] == 4
    assert card["parity"]["onnxruntime"]["dice"] >= 0.999
    assert card["parity"]["openvino"]["largest_difference"] <= 1e-3
    assert set(card["parity"]) == {"onnxruntime", "openvino", "openvino_bf16", "votes", "fp16"}
    files = sorted(path.name for path in exported.parent.iterdir())
    assert files == ["model.onnx", "model_card.json", "model_voted.fp16.onnx", "model_voted.onnx"]


@pytest.mark.parametrize("name", ["model.onnx", "model_voted.onnx", "model_voted.fp16.onnx"])
def test_the_file_says_what_it_takes_to_use_it(checkpoint: Path, exported: Path, name: str) -> None:
    model = onnx.load(exported.with_name(name))
    said = {entry.key.removeprefix("bacctl."): entry.value for entry in model.metadata_props}
    assert said["intended_use"] == "research use only"
    assert said["checkpoint_sha256"] == hashlib.sha256(checkpoint.read_bytes()).hexdigest()
    assert float(said["threshold"]) == 0.4
    assert json.loads(said["post_processing"]) == {"min_length_mm": 8.0, "seed": 0.9}
    assert json.loads(said["normalisation"])["clip"] == [-4.0, 12.0]
    assert json.loads(said["tiles"]) == {"side_px": 512, "stride_px": 448, "most": 64, "spacing_mm": 0.1}


def test_the_file_tells_nothing_of_the_machine(exported: Path) -> None:
    assert str(ROOT).encode() not in exported.read_bytes()
    assert b"stack_trace" not in exported.read_bytes()


def test_what_tensorrt_cannot_parse_is_named(exported: Path, tmp_path: Path) -> None:
    check(exported)
    model = onnx.load(exported)
    model.graph.node[-1].op_type = "Det"
    del model.graph.value_info[:]
    (resize,) = [node for node in model.graph.node if node.op_type == "Resize"]
    for attribute in resize.attribute:
        if attribute.name == "mode":
            attribute.s = b"cubic"
    changed = tmp_path / "changed.onnx"
    onnx.save(model, changed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(onnx.checker, "check_model", lambda *given, **options: None)
        with pytest.raises(ExportError, match=rf"operator Det.*{re.escape(resize.name)}: Resize by cubic"):
            check(changed)


def test_a_failed_gate_leaves_the_repository_as_it_was(
    checkpoint: Path, exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = tmp_path / "bac_segment" / "1"
    version.mkdir(parents=True)
    (version / "model.onnx").write_bytes(b"old")
    monkeypatch.setattr(
        onnx_export, "export_network", lambda network, path, max_batch: shutil.copy(exported, path)
    )
    monkeypatch.setattr(onnx_export, "onnxruntime_engine", lambda path: lambda tiles: tiles + 0.5)
    view = parity.Case(np.zeros((1, 1, TILE_PX, TILE_PX), np.float32), np.zeros((4, 4), np.float32), {})
    monkeypatch.setattr(parity.Reference, "_report", lambda *given: (np.zeros((4, 4), bool), 0.0))
    with pytest.raises(ExportError, match="onnxruntime differs from the network: probability by"):
        onnx_export.run(checkpoint, tmp_path, cases=[view])
    assert [path.name for path in version.iterdir()] == ["model.onnx"]
    assert (version / "model.onnx").read_bytes() == b"old"


def test_a_folder_that_is_no_repository_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="bac_segment"):
        onnx_export.run(checkpoint, tmp_path)
    (tmp_path / "bac_segment").mkdir()
    with pytest.raises(ExportError, match="threshold"):
        onnx_export.run(checkpoint, tmp_path, threshold=1.0)
