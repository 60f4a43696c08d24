from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from bac_imaging.vessels import PostProcessing, find_vessels
from bac_training.backends import Segmenter
from bac_training.errors import TrainingError
from bac_training.evaluation import tuning
from bac_training.evaluation.settings import Settings, read_settings

Piece = list[float]  # peak, mm2, mm, pixels, true pixels

GRID = {
    "threshold": (0.4, 0.5),
    "seed": (0.5, 0.6, 0.9),
    "min_area_mm2": (1.0, 2.0),
    "min_length_mm": (3.0, 5.0, 10.0),
    "min_elongation": (2.0,),
}


def image(true_px: int, pieces: list[Piece], lower: list[Piece] | None = None) -> dict[str, Any]:
    return {"true_px": true_px, "pieces": {"0.5": pieces, "0.4": pieces if lower is None else lower}}


def test_f1_comes_first_then_dice() -> None:
    artery: Piece = [0.99, 20.0, 20.0, 2000, 1800]
    stump: Piece = [0.8, 4.0, 4.0, 400, 300]  # part of an artery, shorter than the default demands
    alarm: Piece = [0.7, 4.0, 4.5, 400, 0]
    women = [
        [image(2400, [artery, stump])],
        [image(0, [alarm])],
        [image(0, [])],
    ]
    choice = tuning.choose(women, GRID)
    # A seed of 0.9 or a length of 5 keep the alarm out and lose the stump; the defaults are nearest.
    assert choice.score.woman_f1 == 1.0
    assert choice.score.dice == pytest.approx(2 * 1800 / (2000 + 2400))
    assert choice.settings.post_processing == {
        "seed": 0.6,
        "min_area_mm2": 2.0,
        "min_length_mm": 5.0,
        "min_elongation": 2.0,
    }
    # Without the alarm, Dice alone decides: shorter pieces pay.
    choice = tuning.choose([women[0], women[2]], GRID)
    assert choice.settings.post_processing["min_length_mm"] == 3.0
    assert choice.score.dice == pytest.approx(2 * 2100 / (2400 + 2400))
    assert choice.default.dice == pytest.approx(2 * 1800 / (2000 + 2400))


def test_the_threshold_is_chosen_too() -> None:
    tight: Piece = [0.99, 20.0, 20.0, 2000, 1800]
    wide: Piece = [0.99, 30.0, 20.0, 2600, 2350]
    women = [[image(2400, [tight], [wide])], [image(0, [])]]
    choice = tuning.choose(women, GRID)
    assert choice.settings.threshold == 0.4
    assert choice.score.dice == pytest.approx(2 * 2350 / 5000)
    assert (choice.women, choice.views) == (2, 2)


def test_women_of_one_kind_say_nothing() -> None:
    with pytest.raises(TrainingError, match="all have BAC, or none has"):
        tuning.choose([[image(10, [])], [image(10, [])]], GRID)


def test_pieces_pass_as_they_do_in_the_pipeline() -> None:
    """The demands applied to described pieces keep the pixels that `find_vessels` keeps."""
    rng = np.random.default_rng(2)
    probability = np.clip(rng.normal(0.1, 0.05, (300, 300)), 0, 1).astype(np.float32)
    for top, left, height, width, level in (
        (20, 20, 8, 200, 0.95), (60, 20, 9, 60, 0.7), (100, 20, 20, 30, 0.99), (150, 20, 6, 45, 0.55),
        (200, 100, 5, 120, 0.85),
    ):  # fmt: skip
        probability[top : top + height, left : left + width] = level
    true = probability > 0.9
    spacing = (0.1, 0.1)
    described = {
        "true_px": int(true.sum()),
        "pieces": {"0.5": tuning._pieces_at(0.5, probability, true, spacing)},
    }
    for demands in (
        {"seed": 0.6, "min_area_mm2": 2.0, "min_length_mm": 5.0, "min_elongation": 2.0},
        {"seed": 0.9, "min_area_mm2": 4.0, "min_length_mm": 5.0, "min_elongation": 1.5},
        {"seed": 0.6, "min_area_mm2": 2.0, "min_length_mm": 10.0, "min_elongation": 4.0},
    ):
        mask = find_vessels(probability, spacing, PostProcessing(0.5, **demands)).mask
        grid = {"threshold": (0.5,), **{name: (value,) for name, value in demands.items()}}
        none = {"true_px": 0, "pieces": {"0.5": []}}
        choice = tuning.choose([[described], [none]], grid)
        assert choice.score.dice == pytest.approx(2 * (mask & true).sum() / (mask.sum() + true.sum()))


def test_settings_are_written_for_evaluate_and_export(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    row, column = np.mgrid[:500, :320]
    breast = ((row - 250) / 200) ** 2 + (column / 230) ** 2 < 1
    artery = (abs(column - 100) < 4) & (abs(row - 250) < 80)
    rng = np.random.default_rng(0)
    lines = ["image,mask,pixel_spacing_mm"]
    for name, mask in (("with", artery), ("without", artery & False)):
        pixels = 20 + 100 * breast + 6 * rng.normal(size=breast.shape) * breast + 90 * mask
        Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(tmp_path / f"{name}.png")
        Image.fromarray(mask.astype(np.uint8) * 255).save(tmp_path / f"{name}.mask.png")
        lines.append(f"{name}.png,{name}.mask.png,0.2")
    (tmp_path / "images.csv").write_text("\n".join(lines) + "\n")

    def bright(tiles: np.ndarray[Any, np.dtype[Any]]) -> np.ndarray[Any, np.dtype[Any]]:
        return np.asarray(1 / (1 + np.exp(-4 * (tiles - 2.5))), dtype=np.float32)

    monkeypatch.setattr(tuning, "load_segmenter", lambda path: Segmenter("0" * 64, 0.5, "made", bright))
    out = tmp_path / "settings.json"
    arguments = [str(tmp_path), "--model", "any.onnx", "--out", str(out), "--processes", "1"]
    assert tuning._main(arguments) == 0
    content = json.loads(out.read_text())
    assert content["woman_f1"] == 1.0
    assert content["dice"] > 0.9
    assert content["chosen_on"][0]["women"] == 2
    assert read_settings(out) == Settings(content["threshold"], content["post_processing"])
    assert "F1 per woman 1.000" in capsys.readouterr().out
    (tmp_path / "without.png").write_bytes(b"no image")
    assert tuning._main(arguments) == 0
    assert capsys.readouterr().err == "without.png: BAC-FILE-NOT-IMAGE, counted as nothing found\n"
    assert tuning._main([str(tmp_path / "lost"), *arguments[1:]]) == 1
    assert "neither truth.json" in capsys.readouterr().err
