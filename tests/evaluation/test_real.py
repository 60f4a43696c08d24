"""Made films with lines drawn on them; what is covered and what is false is counted by hand."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from bac_evaluation.real import lines as real
from bac_training.network.backends import Segmenter

Pixels = np.ndarray[Any, np.dtype[Any]]
Table = Callable[..., dict[str, list[str]]]

# In the breast: a film's header does not tell distances, so those of a usual unit and 50 mm are assumed.
MASK_MM2 = 7 * 159 * 0.2**2 * ((660 - 20 - 25) / 660) ** 2


def bright(tiles: Pixels) -> Pixels:
    """A network that calls every pixel above 2.5 local standard deviations BAC."""
    return np.asarray(1 / (1 + np.exp(-4 * (tiles - 2.5))), dtype=np.float32)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A film of 0.2 mm pixels with an artery: columns 97 to 103, rows 171 to 329."""
    monkeypatch.setattr(real, "load_segmenter", lambda path: Segmenter("0" * 64, 0.5, "made", bright))
    rng = np.random.default_rng(0)
    row, column = np.mgrid[:500, :320]
    breast = ((row - 250) / 200) ** 2 + (column / 230) ** 2 < 1
    artery = (abs(column - 100) < 4) & (abs(row - 250) < 80)
    pixels = 20 + 100 * breast + 6 * rng.normal(size=breast.shape) * breast + 90 * artery
    Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(tmp_path / "film.png")
    return tmp_path


@pytest.fixture
def table(folder: Path, capsys: pytest.CaptureFixture[str]) -> Table:
    """Draw lines on the film, run the command and read its table: figures by image."""

    def made(*options: str, **lines: list[list[list[int]]]) -> dict[str, list[str]]:
        drawn = {"film.png": {"mm_per_pixel": 0.2, "unit": "pixels, (x, y)", **lines}} if lines else {}
        (folder / real.FILE).write_text(json.dumps(drawn))
        assert real._main([str(folder), *options]) == 0
        printed = capsys.readouterr().out
        assert "esearch use only" in printed
        rows = [line.strip("| ").split(" | ") for line in printed.splitlines() if line.startswith("|")]
        return {name: figures for name, *figures in rows[2:]}

    return made


def test_half_of_what_is_drawn_is_covered(table: Table) -> None:
    # Two lines of the artery's length, one along it and one 20 mm beside it.
    recall, *areas, code = table(bac=[[[100, 171], [100, 329]], [[200, 171], [200, 329]]])["film.png"]
    assert float(recall) == pytest.approx(0.5, abs=0.002)
    assert [float(area) for area in areas] == [pytest.approx(MASK_MM2, rel=0.03), 0.0, 0.0]
    assert code == "-"
    # Past its end at row 329 the line is covered for 1 mm more: 84 of 160 pixels. Corners change nothing.
    recall, *_ = table(bac=[[[100, 250], [100, 260], [100, 410]]])["film.png"]
    assert float(recall) == pytest.approx(84 / 160, abs=0.01)


def test_mask_far_from_any_line_is_false(table: Table) -> None:
    # 15 pixels beside the middle: the artery's columns lie 2.4 to 3.6 mm away, three of seven over 3 mm.
    recall, area, false, far, _ = table(bac=[[[115, 165], [115, 335]]])["film.png"]
    assert recall == "0.000"
    assert false == area
    assert float(far) / float(area) == pytest.approx(3 / 7, abs=0.03)
    # What is drawn as uncertain is neither missed nor false.
    recall, _, false, *_ = table(uncertain=[[[100, 165], [100, 335]]])["film.png"]
    assert (recall, false) == ("-", "0.0")


def test_without_lines_all_mask_is_false(table: Table) -> None:
    recall, area, false, far, code = table("--pixel-spacing", "0.2")["film.png"]
    assert float(area) == pytest.approx(MASK_MM2, rel=0.03)
    assert (recall, false, far, code) == ("-", area, area, "-")


def test_what_is_not_measured_is_named(folder: Path, table: Table) -> None:
    (folder / "README.md").write_text("no image")
    assert table() == {"film.png": ["-", "-", "-", "-", "BAC-SPACING-MISSING"]}
    (folder / "film.png").write_bytes(b"torn")
    assert table(bac=[[[1, 1], [2, 2]]]) == {"film.png": ["0.000", "-", "-", "-", "BAC-FILE-NOT-IMAGE"]}


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (None, "centre_lines.json is missing"),
        ("{", "is damaged"),
        ('{"film.png": {"mm_per_pixel": 0, "bac": []}}', "mm_per_pixel is not positive"),
        ('{"film.png": {"mm_per_pixel": 0.2, "bac": [[[1, 2]]]}}', "two or more points"),
        ('{"lost.png": {"mm_per_pixel": 0.2}}', "names lost.png, which is missing"),
    ],
)
def test_bad_lines_are_one_line(
    folder: Path, capsys: pytest.CaptureFixture[str], written: str | None, expected: str
) -> None:
    if written is not None:
        (folder / real.FILE).write_text(written)
    assert real._main([str(folder)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert expected in line
