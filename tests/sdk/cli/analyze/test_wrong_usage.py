"""``bacctl analyze``: arguments that cannot work."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from tests.sdk.cli.analyze.conftest import FakeClient, Run, film


@pytest.mark.parametrize(
    "args",
    [
        ("--pixel-spacing", "0"),
        ("--pixel-spacing", "-0.1"),
        ("--pixel-spacing", "nan"),
        ("--pixel-spacing", "inf"),
        ("--pixel-spacing", "wide"),
        ("--save", "docx"),
        ("--prior", "nowhere.json"),
        ("--save", "mask,jpeg"),
        ("--nope",),
    ],
)
def test_wrong_usage(args: tuple[str, ...], client: FakeClient, run: Run, tmp_path: Path) -> None:
    code, out, err = run("analyze", film(tmp_path / "in", "a"), *args)
    assert code == 2
    assert out == ""
    assert err
    assert client.spacings == []


@pytest.mark.parametrize(
    ("args", "word"),
    [
        ((), "nothing to analyse; give images"),
        (("-0", "a.png"), "-0 is of --files-from"),
        (("--files-from", "nowhere.txt"), "nowhere.txt: No such file"),
        (("--json", "--jsonl", "a.png"), "choose one"),
        (("--out",), "--out"),
        (("--jsn", "a.png"), "No such option: --jsn"),
    ],
)
def test_wrong_usage_is_one_line_with_a_hint(args: tuple[str, ...], word: str, run: Run) -> None:
    code, out, err = run("analyze", *args)
    assert (code, out) == (2, "")
    assert word in err
    assert len(err.splitlines()) == 1


def test_nothing_on_the_list_is_nothing_to_analyse(run: Run) -> None:
    Path("list").write_text("\n")
    code, _, err = run("analyze", "--files-from", "list")
    assert (code, err) == (2, "nothing to analyse: no image found in the list\n")


def test_out_that_is_a_file(client: FakeClient, run: Run, tmp_path: Path) -> None:
    image = film(tmp_path / "in", "a")
    code, out, err = run("analyze", image, "--save", "mask", "--out", image)
    assert (code, out, len(err.splitlines())) == (2, "", 1)


def test_a_path_that_does_not_exist(client: FakeClient, run: Run, tmp_path: Path) -> None:
    image = film(tmp_path / "in", "a")
    code, out, err = run("analyze", image, "nope", "--save", "json")
    assert (code, out) == (2, "")
    assert err == "nope: BAC-FILE-UNREADABLE: there is no such file or folder; check the path\n"
    code, out, _ = run("analyze", image, "nope", "--json")
    assert code == 2
    assert [image["path"] for image in json.loads(out)["images"]] == ["nope"]
    assert client.spacings == []
    assert os.listdir() == []


def test_a_path_that_no_file_can_have(client: FakeClient, run: Run) -> None:
    code, out, _ = run("analyze", "x" * 300, "--json")
    assert code == 2
    assert json.loads(out)["images"][0]["code"] == "BAC-FILE-UNREADABLE"


def test_nothing_to_analyse(client: FakeClient, run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "README").write_text("words")
    code, out, err = run("analyze", folder)
    assert (code, out) == (2, "")
    assert "nothing to analyse" in err
    code, out, _ = run("analyze", folder, "--json")
    assert code == 2
    assert json.loads(out)["skipped"] == 1


@pytest.mark.parametrize("given", ["-0.1", "1.1", "nan", "inf", "half", "0,5", ""])
def test_what_is_no_operating_point_is_one_line(
    client: FakeClient, run: Run, tmp_path: Path, given: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, out, err = run("analyze", film(tmp_path / "in", "a"), f"--min-probability={given}")
    line = "BAC-OPTIONS-INVALID: --min-probability: give a number from 0 to 1, such as 0.5\n"
    assert (code, out, err) == (2, "", line)
    Path("bacctl.toml").write_text(f'[analyze]\nmin-probability = "{given}"\n')
    assert run("analyze", tmp_path / "in") == (2, "", line)
    assert not client.points


@pytest.mark.parametrize(("given", "point"), [("0", 0.0), ("0.5", 0.5), ("1", 1.0), (None, None)])
def test_an_operating_point_reaches_the_client(
    client: FakeClient, run: Run, tmp_path: Path, given: str | None, point: float | None
) -> None:
    if given is not None:
        Path("bacctl.toml").write_text(f"[analyze]\nmin-probability = {given}\n")
    run("analyze", film(tmp_path / "in", "a"), "--pixel-spacing", "0.1")
    run("analyze", tmp_path / "in", "--min-probability", "0.75")
    assert client.points == [point, 0.75]
