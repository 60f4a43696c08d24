"""The mean of networks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from bac_training import average as module
from bac_training.errors import TrainingError
from bac_training.network.checkpoint import load_checkpoint, load_network, save_checkpoint
from bac_training.network.unet import UNet

NETWORK = {"widths": [8, 8], "block": "depthwise"}


def written(path: Path, value: float, data: list[str], network: dict[str, Any] = NETWORK) -> Path:
    state = {
        name: torch.full_like(tensor, value) if tensor.is_floating_point() else tensor
        for name, tensor in UNet(**network).state_dict().items()
    }
    content = {"network": network, "run": {"seed": 1}}
    save_checkpoint(
        path,
        {"config": content, "data": data, "average": state, "cases": 3, "step": 10, "elapsed_s": 60.0},
    )
    return path


def test_weights_are_mixed_by_their_shares_and_sources_are_kept(tmp_path: Path) -> None:
    one = written(tmp_path / "one.pt", 1.0, ["a", "b"])
    two = written(tmp_path / "two.pt", 5.0, ["b", "c"])
    out = tmp_path / "out.pt"
    assert module._main([str(out), str(one), str(two), "--shares", "0.75", "0.25"]) == 0
    content = load_checkpoint(out)
    # 0.75 x 1 + 0.25 x 5.
    assert all(
        torch.equal(value, torch.full_like(value, 2.0))
        for value in content["average"].values()
        if value.is_floating_point()
    )
    assert content["data"] == ["a", "b", "c"]
    assert (content["cases"], content["step"], content["elapsed_s"]) == (6, 20, 120.0)
    assert [entry["share"] for entry in content["averaged"]] == [0.75, 0.25]
    assert load_network(content)


@pytest.mark.parametrize(
    ("shares", "said"),
    [(["0.5", "0.6"], "do not sum to 1"), (["1.5", "-0.5"], "do not sum"), (["1"], "one share each")],
)
def test_shares_that_do_not_fit_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], shares: list[str], said: str
) -> None:
    one, two = (written(tmp_path / f"{name}.pt", 1.0, []) for name in "ab")
    out = tmp_path / "out.pt"
    assert module._main([str(out), str(one), str(two), "--shares", *shares]) == 1
    assert said in capsys.readouterr().err
    assert not out.exists()


def test_another_network_is_refused(tmp_path: Path) -> None:
    one = written(tmp_path / "one.pt", 1.0, [])
    two = written(tmp_path / "two.pt", 1.0, [], {"widths": [8, 16], "block": "depthwise"})
    with pytest.raises(TrainingError, match="holds another network"):
        module.average([one, two], [0.5, 0.5])
