from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

from bac_export import parity
from bac_export.parity import Case, Reference, onnxruntime_engine, phantom_cases
from bac_training.config import load_config
from bac_training.network.checkpoint import save_checkpoint
from bac_training.network.unet import UNet
from bacctl.cli.app import app

REPOSITORY = Path(__file__).parents[2] / "model_repository"
FAINT, CLEAR = 17, 9
"""Phantoms of 2 mg in 7 cm and of 12 mg in 5 cm: the gate's figure over all views takes more than one."""
FIGURES = {"schema": "s", "model": {}, "data": {"women": 2}, "bootstrap": {}, "targets": []}


@dataclass(frozen=True)
class Served:
    """The checked-in network with its answers on a faint and a clear phantom."""

    path: Path
    card: dict[str, Any]
    case: Case
    reference: Reference


_NO_RISE = {"mean": 0.0, "length": 0.0, "area": 0.0, "deep": 0.0}
PROBABILITY_MAP = {
    "schema": "bacctl.probability_map/1",
    "prevalence": 0.1,
    "vessel": {"intercept": 1.0, "weights": _NO_RISE, "ranges": {name: [0.0, 1.0] for name in _NO_RISE}},
    "found": {
        "intercept": 1.0,
        "weights": {"strongest": 1.0, "others": 0.0},
        "ranges": {"strongest": [-5.0, 5.0], "others": [0.0, 3.0]},
    },
    "nothing": {"intercept": -4.0, "weights": {"peak": 0.0}, "ranges": {"peak": [0.0, 1.0]}},
    "fitted_on": [{"source": "another phantom"}],
}


@pytest.fixture(scope="session")
def served() -> Served:
    path = REPOSITORY / "bac_segment" / "1" / "model.onnx"
    card = json.loads(path.with_name("model_card.json").read_text())
    cases = phantom_cases((FAINT, CLEAR))
    reference = Reference(onnxruntime_engine(path), cases, card["threshold"], card["post_processing"])
    return Served(path, card, cases[0], reference)


@pytest.fixture(scope="session")
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


@pytest.fixture(scope="session")
def exported(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Export with settings, figures and a second precision, as a user does.

    An untrained network calls everything BAC; there is nothing to weigh, and no case to judge it on.
    """
    folder = tmp_path_factory.mktemp("export")
    (folder / "bac_segment").mkdir()
    settings = {
        "schema": "bac_training.settings/1",
        "threshold": 0.4,
        "post_processing": {"seed": 0.9, "min_length_mm": 8.0},
        "probability_map": PROBABILITY_MAP,
        "woman_f1": 0.98,
    }
    (folder / "settings.json").write_text(json.dumps(settings))
    (folder / "report.json").write_text(json.dumps({**FIGURES, "figures": {"mass": {}}}))
    (folder / "bac_segment" / "1").mkdir()
    (folder / "bac_segment" / "1" / "model.int8.onnx").write_bytes(b"of other weights")
    options = {"--settings": "settings.json", "--figures": "report.json", "--repository": "."}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parity, "phantom_cases", lambda numbers=(): [])
        done = CliRunner().invoke(
            app,
            [
                "export",
                "onnx",
                str(checkpoint),
                "--precision=fp16",
                *(str(p) for name, to in options.items() for p in (name, folder / to)),
            ],
        )
    assert done.exit_code == 0, done.output
    assert "research use only" in done.stdout
    return folder / "bac_segment" / "1" / "model.onnx"
