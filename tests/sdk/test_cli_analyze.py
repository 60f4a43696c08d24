"""``bacctl analyze`` with a client that is not real: exit codes, streams, files."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import pytest
from PIL import Image

from bacctl.cli import main
from bacctl.cli.options import ServerOptions
from bacctl.errors import ServerUnavailableError
from bacctl.image_result import Laterality
from bacctl.results import ImageResult

Run = Callable[..., tuple[int, str, str]]


class FakeClient:
    """Calls every image analysed, but for the names that say otherwise."""

    def __init__(self) -> None:
        self.spacings: list[object] = []
        self.closed = False

    def __enter__(self) -> FakeClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.closed = True

    def server_info(self) -> dict[str, str]:
        return {"model": "ab" * 32, "triton": "2.51.0"}

    def analyze_many(
        self, sources: Sequence[Path], pixel_spacing_mm: object = None, *, ordered: bool = False
    ) -> Iterator[ImageResult]:
        self.spacings.append(pixel_spacing_mm)
        sources = sources if ordered else sources[::-1]
        os.write(1, b"a library talks to file descriptor 1\n")
        for path in sources:
            yield self.result(path)

    def result(self, path: Path) -> ImageResult:
        if path.stem == "refused":
            return ImageResult("refused", "BAC-SPACING-MISSING", "no spacing; give one", path=path)
        if path.stem == "interrupt":
            raise KeyboardInterrupt
        if path.stem == "broken":
            raise RuntimeError("a fault of ours")
        mask = np.zeros((300, 200), bool)
        mask[100:110, 20:120] = True
        return ImageResult(
            "ok",
            rows=300,
            columns=200,
            bac_detected=True,
            bac_probability=0.9,
            area_mm2=10.0,
            length_mm=10.0,
            pixel_spacing_mm=(0.1, 0.1),
            spacing_source="option",
            magnification=1.0,
            path=path,
            mask=mask,
        )


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> FakeClient:
    fake = FakeClient()
    monkeypatch.setattr("bacctl.cli.connect.connect", lambda server: fake)
    return fake


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """Run the command in an empty folder; gives exit code, stdout and stderr."""
    (tmp_path / "cwd").mkdir()
    monkeypatch.chdir(tmp_path / "cwd")
    monkeypatch.delenv("BACCTL_URL", raising=False)

    def call(*args: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["bacctl", *map(str, args)])
        with pytest.raises(SystemExit) as left:
            main()
        code = left.value.code or 0
        assert isinstance(code, int)
        out, err = capfd.readouterr()
        assert "Traceback" not in out + err
        return code, out, err

    return call


def film(folder: Path, name: str) -> Path:
    folder.mkdir(exist_ok=True)
    grey = np.tile(np.linspace(0, 255, 200), (300, 1)).astype(np.uint8)
    Image.fromarray(grey).save(folder / f"{name}.png")
    return folder / f"{name}.png"


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
    row = next(line for line in out.splitlines() if line.startswith(str(image)))
    assert row.removeprefix(str(image)).split() == ["-", "yes", "-", "none", "10.0", "10.0"]


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


def test_lines_come_as_they_do_and_files_in_order(client: FakeClient, run: Run, tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        film(tmp_path / "in", name)
    out = run("analyze", tmp_path / "in", "--jsonl", "--save", "json", "--out", "res")[1]
    lines = [json.loads(line) for line in out.splitlines()]
    names = [Path(line["image"]["path"]).stem for line in lines if line["type"] == "image"]
    assert names == ["c", "b", "a"]
    document = json.loads(Path("res/analysis.json").read_text())
    assert [Path(image["path"]).stem for image in document["images"]] == ["a", "b", "c"]


def test_unexpected_faults_lose_no_image(client: FakeClient, run: Run, tmp_path: Path) -> None:
    for name in ("a", "broken", "z"):
        film(tmp_path / "in", name)
    code, out, err = run("analyze", tmp_path / "in", "--json")
    assert code == 1
    images = json.loads(out)["images"]
    assert [image["code"] for image in images] == [None, "BAC-INTERNAL", "BAC-INTERNAL"]
    assert len(err.splitlines()) == 3
    # The text of an error may quote a header; its kind does not.
    assert "a fault of ours" not in out + err
    assert "RuntimeError" in images[1]["reason"]


def test_unexpected_faults_keep_their_traceback_where_it_is_asked_for(
    client: FakeClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("BACCTL_TRACEBACK", "1")
    monkeypatch.setattr(sys, "argv", ["bacctl", "analyze", str(film(tmp_path / "in", "broken")), "--json"])
    with pytest.raises(RuntimeError, match="a fault of ours"):
        main()
    assert client.closed


def test_ctrl_c_keeps_what_is_done(client: FakeClient, run: Run, tmp_path: Path) -> None:
    for name in ("a", "interrupt", "z"):
        film(tmp_path / "in", name)
    code, out, _ = run("analyze", tmp_path / "in", "--json")
    assert code == 130
    assert len(json.loads(out)["images"]) == 1
    assert client.closed


def test_a_study_that_ctrl_c_cut_in_two_is_no_woman_yet(
    client: FakeClient, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measure = client.result

    def with_header(path: Path) -> ImageResult:
        study, side, view = path.stem.split("-")
        if (study, side, view) == ("2", "R", "CC"):
            raise KeyboardInterrupt
        laterality: Laterality = "L" if side == "L" else "R"
        return replace(measure(path), study_instance_uid=study, laterality=laterality, view=view)

    monkeypatch.setattr(client, "result", with_header)
    for study in "123":
        for side in "LR":
            for view in ("CC", "MLO"):
                film(tmp_path / "in", f"{study}-{side}-{view}")
    code, out, _ = run("analyze", tmp_path / "in")
    assert code == 130
    women = [line for line in out.splitlines() if line.startswith("woman")]
    # Of the first all four were analysed: (10 + 10) mm2. Of the second only the left breast.
    assert women == [
        "woman of study 1: mass not measured, area 20.0 mm2",
        "woman of study 2: not finished, without RCC, RMLO so far",
    ]
    assert "6 of 12 images analysed, stopped" in out


def test_ctrl_c_during_the_imports(monkeypatch: pytest.MonkeyPatch) -> None:
    class Impatient:
        def find_spec(self, name: str, *_: object) -> None:
            if name == "bacctl.cli.app":
                raise KeyboardInterrupt

    monkeypatch.delitem(sys.modules, "bacctl.cli.app")
    monkeypatch.setattr(sys, "meta_path", [Impatient(), *sys.meta_path])
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 130


def test_a_server_out_of_reach_fails_every_image(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(server: ServerOptions) -> FakeClient:
        raise ServerUnavailableError("BAC-SERVER-UNAVAILABLE", f"{server.url} does not answer; start it")

    monkeypatch.setattr("bacctl.cli.connect.connect", away)
    film(tmp_path / "in", "a")
    film(tmp_path / "in", "b")
    monkeypatch.setenv("BACCTL_URL", "gpu-host:8001")
    code, out, err = run("analyze", tmp_path / "in", "--json")
    assert code == 1
    document = json.loads(out)
    assert [image["code"] for image in document["images"]] == ["BAC-SERVER-UNAVAILABLE"] * 2
    assert document["software"]["model"] is None
    assert all("gpu-host:8001 does not answer" in line for line in err.splitlines())


@pytest.mark.parametrize(
    "args",
    [
        ("--pixel-spacing", "0"),
        ("--pixel-spacing", "-0.1"),
        ("--pixel-spacing", "nan"),
        ("--pixel-spacing", "inf"),
        ("--pixel-spacing", "wide"),
        ("--save", "seg"),
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


def test_a_fault_that_all_have_is_told_a_few_times(client: FakeClient, run: Run, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for index in range(14):
        (tmp_path / "in" / str(index)).mkdir()
        film(tmp_path / "in" / str(index), "refused")
    code, out, err = run("analyze", tmp_path / "in", "--json")
    assert code == 1
    assert len(json.loads(out)["images"]) == 14
    told = [line for line in err.splitlines() if "BAC-" in line]
    assert len(told) == 11
    assert told[-1] == "BAC-SPACING-MISSING: 4 more images, for the same reason"


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


def test_what_may_not_be_looked_at_fails_alone(
    client: FakeClient, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = film(tmp_path / "in", "a")
    locked = tmp_path / "locked"
    # The tests may run as root, whom no permission stops.
    look = os.stat

    def refuse(path: Any, **options: Any) -> os.stat_result:
        if isinstance(path, (str, Path)) and locked in Path(path).parents:
            raise PermissionError(13, "Permission denied", str(path))
        return look(path, **options)

    monkeypatch.setattr(os, "stat", refuse)
    code, out, err = run("analyze", image, locked / "b.dcm", "--json")
    assert code == 1
    statuses = {image["path"]: image["code"] for image in json.loads(out)["images"]}
    assert statuses == {str(image): None, str(locked / "b.dcm"): "BAC-FILE-UNREADABLE"}
    assert len(err.splitlines()) == 2  # and the library that talks
    # Nor does an --out that may not be looked at cost the results.
    out = run("analyze", image, "--out", locked / "results", "--json")[1]
    assert json.loads(out)["images"][0]["status"] == "ok"


def test_one_that_cannot_be_opened_stops_nobody(
    client: FakeClient, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = film(tmp_path / "in", "a")
    monkeypatch.setattr(os, "access", lambda *_, **__: False)
    assert run("analyze", image)[0] == 0


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

    monkeypatch.setattr("bac_imaging.mammogram.read_mammogram", read)
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
    monkeypatch.setitem(sys.modules, "bac_imaging.mammogram", None)
    image = film(tmp_path / "in", "a")
    code, _, err = run("analyze", image, "--save", "mask,overlay", "--out", "res", "--pixel-spacing", "0.1")
    assert code == 1
    assert err.endswith('is not installed; run: pip install "bacctl[dicom]"\n')
    assert os.listdir("res") == ["a.mask.png"]


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
