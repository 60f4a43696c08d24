from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from typer.testing import CliRunner

from bac_export import onnx_export
from bac_export.errors import ExportError
from bac_export.parity import Parity, compare, onnxruntime_engine, probe_tiles
from bac_imaging.tiles import MAX_TILES, TILE_PX
from bac_training.checkpoint import load_checkpoint, load_network, save_checkpoint
from bac_training.config import load_config
from bac_training.unet import UNet
from bacctl.cli.app import app

ROOT = Path(__file__).parents[2]
FIGURES = {"schema": "s", "model": {}, "data": {"women": 2}, "bootstrap": {}, "targets": []}
REPOSITORY = ROOT / "model_repository" / "bac_segment"


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    network = UNet((8, 8))
    # Statistics other than those of a new layer, or a lost normalisation would go unseen.
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.uniform_(-0.5, 0.5)
            module.running_var.uniform_(0.5, 2.0)
    config = load_config().to_dict()
    config["network"] |= {"widths": [8, 8], "block": "plain"}
    state = network.state_dict()
    path = tmp_path_factory.mktemp("run") / "checkpoint.pt"
    content: dict[str, Any] = {"config": config, "data": [], "cases": 4, "network": state, "average": state}
    save_checkpoint(path, {**content, "optimiser": {}, "step": 10, "elapsed_s": 90.0})
    return path


@pytest.fixture(scope="module")
def exported(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Export with settings and figures, as a user does."""
    folder = tmp_path_factory.mktemp("export")
    (folder / "bac_segment").mkdir()
    settings = {
        "schema": "bac_training.settings/1",
        "threshold": 0.4,
        "post_processing": {"seed": 0.9, "min_length_mm": 8.0},
        "woman_f1": 0.98,
    }
    (folder / "settings.json").write_text(json.dumps(settings))
    (folder / "report.json").write_text(json.dumps({**FIGURES, "figures": {"mass": {}}}))
    options = {"--settings": "settings.json", "--figures": "report.json", "--repository": "."}
    done = CliRunner().invoke(
        app,
        [
            "export",
            "onnx",
            str(checkpoint),
            *(str(p) for name, to in options.items() for p in (name, folder / to)),
        ],
    )
    assert done.exit_code == 0, done.output
    assert "research use only" in done.stdout
    return folder / "bac_segment" / "1" / "model.onnx"


def test_the_file_answers_like_the_network_at_any_batch(checkpoint: Path, exported: Path) -> None:
    network = load_network(load_checkpoint(checkpoint))
    engine = onnxruntime_engine(exported)
    for count in (1, 3):
        tiles = np.random.default_rng(count).normal(size=(count, 1, TILE_PX, TILE_PX)).astype(np.float32)
        with torch.no_grad():
            logits = network(torch.from_numpy(tiles)).numpy().astype(np.float64)
        np.testing.assert_allclose(engine(tiles), 1 / (1 + np.exp(-logits)), atol=1e-4)


def test_the_graph_has_the_contracts_names_and_shapes(exported: Path) -> None:
    model = onnx.load(exported)
    for values, name in ((model.graph.input, "TILES"), (model.graph.output, "PROBABILITY")):
        (value,) = values
        dims = value.type.tensor_type.shape.dim
        assert value.name == name
        assert value.type.tensor_type.elem_type == onnx.TensorProto.FLOAT
        assert dims[0].dim_param
        assert [d.dim_value for d in dims[1:]] == [1, 512, 512]
    assert not any(t.data_location == onnx.TensorProto.EXTERNAL for t in model.graph.initializer)


def test_the_card_describes_the_file(exported: Path) -> None:
    card = json.loads((exported.parent / "model_card.json").read_text())
    assert card["sha256"] == hashlib.sha256(exported.read_bytes()).hexdigest()
    assert card["threshold"] == 0.4
    assert card["post_processing"] == {"seed": 0.9, "min_length_mm": 8.0}
    assert card["figures"] == FIGURES
    assert card["intended_use"] == "research use only"
    assert card["training"]["images"] == 4
    assert card["parity"]["onnxruntime"]["dice"] >= 0.999
    assert card["parity"]["openvino"]["largest_difference"] <= 1e-3
    assert sorted(path.name for path in exported.parent.iterdir()) == ["model.onnx", "model_card.json"]


def test_a_failed_gate_leaves_the_repository_as_it_was(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = tmp_path / "bac_segment" / "1"
    version.mkdir(parents=True)
    (version / "model.onnx").write_bytes(b"old")
    monkeypatch.setattr(onnx_export, "onnxruntime_engine", lambda path: lambda tiles: np.zeros_like(tiles))
    with pytest.raises(ExportError, match="onnxruntime differs from PyTorch"):
        onnx_export.run(checkpoint, tmp_path)
    assert [path.name for path in version.iterdir()] == ["model.onnx"]
    assert (version / "model.onnx").read_bytes() == b"old"


def test_a_folder_that_is_no_repository_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="bac_segment"):
        onnx_export.run(checkpoint, tmp_path)
    (tmp_path / "bac_segment").mkdir()
    with pytest.raises(ExportError, match="threshold"):
        onnx_export.run(checkpoint, tmp_path, threshold=1.0)


def test_agreement_by_hand() -> None:
    reference = np.array([0.9, 0.6, 0.4, 0.1], dtype=np.float32)
    other = np.array([0.9, 0.6, 0.55, 0.1], dtype=np.float32)
    found = compare(reference, other, 0.5)
    assert found.largest_difference == pytest.approx(0.15)
    assert found.dice == pytest.approx(2 * 2 / 5)
    with pytest.raises(ExportError):
        found.require("it")
    Parity(1e-4, 1.0).require("it")
    with pytest.raises(ExportError):
        Parity(float("nan"), 1.0).require("it")


def test_probe_tiles_repeat() -> None:
    tiles = probe_tiles(2, 64)
    assert tiles.shape == (2, 1, 64, 64)
    assert tiles.dtype == np.float32
    assert np.array_equal(tiles, probe_tiles(2, 64))


@pytest.mark.parametrize("name", ["config.pbtxt", "configs/gpu.pbtxt", "configs/onnx.pbtxt"])
def test_every_configuration_has_the_same_tensors(name: str) -> None:
    text = (REPOSITORY / name).read_text()
    assert re.search(rf"max_batch_size:\s*{MAX_TILES}\b", text)
    for tensor in ("TILES", "PROBABILITY"):
        pattern = rf'name:\s*"{tensor}"\s*data_type:\s*TYPE_FP32\s*dims:\s*\[\s*1,\s*512,\s*512\s*\]'
        assert re.search(pattern, text), tensor
