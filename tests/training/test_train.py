from __future__ import annotations

import csv
import pickle
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from bac_training import train, trainer
from bac_training.config import load_config
from bac_training.errors import TrainingError
from bac_training.network.checkpoint import load_checkpoint, load_network
from bac_training.network.device import Ahead
from bac_training.network.losses import CompositeLoss
from bac_training.network.unet import UNet
from bac_training.patches.augment import draw_batch
from bac_training.patches.draw import PatchSampler
from bac_training.trainer import Trainer

pytestmark = pytest.mark.slow


def test_one_batch_can_be_learnt(cache: Path) -> None:
    torch.manual_seed(0)
    torch.set_num_threads(1)
    batch = draw_batch(PatchSampler([cache], 1.0, 0.0, 0.0), np.random.default_rng(0), 2, 64, 0.0)
    network = UNet((8, 16))
    optimiser = torch.optim.AdamW(network.parameters(), 1e-2)
    loss = CompositeLoss()
    values = []
    for _ in range(120):
        terms = loss(network(batch.image), batch.target)
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
    one_step = Trainer._one_step

    def interrupted(self: Trainer, drawn: Any, fraction: float) -> tuple[float, float, float, float]:
        if self.step == 5:
            raise KeyboardInterrupt
        return one_step(self, drawn, fraction)

    monkeypatch.setattr(Trainer, "_one_step", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train.run(tiny_config, tmp_path / "parts", data=[cache])
    assert load_checkpoint(tmp_path / "parts" / "checkpoint.pt")["step"] == 5
    monkeypatch.setattr(Trainer, "_one_step", one_step)
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


@pytest.mark.parametrize("where", ["loss", "gradient"])
def test_what_is_no_number_stops_the_run_and_leaves_the_batch(
    cache: Path, tiny_config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    out = tmp_path / "run"
    train.run(tiny_config, out, data=[cache])
    before = (out / "checkpoint.pt").read_bytes()
    tiny_config.write_text(tiny_config.read_text().replace("steps = 8", "steps = 20"))

    def poisoned(image: torch.Tensor, *_: object) -> torch.Tensor:
        return image * float("nan")

    if where == "loss":
        monkeypatch.setattr(trainer, "augment", poisoned)
    else:
        # The derivative of a square root at 0 is infinite, times 0 no number, though the value is finite.
        one = Trainer._forward
        monkeypatch.setattr(
            Trainer,
            "_forward",
            lambda self, image: one(self, image) + torch.sqrt(0 * next(self.network.parameters()).sum()),
        )
    with pytest.raises(TrainingError, match=r"at step 8 the loss is .*failed-step-8\.npz; lower") as caught:
        train.run(tiny_config, out, data=[cache], resume=True)
    assert "nan" in str(caught.value)
    assert (out / "checkpoint.pt").read_bytes() == before
    with np.load(out / "failed-step-8.npz") as batch:
        assert batch["image"].shape == batch["target"].shape == batch["breast"].shape == (2, 1, 64, 64)
        assert set(batch["cases"]) <= {"case-0", "case-1", "case-2"}
        assert batch["seed"].tolist() == [1, 8]


def test_a_run_ends_when_validation_no_longer_improves(
    cache: Path, tiny_config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = tmp_path / "held"
    shutil.copytree(cache, held)
    tiny_config.write_text(
        tiny_config.read_text().replace("steps = 8", "steps = 100").replace("[run]", "[run]\npatience = 2")
    )
    with pytest.raises(TrainingError, match="needs validation data"):
        train.run(tiny_config, tmp_path / "run", data=[cache])
    monkeypatch.setattr(trainer, "_REPORT_STEPS", 1)
    scores = iter([0.3, 0.5, 0.4, 0.5, 0.9])
    monkeypatch.setattr(Trainer, "validate", lambda self: next(scores))
    best = train.run(tiny_config, tmp_path / "run", data=[cache], validation=[held])
    assert best == tmp_path / "run" / "best.pt"
    assert load_checkpoint(best)["step"] == 2
    assert load_checkpoint(tmp_path / "run" / "checkpoint.pt")["step"] == 4
    assert load_network(load_checkpoint(best)).widths == (8, 8)
    # Resumed, it has still stalled.
    assert train.run(tiny_config, tmp_path / "run", data=[cache], validation=[held], resume=True) == best


def test_curves_are_those_of_the_metrics_file(cache: Path, tiny_config: Path, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    train.run(tiny_config, tmp_path / "run", data=[cache])
    (row,) = csv.DictReader((tmp_path / "run" / "metrics.csv").open())
    events = EventAccumulator(str(tmp_path / "run" / "tensorboard")).Reload()
    for name in ("loss", "dice", "learning_rate"):
        (point,) = events.Scalars(f"training/{name}")
        assert point.step == int(row["step"])
        assert point.value == pytest.approx(float(row[name]), rel=1e-4)


def test_without_tensorboard_a_run_has_its_metrics_file(
    cache: Path, tiny_config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    train.run(tiny_config, tmp_path / "run", data=[cache])
    assert (tmp_path / "run" / "metrics.csv").exists()
    assert not (tmp_path / "run" / "tensorboard").exists()


class Evil:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


def test_a_file_that_is_no_checkpoint_is_named(cache: Path, tiny_config: Path, tmp_path: Path) -> None:
    path = tmp_path / "x.pt"

    def refused(match: str) -> None:
        with pytest.raises(TrainingError, match=match) as caught:
            load_checkpoint(path)
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)

    refused("No such file")
    for content in (b"", b"not a checkpoint", b"PK\x03\x04 neither"):
        path.write_bytes(content)
        refused("not a checkpoint")
    torch.save({"other": 1}, path)
    refused("not a checkpoint of this version")
    torch.save([1], path)
    refused("not a checkpoint of this version")

    touched = tmp_path / "touched"
    # torch reads no operand of protocol 4 but those that it writes itself.
    for protocol, message in ((2, "holds Python code, which is not run"), (4, "not a checkpoint")):
        path.write_bytes(pickle.dumps(Evil(touched), protocol))
        refused(message)
        content = {"schema": "bac_training.checkpoint/1", "config": Evil(touched)}
        torch.save(content, path, pickle_protocol=protocol)
        refused(message)
    assert not touched.exists()

    good = train.run(tiny_config, tmp_path / "run", data=[cache])
    path.write_bytes(good.read_bytes()[:-2000])
    refused("cut short")
    content = load_checkpoint(good)
    for change in ({"widths": [8, 16]}, {"widths": [8, 8], "block": "other"}, {}):
        torch.save({**content, "config": {"network": change}}, path)
        refused("another network than it describes")
    torch.save({key: value for key, value in content.items() if key != "average"}, path)
    refused("another network than it describes")


def test_a_checkpoint_of_another_network_is_refused_before_the_data_are_read(
    cache: Path, tiny_config: Path, tmp_path: Path
) -> None:
    first = train.run(tiny_config, tmp_path / "first", data=[cache])
    own, second = tmp_path / "own.toml", tmp_path / "second"
    second.mkdir()
    lost = [tmp_path / "lost"]
    for key, other in (
        ("widths = [8, 8]", "widths = [8, 16]"),
        ("block = 'plain'", "block = 'residual'"),
    ):
        own.write_text(tiny_config.read_text().replace(key, other))
        message = r"another network; set block = plain, widths = \[8, 8\] in \[network\]"
        with pytest.raises(TrainingError, match=message):
            train.run(own, second, data=lost, init=first)
        shutil.copy(first, second)
        with pytest.raises(TrainingError, match=message):
            train.run(own, second, data=lost, resume=True)
        (second / "checkpoint.pt").unlink()
    model = {
        key: value for key, value in load_checkpoint(first).items() if key not in ("optimiser", "network")
    }
    torch.save(model, tmp_path / "second" / "checkpoint.pt")
    with pytest.raises(TrainingError, match="holds a model, not a run"):
        train.run(tiny_config, tmp_path / "second", data=[cache], resume=True)


def test_batches_made_ahead_are_the_same_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []

    def make(step: int) -> int:
        made.append(step)
        return step * step

    ahead = Ahead(make, torch.device("cuda"))
    assert [ahead.take(step) for step in range(3, 40)] == [step * step for step in range(3, 40)]
    ahead.close()
    assert len(made) == len(set(made)), "each once"
    made.clear()
    here = Ahead(make, torch.device("cpu"))
    assert here.take(5) == 25
    assert made == [5]
    here.close()


def test_a_fault_while_drawing_ahead_reaches_the_run() -> None:
    ahead = Ahead(lambda step: 1 // (step - 2), torch.device("cuda"))
    assert ahead.take(1) == -1
    with pytest.raises(ZeroDivisionError):
        ahead.take(2)
    ahead.close()


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


def test_a_share_may_grow_to_what_the_others_leave(tmp_path: Path) -> None:
    """The defaults of the shares that were there first leave a third and more to each of them."""
    path = tmp_path / "own.toml"
    path.write_text("[patches]\nlines = 0.35\n")
    assert load_config(path).patches.lines == 0.35
