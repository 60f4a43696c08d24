"""False alarms of a network become places that training looks at."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from bac_training.cache import BAC, BREAST, mined_path, read_cases
from bac_training.mining import _main, false_alarms, mine
from bac_training.network.backends import Segmenter
from bac_training.patches.draw import PatchSampler

WEIGHTS = Path(__file__).parents[2] / "training" / "weights" / "bac_segment.pt"


def bars() -> tuple[np.ndarray, np.ndarray]:
    """An artery, a bar that touches it, and a bar and a speck elsewhere: probability and truth."""
    probability = np.zeros((200, 150), dtype=np.float32)
    truth = np.zeros(probability.shape, dtype=bool)
    truth[20:100, 30:40] = True
    probability[20:100, 30:40] = 0.9
    probability[60:70, 40:50] = 0.9  # within 1.5 mm of the artery: its outline, and no alarm
    probability[150:160, 20:120] = 0.5
    probability[10:15, 100:105] = 0.9
    return probability, truth


def test_alarms_lie_in_pieces_of_some_size_away_from_bac() -> None:
    probability, truth = bars()
    points = false_alarms(probability, truth, np.ones_like(truth))
    assert points.dtype == np.int32
    assert len(points) == 48
    assert ((points[:, 0] >= 150) & (points[:, 0] < 160) & (points[:, 1] >= 20) & (points[:, 1] < 120)).all()


def test_outside_the_breast_there_is_no_alarm() -> None:
    probability, truth = bars()
    breast = np.zeros_like(truth)
    breast[:140] = True
    assert false_alarms(probability, truth, breast).shape == (0, 2)


def test_training_looks_at_what_was_mined(cache: Path, tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    shutil.copytree(cache, folder)
    name = read_cases(folder)[1].name
    for case in read_cases(folder):
        planes = np.full((2, 220, 180), 64, dtype=np.uint8)
        planes[1] = BREAST
        planes[1, 60:62, 40:42] = BREAST | BAC
        if case.name == name:
            planes[0, 120:130, 60:140] = 64 + 16 * 5
        np.save(folder / f"{case.name}.npy", planes)
    bright = Segmenter("", 0.5, "fake", lambda tiles: (tiles > 2).astype(np.float32))
    assert mine(folder, bright) == (3, 1)
    assert len(np.load(mined_path(folder, name))) == 48
    rng = np.random.default_rng(0)
    sampler = PatchSampler([folder], 0.0, 0.0, 0.0, 1.0)
    patches = [sampler.draw(rng, 48) for _ in range(20)]
    assert {patch.name for patch in patches} == {name}
    assert all(patch.image.max() == 5 for patch in patches)


def with_line(cache: Path, folder: Path) -> Path:
    """Copy a cache and give its cases one point of a line each, at the only bright pixel."""
    shutil.copytree(cache, folder)
    for case in read_cases(folder):
        planes = np.full((2, 220, 180), 64, dtype=np.uint8)
        planes[1] = BREAST
        planes[1, 60:62, 40:42] = BREAST | BAC
        planes[0, 120, 90] = 64 + 16 * 5
        np.save(folder / f"{case.name}.npy", planes)
        points = {"positive": [[60, 40]], "hard": [[60, 40]], "lines": [[120, 90]]}
        np.savez(folder / f"{case.name}.npz", **{k: np.array(v, dtype=np.int32) for k, v in points.items()})
    return folder


def test_without_notes_the_patches_go_to_lines(cache: Path, tmp_path: Path) -> None:
    folder = with_line(cache, tmp_path / "cache")
    rng = np.random.default_rng(0)
    sampler = PatchSampler([folder], 0.0, 0.0, 0.0, 1.0)
    patches = [sampler.draw(rng, 48) for _ in range(20)]
    assert all(patch.image.max() == 5 for patch in patches)
    assert len({patch.name for patch in patches}) == 3


def test_notes_made_during_a_run_are_found_once(cache: Path, tmp_path: Path) -> None:
    folder = with_line(cache, tmp_path / "cache")
    first, second, _ = read_cases(folder)
    sampler = PatchSampler([folder], 0.0, 0.0, 0.0, 1.0)
    np.save(mined_path(folder, first.name), np.array([[60, 40]], dtype=np.int32))
    sampler.refresh()
    rng = np.random.default_rng(0)
    assert {sampler.draw(rng, 48).name for _ in range(20)} == {first.name}
    np.save(mined_path(folder, first.name), np.empty((0, 2), dtype=np.int32))
    np.save(mined_path(folder, second.name), np.array([[60, 40]], dtype=np.int32))
    sampler.refresh()
    assert {sampler.draw(rng, 48).name for _ in range(20)} == {first.name, second.name}


def test_the_command_runs_the_network_that_ships(
    cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "cache"
    shutil.copytree(cache, folder)
    assert _main([str(folder), "--model", str(WEIGHTS), "--threads", "1"]) == 0
    assert "of 3 cases with false alarms" in capsys.readouterr().out
    assert all(mined_path(folder, case.name).is_file() for case in read_cases(folder))


def test_a_folder_without_cases_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _main([str(tmp_path), "--model", str(WEIGHTS)]) == 1
    assert "holds no cases" in capsys.readouterr().err


def test_no_threads_at_all_are_wrong_usage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        _main([str(tmp_path), "--model", str(WEIGHTS), "--threads", "0"])
    assert "--threads: give 1 or more" in capsys.readouterr().err
