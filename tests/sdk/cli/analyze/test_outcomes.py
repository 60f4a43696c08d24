"""``bacctl analyze``: exit codes, streams, lines."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.sdk.cli.analyze.conftest import FakeClient, Run, film


def test_all_well(client: FakeClient, run: Run, tmp_path: Path) -> None:
    code, out, err = run("analyze", film(tmp_path / "in", "a"), "--pixel-spacing", "0.1")
    assert code == 0
    assert "esearch use only" in out
    assert "1 of 1 image analysed" in out
    assert err == "a library talks to file descriptor 1\n"
    assert client.spacings == [(0.1, 0.1)]
    assert client.closed
    assert os.listdir() == []


def test_values_beside_a_long_path_are_whole_in_a_pipe(client: FakeClient, run: Run, tmp_path: Path) -> None:
    image = film(tmp_path / "in", "n" * 200)
    _, out, _ = run("analyze", image, "--pixel-spacing", "0.1")
    assert f"images in {tmp_path / 'in'}/" in out
    (row,) = [line for line in out.splitlines() if "nnn.png" in line]
    assert len(row) < 120
    assert row.split()[1:] == ["-", "yes", "-", "none", "10.0", "10.0"]


def test_path_is_whole_in_the_document(client: FakeClient, run: Run, tmp_path: Path) -> None:
    image = film(tmp_path / "in", "n" * 200)
    assert json.loads(run("analyze", image, "--json")[1])["images"][0]["path"] == str(image)


def test_one_refused_among_others(client: FakeClient, run: Run, tmp_path: Path) -> None:
    film(tmp_path / "in", "a")
    refused = film(tmp_path / "in", "refused")
    film(tmp_path / "in", "z")
    code, out, err = run("analyze", tmp_path / "in", "--json")
    assert code == 1
    assert err.splitlines() == [
        "a library talks to file descriptor 1",
        f"{refused}: BAC-SPACING-MISSING: no spacing; give one",
    ]
    document = json.loads(out)
    assert [image["status"] for image in document["images"]] == ["ok", "refused", "ok"]
    assert document["software"]["model"] == "ab" * 32
    assert document["intended_use"] == "research use only"


def test_files_are_skipped_in_folders_but_not_when_named(
    client: FakeClient, run: Run, tmp_path: Path
) -> None:
    film(tmp_path / "in", "a")
    readme = tmp_path / "in" / "README"
    readme.write_text("words")
    document = json.loads(run("analyze", tmp_path / "in", "--json")[1])
    assert document["skipped"] == 1
    assert len(document["images"]) == 1
    document = json.loads(run("analyze", readme, "--json")[1])
    assert document["skipped"] == 0
    assert document["images"][0]["path"] == str(readme)


def test_lines_come_as_they_do_and_files_in_order(client: FakeClient, run: Run, tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        film(tmp_path / "in", name)
    out = run("analyze", tmp_path / "in", "--jsonl", "--save", "json", "--out", "res")[1]
    lines = [json.loads(line) for line in out.splitlines()]
    names = [Path(line["image"]["path"]).stem for line in lines if line["type"] == "image"]
    assert names == ["c", "b", "a"]
    document = json.loads(Path("res/analysis.json").read_text())
    assert [Path(image["path"]).stem for image in document["images"]] == ["a", "b", "c"]


def test_quiet_leaves_the_table_and_the_errors(
    client: FakeClient, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    film(tmp_path / "in", "a")
    film(tmp_path / "in", "refused")
    # Short names: the table folds long ones.
    monkeypatch.chdir(tmp_path)
    code, out, err = run("analyze", Path("in"), "--quiet")
    assert code == 1
    assert "refused.png" in out
    assert "BAC-SPACING-MISSING" in err


def test_a_view_that_is_a_link_to_nowhere_is_no_view_less(
    client: FakeClient, run: Run, tmp_path: Path
) -> None:
    for name in ("a", "b", "c"):
        film(tmp_path / "in", name)
    (tmp_path / "in" / "d.dcm").symlink_to("/mnt/away/d.dcm")
    code, out, err = run("analyze", tmp_path / "in", "--json")
    assert code == 1
    document = json.loads(out)
    assert document["skipped"] == 0
    codes = {Path(image["path"]).name: image["code"] for image in document["images"]}
    assert codes == {"a.png": None, "b.png": None, "c.png": None, "d.dcm": "BAC-FILE-UNREADABLE"}
    assert f"{tmp_path}/in/d.dcm: BAC-FILE-UNREADABLE: this link leads nowhere; restore the file" in err


def test_other_links_to_nowhere_are_told_and_cost_no_exit_code(
    client: FakeClient, run: Run, tmp_path: Path
) -> None:
    film(tmp_path / "in", "a")
    for index in range(12):
        (tmp_path / "in" / f"exam {index:02}").symlink_to("/mnt/away")
    code, out, err = run("analyze", tmp_path / "in", "--json", "--quiet")
    assert code == 0
    assert json.loads(out)["skipped"] == 12
    told = [line for line in err.splitlines() if "nowhere" in line]
    assert told[0] == f"{tmp_path}/in/exam 00: this link leads nowhere; what it stood for is left out"
    assert told[10:] == ["2 more links lead nowhere"]


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (("exam.zip",), "1 packed file that was not looked into; unpack them first"),
        (("a.dcm.gz", "b.dcm.gz"), "2 packed files that were not looked into; unpack them first"),
    ],
)
def test_a_folder_of_packed_files(
    client: FakeClient, run: Run, tmp_path: Path, names: tuple[str, ...], words: str
) -> None:
    (tmp_path / "in").mkdir()
    for name in names:
        (tmp_path / "in" / name).write_bytes(b"packed")
    code, out, err = run("analyze", tmp_path / "in")
    assert (code, out) == (2, "")
    assert err == f"nothing to analyse: no image found in {tmp_path}/in, but {words}\n"
    film(tmp_path / "in", "a")
    code, _, err = run("analyze", tmp_path / "in")
    assert code == 0
    assert f"{words.partition(';')[0]}; unpack what holds images" in err
    assert "packed" not in run("analyze", tmp_path / "in", "--quiet")[2]


def test_the_time_in_all_is_that_of_the_whole_run(
    client: FakeClient, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a clock that the server's start, every image and its stop each move on."""
    clock = [100.0]

    def moving(seconds: float, work: Callable[..., Any]) -> Callable[..., Any]:
        def moved(*given: Any, **named: Any) -> Any:
            clock[0] += seconds
            return work(*given, **named)

        return moved

    film(tmp_path / "in", "a")
    film(tmp_path / "in", "b")
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    monkeypatch.setattr("bacctl.cli.connect.connect", moving(4.0, lambda server, **_: client))
    monkeypatch.setattr(client, "result", moving(1.0, client.result))
    monkeypatch.setattr(FakeClient, "__exit__", moving(3.0, FakeClient.__exit__))
    assert "1 s an image, 9 s in all" in run("analyze", tmp_path / "in")[1]
    summary = json.loads(run("analyze", tmp_path / "in", "--jsonl")[1].splitlines()[-1])["summary"]
    assert (summary["seconds"], summary["total_seconds"], summary["seconds_per_image"]) == (2.0, 9.0, 1.0)
