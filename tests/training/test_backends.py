from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from bac_training.config import load_config
from bac_training.errors import TrainingError
from bac_training.network.backends import load_segmenter
from bac_training.network.checkpoint import save_checkpoint
from bac_training.network.unet import UNet


def test_a_checkpoint_runs(tmp_path: Path) -> None:
    config = load_config().to_dict()
    config["network"] |= {"widths": [8, 8], "block": "plain"}
    state = UNet((8, 8)).state_dict()
    save_checkpoint(tmp_path / "x.pt", {"config": config, "average": state})
    segmenter = load_segmenter(tmp_path / "x.pt")
    assert segmenter.engine == "pytorch"
    found = segmenter.probability(np.zeros((2, 1, 64, 64), dtype=np.float32))
    assert found.shape == (2, 1, 64, 64)
    assert np.all((found > 0) & (found < 1))


def test_a_card_of_other_weights_is_refused(tmp_path: Path) -> None:
    model = tmp_path / "model.onnx"
    model.write_bytes(b"weights")
    card = {"sha256": hashlib.sha256(b"other").hexdigest(), "threshold": 0.3}
    (tmp_path / "model_card.json").write_text(json.dumps(card))
    with pytest.raises(TrainingError, match="another network"):
        load_segmenter(model)
    with pytest.raises(TrainingError, match="neither"):
        load_segmenter(tmp_path / "model_card.json")
    with pytest.raises(TrainingError, match="not a file"):
        load_segmenter(tmp_path / "lost.pt")


def test_a_file_that_is_no_network_is_refused(tmp_path: Path) -> None:
    model = tmp_path / "model.onnx"
    model.write_bytes(b"weights")
    with pytest.raises(TrainingError, match=r"model\.onnx is not a network"):
        load_segmenter(model)
    (tmp_path / "model_card.json").write_text("{")
    with pytest.raises(TrainingError, match=r"model_card\.json is damaged"):
        load_segmenter(model)
