from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import torch

from bac_training import train
from bac_training.augment import draw_batch
from bac_training.checkpoint import load_checkpoint, load_network
from bac_training.config import load_config
from bac_training.errors import TrainingError
from bac_training.losses import CompositeLoss
from bac_training.patches import PatchSampler
from bac_training.unet import UNet


def test_one_batch_can_be_learnt(cache: Path) -> None:
    torch.manual_seed(0)
    torch.set_num_threads(1)
    image, target, _ = draw_batch(PatchSampler([cache], 1.0, 0.0, 0.0), np.random.default_rng(0), 2, 64, 0.0)
    network = UNet((8, 16))
    optimiser = torch.optim.AdamW(network.parameters(), 1e-2)
    loss = CompositeLoss()
    values = []
    for _ in range(120):
        terms = loss(network(image), target)
        optimiser.zero_grad()
        terms.total.backward()
        optimiser.step()
        values.append(float(terms.dice.detach()))
    assert values[0] > 0.5
    assert values[-1] < 0.1


def test_an_interrupted_run_ends_like_an_uninterrupted_one(
    cache: Path, tiny_config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train.run(tiny_config, tmp_path / "whole", data=[cache], validation=[], resume=False)
    one_step = train._Trainer._one_step

    def interrupted(self: train._Trainer, fraction: float) -> tuple[float, float, float, float]:
        if self.step == 5:
            raise KeyboardInterrupt
        return one_step(self, fraction)

    monkeypatch.setattr(train._Trainer, "_one_step", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train.run(tiny_config, tmp_path / "parts", data=[cache])
    assert load_checkpoint(tmp_path / "parts" / "checkpoint.pt")["step"] == 5
    monkeypatch.setattr(train._Trainer, "_one_step", one_step)
    parts = train.run(tiny_config, tmp_path / "parts", data=[cache], resume=True)
    first, second = load_checkpoint(whole), load_checkpoint(parts)
    for key in ("network", "average"):
        for name, value in first[key].items():
            assert torch.equal(value, second[key][name]), (key, name)


def test_a_run_reports_validates_and_leaves_a_network(cache: Path, tiny_config: Path, tmp_path: Path) -> None:
    held = tmp_path / "held"
    held.symlink_to(cache)
    reports: list[train.Progress] = []
    with pytest.raises(TrainingError, match="keep them apart"):
        train.run(tiny_config, tmp_path / "run", data=[cache], validation=[held])
    held.unlink()
    held.mkdir()
    for path in cache.iterdir():
        (held / path.name).write_bytes(path.read_bytes())
    path = train.run(tiny_config, tmp_path / "run", data=[cache], validation=[held], progress=reports.append)
    assert reports[-1].step == 8
    assert reports[-1].fraction == 1
    assert reports[-1].validation_dice is not None
    rows = list(csv.DictReader((tmp_path / "run" / "metrics.csv").open()))
    assert [row["step"] for row in rows] == ["8"]
    content = load_checkpoint(path)
    assert content["data"][0]["source"] == {"kind": "made"}
    assert content["cases"] == 3
    network = load_network(content)
    assert network.widths == (8, 8)
    assert not network.training
    with pytest.raises(TrainingError, match="resume"):
        train.run(tiny_config, tmp_path / "run", data=[cache])
    begun = train.run(tiny_config, tmp_path / "second", data=[cache], init=path)
    assert load_checkpoint(begun)["step"] == 8


def test_a_loss_that_is_no_number_stops_the_run(
    cache: Path, tiny_config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def poisoned(image: torch.Tensor, *_: object) -> torch.Tensor:
        return image * float("nan")

    monkeypatch.setattr(train, "augment", poisoned)
    with pytest.raises(TrainingError, match="the loss is nan at step 0"):
        train.run(tiny_config, tmp_path / "run", data=[cache])


def test_a_file_that_is_no_checkpoint_is_named(tmp_path: Path) -> None:
    path = tmp_path / "x.pt"
    path.write_bytes(b"no checkpoint")
    with pytest.raises(TrainingError, match=r"x\.pt"):
        load_checkpoint(path)
    torch.save({"other": 1}, path)
    with pytest.raises(TrainingError, match="not a checkpoint"):
        load_checkpoint(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[run]\nminuets = 3\n", "unknown key minuets"),
        ("[rum]\nminutes = 3\n", r"unknown section \[rum\]"),
        ("[run]\nminutes = 'long'\n", "run.minutes"),
        ("[run]\ndevice = 'tpu'\n", "run.device"),
        ("[run]\nminutes = 0.0\n", "minutes above 0"),
        ("[patches]\nside_px = 100\n", "multiple of 32"),
        ("[patches]\npositive = 0.9\nhard = 0.2\n", "sum to 1"),
        ("[loss]\nbce = 0\ndice = 0\nhausdorff = 0\n", "loss weights"),
        ("[run\n", "cannot read"),
    ],
)
def test_a_wrong_configuration_is_refused_in_one_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "bad.toml"
    path.write_text(text)
    with pytest.raises(TrainingError, match=message) as caught:
        load_config(path)
    assert "\n" not in str(caught.value)


def test_own_keys_replace_defaults(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text("[loss]\nhausdorff = 0.25\n[network]\nwidths = [16, 32]\n")
    config = load_config(path)
    assert config.loss.hausdorff == 0.25
    assert config.network.widths == (16, 32)
    assert config.loss.bce == load_config().loss.bce
