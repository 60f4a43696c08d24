"""``bacctl analyze``: files that it saves."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.sdk.cli.analyze.conftest import FakeClient, Run, film


def test_saved_files_are_named_and_listed(client: FakeClient, run: Run, tmp_path: Path) -> None:
    paths = [film(tmp_path / "in", "a"), film(tmp_path / "other", "a")]
    code, out, _ = run("analyze", *paths, "--save", "mask,overlay,json,csv", "--out", "res", "--json",
                       "--pixel-spacing", "0.1")  # fmt: skip
    assert code == 0
    assert sorted(os.listdir("res")) == [
        "a-2.mask.png",
        "a-2.overlay.png",
        "a.mask.png",
        "a.overlay.png",
        "analysis.csv",
        "analysis.json",
    ]
    assert json.loads(Path("res/analysis.json").read_text()) == json.loads(out)
    listed = [image["files"] for image in json.loads(out)["images"]]
    assert listed[1] == {"mask": "res/a-2.mask.png", "overlay": "res/a-2.overlay.png"}
    with Image.open("res/a.mask.png") as mask:
        assert mask.size == (200, 300)


def test_out_alone_saves_and_save_alone_goes_to_the_default_folder(
    client: FakeClient, run: Run, tmp_path: Path
) -> None:
    image = film(tmp_path / "in", "a")
    assert run("analyze", image, "--out", "res", "--pixel-spacing", "0.1")[0] == 0
    assert sorted(os.listdir("res")) == ["a.mask.png", "a.overlay.png", "analysis.json"]
    assert run("analyze", image, "--save", "csv")[0] == 0
    assert os.listdir("bacctl-out") == ["analysis.csv"]


@pytest.mark.parametrize("flags", [(), ("--json",), ("--jsonl",), ("--quiet",)])
def test_files_of_an_earlier_run_are_not_replaced_in_silence(
    flags: tuple[str, ...], client: FakeClient, run: Run, tmp_path: Path
) -> None:
    where = ("--save", "mask,json", "--out", "res", *flags)
    # Within a run the second of a name gets another one, and nothing is replaced.
    women = [film(tmp_path / "first", "LCC"), film(tmp_path / "second", "LCC")]
    assert "replaced" not in run("analyze", *women, *where)[2]
    Path("res/analysis.json").unlink()
    code, out, err = run("analyze", film(tmp_path / "third", "LCC"), *where)
    assert code == 0
    assert "replaced" not in out
    assert err.splitlines()[-1] == (
        "1 file of an earlier run in res/ was replaced; give every run a folder of its own with --out"
    )
    err = run("analyze", *women, *where)[2]
    assert err.splitlines()[-1].startswith("3 files of an earlier run in res/ were replaced;")
    assert run("analyze", women[0], *flags)[2].count("replaced") == 0


def test_an_out_folder_that_cannot_be_written_costs_no_result(
    client: FakeClient, run: Run, tmp_path: Path
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("x")
    code, out, err = run(
        "analyze", film(tmp_path / "in", "a"), "--save", "mask,json", "--out", blocked / "sub", "--json"
    )
    assert code == 1
    assert json.loads(out)["images"][0]["status"] == "ok"
    told = [line for line in err.splitlines() if "cannot be written" in line]
    assert len(told) == 1
    assert "--out" in told[0]


def test_a_disk_that_fills_up_is_told_once(
    client: FakeClient, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.replace

    def fill_up(source: str, target: Path) -> None:
        if Path(target).name.endswith(".mask.png"):
            raise OSError(28, "No space left on device")
        real(source, target)

    monkeypatch.setattr(os, "replace", fill_up)
    for name in ("a", "b", "c"):
        film(tmp_path / "in", name)
    code, out, err = run("analyze", tmp_path / "in", "--save", "mask,json", "--out", "res", "--json")
    assert code == 1
    assert len(json.loads(out)["images"]) == 3
    assert err.count("No space left on device") == 1
    assert os.listdir("res") == []


def test_an_overlay_that_cannot_be_drawn_costs_no_mask(client: FakeClient, run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n and then nothing")
    code, _, err = run("analyze", folder, "--save", "mask,overlay", "--out", "res")
    assert code == 1
    assert "no overlay" in err
    assert os.listdir("res") == ["a.mask.png"]


def test_what_is_said_of_an_overlay_quotes_no_header(
    client: FakeClient, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(*_: object) -> None:
        raise LookupError("DOE^JANE")

    monkeypatch.setattr("bac_imaging.read.reader.read_mammogram", read)
    _, out, err = run("analyze", film(tmp_path / "in", "a"), "--save", "overlay", "--json")
    assert "no overlay: LookupError" in err
    assert "DOE" not in out + err


def test_an_overlay_of_a_file_that_has_changed(client: FakeClient, run: Run, tmp_path: Path) -> None:
    image = film(tmp_path / "in", "a")
    Image.fromarray(np.tile(np.linspace(0, 255, 250), (400, 1)).astype(np.uint8)).save(image)
    code, _, err = run("analyze", image, "--save", "overlay", "--pixel-spacing", "0.1")
    assert code == 1
    assert "no overlay: the file is not what it was when it was measured" in err


def test_an_overlay_without_its_extra_says_which(
    client: FakeClient, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # None stands for a module that is not there.
    monkeypatch.setitem(sys.modules, "bac_imaging.read.reader", None)
    image = film(tmp_path / "in", "a")
    code, _, err = run("analyze", image, "--save", "mask,overlay", "--out", "res", "--pixel-spacing", "0.1")
    assert code == 1
    assert err.endswith('is not installed; run: pip install "bacctl[dicom]"\n')
    assert os.listdir("res") == ["a.mask.png"]
