"""The random-field phantom from the command line and as a cache to train on."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bac_randfield import RandomFieldConfig
from bac_training import cache
from bac_training.data.sources import RandomFieldSource
from bacctl.cli.app import app


@pytest.mark.parametrize(
    "options",
    [
        ["--generator", "randfield", "--mix", "held-out"],
        ["--generator", "randfield", "--without", "rods"],
        ["--generator", "randfield", "--pixel-spacing", "0.05"],
        ["--generator", "randfield", "--look", "raw-log"],
        ["--look", "paired"],
        ["--look", "copy"],
    ],
)
def test_options_that_would_do_nothing_are_wrong_usage(tmp_path: Path, options: list[str]) -> None:
    done = CliRunner().invoke(app, ["phantom", str(tmp_path / "out"), *options])
    assert done.exit_code == 2
    assert not (tmp_path / "out").exists()


def test_the_command_hands_on_what_it_was_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[object] = []

    def write(out: Path, *arguments: object) -> Path:
        told.extend(arguments)
        return out / "truth.json"

    monkeypatch.setattr("bac_randfield.write_dataset", write)
    line = ["phantom", str(tmp_path / "out"), "--generator", "randfield", "--women", "3", "--seed", "9"]
    assert CliRunner().invoke(app, [*line, "--look", "paired", "--quiet"]).exit_code == 0
    assert told[:3] == [3, 9, RandomFieldConfig(look="paired")]


@pytest.mark.slow
def test_a_cache_holds_a_woman_and_knows_her_generator(tmp_path: Path) -> None:
    # A small woman of two views, at the resolution of a real unit.
    source = RandomFieldSource([8], systems=("csi-100",))
    cases = cache.build(source, tmp_path)
    assert len(cases) == 2
    assert all(case.name.startswith("randfield-8-") for case in cases)
    assert json.loads((tmp_path / "cache.json").read_text())["source"]["kind"] == "randfield"
