from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from bac_training import evaluate, threshold
from bac_training.backends import Segmenter, load_segmenter
from bac_training.checkpoint import save_checkpoint
from bac_training.config import load_config
from bac_training.errors import TrainingError
from bac_training.unet import UNet

AREA_MM2 = 7 * 159 * 0.04


def bright(tiles: np.ndarray[Any, np.dtype[np.float32]]) -> np.ndarray[Any, np.dtype[np.float32]]:
    """A network that calls every pixel above 2.5 local standard deviations BAC."""
    return np.asarray(1 / (1 + np.exp(-4 * (tiles - 2.5))), dtype=np.float32)


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """Two films, one with an artery of 7 x 159 pixels of 0.2 mm, and one file that is no image."""
    rng = np.random.default_rng(0)
    row, column = np.mgrid[:500, :320]
    breast = ((row - 250) / 200) ** 2 + (column / 230) ** 2 < 1
    artery = (abs(column - 100) < 4) & (abs(row - 250) < 80)
    images = []
    for name, mask in (("with", artery), ("without", np.zeros_like(artery)), ("broken", artery)):
        pixels = 20 + 100 * breast + 6 * rng.normal(size=breast.shape) * breast + 90 * mask
        Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(tmp_path / f"{name}.png")
        Image.fromarray(mask.astype(np.uint8) * 255).save(tmp_path / f"{name}.mask.png")
        entry = {
            "path": f"{name}.png",
            "mask": f"{name}.mask.png",
            "pixel_spacing_mm": [0.2, 0.2],
            "look": "film",
        }
        images.append(entry | {"calcium_mass_mg": 5.0, "area_mm2": float(mask.sum()) * 0.04})
    (tmp_path / "broken.png").write_bytes(b"no image")
    woman = {"study_instance_uid": "2.25.1", "calcium_mass_mg": 5.0, "images": images}
    (tmp_path / "truth.json").write_text(json.dumps({"seed": 7, "women": [woman]}))
    return tmp_path


def test_whole_images_are_measured_as_they_are_served(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tmp_path / "any.onnx"
    monkeypatch.setattr(evaluate, "load_segmenter", lambda path: Segmenter("0" * 64, 0.5, "made", bright))
    seen: list[tuple[int, int]] = []
    report = evaluate.run(
        dataset, tmp_path / "out", model, progress=lambda done, total: seen.append((done, total))
    )
    found, clean, broken = report.images
    assert found.true_bac
    assert found.found_bac
    assert found.dice > 0.9
    # In the artery's plane, which the assumed magnification of a film scan makes smaller.
    assert found.area_mm2 is not None
    assert 0.8 * AREA_MM2 < found.area_mm2 < AREA_MM2
    assert not clean.true_bac
    assert not clean.found_bac
    assert clean.dice == 1
    assert broken.code == "BAC-FILE-NOT-IMAGE"
    assert broken.dice == 0
    # The broken image had an artery: nothing found is a miss.
    assert (report.detection.sensitivity, report.detection.specificity) == (0.5, 1.0)
    assert report.dice_on_positives == pytest.approx((found.dice + 0) / 2)
    # Films give no mass.
    assert report.mass is None
    assert report.women[0].mass_mg is None
    assert seen == [(1, 3), (2, 3), (3, 3)]
    written = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    assert written["detection"]["sensitivity"] == 0.5
    assert written["data_seed"] == 7
    assert written["intended_use"] == "research use only"
    page = (tmp_path / "out" / "evaluation.md").read_text()
    assert "| sensitivity | 0.500 |" in page
    assert "1 refused or failed" in page


def test_a_data_set_that_is_not_whole_is_refused(dataset: Path, tmp_path: Path) -> None:
    (dataset / "with.mask.png").unlink()
    with pytest.raises(TrainingError, match=r"1 files .* are missing"):
        evaluate.run(dataset)
    with pytest.raises(TrainingError, match=r"truth\.json"):
        evaluate.run(tmp_path / "nothing")


def test_the_threshold_of_best_dice_is_found(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Truth is 5 above a background of SD 1, so that the best cut of the brightness lies between."""

    def ramp(tiles: np.ndarray[Any, np.dtype[np.float32]]) -> np.ndarray[Any, np.dtype[np.float32]]:
        return np.clip(tiles / 10, 0, 1)

    monkeypatch.setattr(threshold, "load_segmenter", lambda path: Segmenter("", 0.5, "made", ramp))
    choice = threshold.choose_threshold(tmp_path / "any.onnx", [cache])
    assert choice.images == 3
    assert 0.25 < choice.threshold < 0.35
    assert choice.dice > 0.95
    assert choice.dice > choice.dice_at_half
    # By hand at 0.5: half of the truth is found and next to nothing else.
    assert choice.dice_at_half == pytest.approx(2 * 0.5 / 1.5, abs=0.05)


def test_a_checkpoint_runs(tmp_path: Path) -> None:
    config = load_config().to_dict()
    config["network"]["widths"] = [8, 8]
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
    with pytest.raises(TrainingError, match="no file"):
        load_segmenter(tmp_path / "lost.pt")
