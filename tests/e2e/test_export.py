"""From the checked-in checkpoint to a repository that the real server serves, with the same results."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from bac_export import parity
from bacctl import Client
from bacctl.cli.app import app
from bacctl.server.embedded import EmbeddedServer
from bacctl.server.repository import default_repository

ROOT = Path(__file__).resolve().parents[2]
FAINT, CLEAR = 17, 9


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Export everything, judged on one view for the sake of time."""
    repository = tmp_path_factory.mktemp("exported") / "models"
    card = default_repository() / "bac_segment" / "1" / "model_card.json"
    faint = parity.phantom_cases((FAINT,))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parity, "phantom_cases", lambda numbers=(): faint)
        done = CliRunner().invoke(
            app,
            [
                "export",
                "all",
                str(ROOT / "training" / "weights" / "bac_segment.pt"),
                f"--repository={repository}",
                f"--settings={card}",
            ],
        )
    assert done.exit_code == 0, done.output
    assert "research use only" in done.stdout
    return repository


def test_an_exported_repository_is_served_with_the_same_results(
    exported: Path, client: Client, raw_mammogram: bytes
) -> None:
    ours = client.analyze(raw_mammogram)
    with EmbeddedServer(exported) as server, Client(server.url) as other:
        theirs = other.analyze(raw_mammogram)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(parity, "CASES", (FAINT, CLEAR))
            done = CliRunner().invoke(
                app, ["export", "verify", f"--url={server.url}", f"--repository={exported}"]
            )
    assert done.exit_code == 0, done.output
    assert "agrees with model.onnx" in done.stdout
    assert theirs.calcium_mass_mg == pytest.approx(ours.calcium_mass_mg, rel=1e-6)
    assert np.array_equal(theirs.mask, ours.mask)
    written = json.loads((exported / "bac_segment" / "1" / "model_card.json").read_text())
    kept = json.loads((default_repository() / "bac_segment" / "1" / "model_card.json").read_text())
    for name in ("threshold", "post_processing", "network"):
        assert written[name] == kept[name]
    for name in ("model_voted.onnx", "model_voted.fp16.onnx"):
        assert (exported / "bac_segment" / "1" / name).is_file()


def test_the_pytorch_configuration_is_served_with_the_same_results(
    client: Client, raw_mammogram: bytes
) -> None:
    with EmbeddedServer(model_config="torch") as server, Client(server.url) as other:
        theirs = other.analyze(raw_mammogram)
    ours = client.analyze(raw_mammogram)
    assert theirs.status == "ok"
    # This server computes in bfloat16 where the CPU has it, PyTorch on a CPU in float32.
    assert theirs.calcium_mass_mg == pytest.approx(ours.calcium_mass_mg, rel=0.005)
    assert theirs.mask is not None
    assert ours.mask is not None
    assert 2 * (theirs.mask & ours.mask).sum() >= 0.999 * (theirs.mask.sum() + ours.mask.sum())
