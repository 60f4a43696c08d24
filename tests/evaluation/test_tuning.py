from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from bac_evaluation.operating_point import tuning
from bac_evaluation.operating_point.choosing import choose
from bac_evaluation.operating_point.pieces import GRID, describe_pieces
from bac_evaluation.settings import Settings, read_settings
from bac_evaluation.vessels.geometry import shapes_of
from bac_evaluation.vessels.matching import compare
from bac_imaging.vessels.demands import PostProcessing
from bac_imaging.vessels.find import find_vessels
from bac_training.errors import TrainingError
from bac_training.network.backends import Segmenter

Piece = list[float]  # peak, mm2, mm, false; by outline: pixels, true pixels

ARTERY: Piece = [0.99, 20.0, 20.0, 0, 2000, 1800]
USUAL = {
    "outline": (0.5,),
    "core": (0.5,),
    "seed": (0.6,),
    "min_area_mm2": (2.0,),
    "min_length_mm": (4.0,),
    "min_elongation": (2.0,),
}


def image(true_px: int, pieces: list[Piece], lower: list[Piece] | None = None) -> dict[str, Any]:
    """Describe an image whose pieces change below a core of 0.6, if they do."""
    wide = pieces if lower is None else lower
    return {
        "true_px": true_px,
        "pieces": {"0.5": wide, "0.6": pieces, "0.7": pieces, "0.8": pieces},
    }


def test_the_score_by_hand() -> None:
    stump: Piece = [0.8, 4.0, 4.0, 0, 400, 300]
    alarm: Piece = [0.7, 4.0, 4.5, 1, 400, 0]
    women = [
        [image(2400, [ARTERY, stump]), image(0, [])],
        [image(0, [alarm])],
        [image(0, [])],
    ]
    choice = choose(women, USUAL)
    score = choice.score
    # One woman and one image with BAC, both found; one of each called wrongly.
    assert (score.woman_f1, score.view_f1) == (pytest.approx(2 / 3), pytest.approx(2 / 3))
    assert score.false_per_view == 1 / 4
    assert score.dice == pytest.approx(2 * 2100 / (2400 + 2400))
    assert score.value == pytest.approx(2 / 3 + 2 / 3 + 0.875 - 0.15)
    assert choice.women == 3
    # The default length of 5 mm keeps the alarm out and loses the stump.
    assert (choice.default.woman_f1, choice.default.false_per_view) == (1.0, 0.0)
    assert choice.default.dice == pytest.approx(2 * 1800 / (2000 + 2400))
    assert choice.default.value == pytest.approx(2 + choice.default.dice)


def test_a_plateau_wins_over_a_spike() -> None:
    """A length of 4 mm is best by itself; that of 5 loses a piece and keeps another, which 6 turns down."""
    stump: Piece = [0.99, 4.0, 4.5, 0, 400, 400]
    bulge: Piece = [0.99, 4.0, 5.5, 0, 400, 0]
    women = [[image(2400, [ARTERY, stump, bulge])], [image(0, [])]]
    choice = choose(women, USUAL | {"min_length_mm": (4.0, 5.0, 6.0, 7.0, 8.0)})
    spike, hole, plateau = 2 * 2200 / 5200, 2 * 1800 / 4800, 2 * 1800 / 4400
    assert spike > plateau > (spike + hole) / 2
    # Of 7 and 8 mm, whose neighbours are as good, the one that is nearer to the default of 5.
    assert choice.settings.post_processing["min_length_mm"] == 7.0
    assert choice.score.dice == pytest.approx(plateau)


def test_false_vessels_cost_though_no_woman_changes() -> None:
    """False vessels beside an artery: F1 does not move, and Dice only a little."""
    alarm: Piece = [0.85, 2.5, 6.0, 1, 20, 0]
    faint: Piece = [0.85, 3.0, 6.0, 0, 60, 60]
    women = [[image(2400, [ARTERY, alarm, faint])], [image(0, [])]]
    grid = USUAL | {"seed": (0.6, 0.7, 0.8, 0.9, 0.95)}
    assert choose(women, grid).settings.post_processing["seed"] == 0.95
    # Up to one in ten views they cost nothing: the faint piece of artery is worth more.
    women += [[image(0, [])] for _ in range(8)]
    assert choose(women, grid).settings.post_processing["seed"] == 0.6


def test_the_core_is_chosen_too() -> None:
    wide: Piece = [0.99, 30.0, 20.0, 0, 2600, 2350]
    cores = {"core": (0.5, 0.6, 0.7, 0.8)}
    women = [[image(2400, [ARTERY], [wide])], [image(0, [])]]
    choice = choose(women, USUAL | cores)
    assert choice.settings.post_processing["core"] == 0.5
    assert choice.score.dice == pytest.approx(2 * 2350 / 5000)
    # A seed that demands less than the core is written as what it is.
    women = [[image(2400, [wide], [ARTERY])], [image(0, [])]]
    chosen = choose(women, USUAL | cores).settings
    assert chosen.threshold == 0.5
    assert (chosen.post_processing["core"], chosen.post_processing["seed"]) == (0.7, 0.7)


def test_the_outline_is_chosen_by_dice_alone() -> None:
    """Of outlines the one nearest to the truth, as is its neighbour; they keep the same pieces."""
    piece: Piece = [0.99, 20.0, 20.0, 0, 2400, 2200, 2380, 2190, 2000, 1800]
    choice = choose([[image(2400, [piece])], [image(0, [])]], USUAL | {"outline": (0.2, 0.3, 0.5)})
    assert choice.settings.threshold == 0.2
    assert choice.score.dice == pytest.approx(2 * 2200 / 4800)
    assert choice.default.dice == pytest.approx(2 * 1800 / 4400)


def test_women_of_one_kind_say_nothing() -> None:
    with pytest.raises(TrainingError, match="all have BAC, or none has"):
        choose([[image(10, [])], [image(10, [])]], USUAL)


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
    find = partial(find_vessels, probability, spacing)
    described = {"true_px": int(true.sum()), "pieces": describe_pieces(find, probability, true, spacing)}
    outlines = GRID["outline"]
    for demands in (
        {"core": 0.5, "seed": 0.6, "min_area_mm2": 2.0, "min_length_mm": 5.0, "min_elongation": 2.0},
        {"core": 0.8, "seed": 0.9, "min_area_mm2": 4.0, "min_length_mm": 5.0, "min_elongation": 1.5},
        {"core": 0.9, "seed": 0.6, "min_area_mm2": 2.0, "min_length_mm": 10.0, "min_elongation": 4.0},
    ):
        grid = {"outline": outlines, **{name: (value,) for name, value in demands.items()}}
        none = {"true_px": 0, "pieces": {f"{demands['core']:g}": []}}
        if demands["core"] != 0.5:  # of which the defaults are made
            described["pieces"]["0.5"] = none["pieces"]["0.5"] = []
        choice = choose([[described], [none]], grid)
        chosen = PostProcessing(**demands).with_outline(choice.settings.threshold)
        mask = find_vessels(probability, spacing, chosen).mask
        assert choice.score.dice == pytest.approx(2 * (mask & true).sum() / (mask.sum() + true.sum()))


def test_a_piece_is_false_by_the_rule_of_the_evaluation() -> None:
    """An artery of 20 mm, of which the truth knows a part: a quarter of it within 1 mm makes it true."""
    probability = np.zeros((60, 240), dtype=np.float32)
    probability[20:28, 20:220] = 0.95
    for known_px, false in ((30, True), (50, False)):
        true = np.zeros(probability.shape, dtype=bool)
        true[20:28, 20 : 20 + known_px] = True
        spacing = (0.1, 0.1)
        find = partial(find_vessels, probability, spacing)
        (piece,) = describe_pieces(find, probability, true, spacing)["0.9"]
        assert piece[:2] == pytest.approx([0.95, 16.0])
        assert piece[3:6] == [int(false), 1600, 8 * known_px]
        found, truth = (shapes_of(mask, spacing, 2.0) for mask in (probability > 0.9, true))
        assert compare(truth, found, [None], 1.0)[1][0].false == false


@pytest.mark.slow
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
    assert (content["woman_f1"], content["view_f1"], content["false_per_view"]) == (1.0, 1.0, 0.0)
    assert content["dice"] > 0.9
    assert content["score"] == pytest.approx(2 + content["dice"])
    assert content["chosen_on"][0]["women"] == 2
    assert read_settings(out) == Settings(content["threshold"], content["post_processing"])
    assert (
        "F1 per woman 1.000, per view 1.000, 0.000 false vessels a view, Dice 1.000"
        in capsys.readouterr().out
    )
    (tmp_path / "without.png").write_bytes(b"no image")
    assert tuning._main(arguments) == 0
    assert capsys.readouterr().err == "without.png: BAC-FILE-NOT-IMAGE, counted as nothing found\n"
    assert tuning._main([str(tmp_path / "lost"), *arguments[1:]]) == 1
    assert "neither truth.json" in capsys.readouterr().err


def test_a_place_that_cannot_be_written_is_told_before_the_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "lost" / "settings.json"
    with pytest.raises(SystemExit):
        tuning._main([str(tmp_path), "--model", "any.onnx", "--out", str(out)])
    assert f"--out: {out.parent} is not a folder" in capsys.readouterr().err
