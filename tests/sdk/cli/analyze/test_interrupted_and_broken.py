"""``bacctl analyze``: Ctrl-C, faults, and what cannot be read."""

from __future__ import annotations

import errno
import json
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.sdk.cli.analyze.conftest import FakeClient, Run, film

from bac_terms.errors import ClientUsageError, ServerUnavailableError
from bac_terms.measured import Laterality
from bacctl.cli import main
from bacctl.cli.options import ServerOptions
from bacctl.cli.saving import saver
from bacctl.results import ImageResult


@pytest.fixture(autouse=True)
def usual_signals() -> Iterator[None]:
    """As a program has them at its start: a shell or an earlier test may have left others."""
    usual = {
        signal.SIGINT: signal.default_int_handler,
        signal.SIGTERM: signal.SIG_DFL,
        signal.SIGHUP: signal.SIG_DFL,
    }
    before = {number: signal.signal(number, handler) for number, handler in usual.items()}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


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


def test_a_client_that_we_use_wrongly_is_a_fault_of_ours(
    client: FakeClient, run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def closed(path: Path) -> ImageResult:
        raise ClientUsageError("BAC-CLIENT-CLOSED")

    monkeypatch.setattr(client, "result", closed)
    code, out, _ = run("analyze", film(tmp_path / "in", "a"), "--json")
    (image,) = json.loads(out)["images"]
    assert (code, image["status"], image["code"]) == (1, "failed", "BAC-INTERNAL")
    assert "ClientUsageError" in image["reason"]


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


@pytest.mark.parametrize(("name", "code"), [("SIGTERM", 143), ("SIGHUP", 129)])
def test_signals_that_end_a_process_keep_what_is_done(
    client: FakeClient, run: Run, tmp_path: Path, name: str, code: int
) -> None:
    for stem in ("A", name, "z"):
        film(tmp_path / "in", stem)
    left, out, err = run("analyze", tmp_path / "in", "--json", "--out", "res", "--save", "json,csv,mask")
    assert left == code
    assert err.splitlines()[-1] == "stopped"
    assert [Path(image["path"]).stem for image in json.loads(out)["images"]] == ["A"]
    assert client.closed
    assert sorted(os.listdir("res")) == ["A.mask.png", "analysis.csv", "analysis.json"]
    left, out, _ = run("analyze", tmp_path / "in")
    assert left == code
    assert "1 of 3 images analysed, stopped" in out
    left, out, _ = run("analyze", tmp_path / "in", "--jsonl")
    assert left == code
    assert json.loads(out.splitlines()[-1])["summary"]["interrupted"] is True


def test_a_second_signal_costs_nothing_that_is_kept(
    client: FakeClient, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for stem in ("A", "SIGTERM", "z"):
        film(tmp_path / "in", stem)

    def again(*_: object) -> None:
        client.closed = True
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGHUP)

    monkeypatch.setattr(FakeClient, "__exit__", again)
    code, out, _ = run("analyze", tmp_path / "in", "--json")
    assert code == 143
    assert len(json.loads(out)["images"]) == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("when", ["mask_png", "analysis_csv"])
def test_a_signal_while_files_are_written_leaves_whole_ones(
    client: FakeClient,
    run: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    number: signal.Signals,
    when: str,
) -> None:
    film(tmp_path / "in", "a")
    make = getattr(saver, when)

    def interrupted(*given: Any) -> Any:
        os.kill(os.getpid(), number)
        return make(*given)

    monkeypatch.setattr(saver, when, interrupted)
    code, out, _ = run("analyze", tmp_path / "in", "--json", "--out", "res", "--save", "json,csv,mask")
    assert code == 128 + number
    (image,) = json.loads(out)["images"]
    assert image["files"] == {"mask": "res/a.mask.png"}
    assert sorted(os.listdir("res")) == ["a.mask.png", "analysis.csv", "analysis.json"]


def test_a_signal_that_is_ignored_stays_ignored(client: FakeClient, run: Run, tmp_path: Path) -> None:
    """As ``nohup`` starts a program."""
    for stem in ("A", "SIGHUP", "z"):
        film(tmp_path / "in", stem)
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        code, out, _ = run("analyze", tmp_path / "in", "--json")
    finally:
        signal.signal(signal.SIGHUP, before)
    assert code == 0
    assert len(json.loads(out)["images"]) == 3


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
    def away(server: ServerOptions, **_: object) -> FakeClient:
        raise ServerUnavailableError("BAC-SERVER-UNAVAILABLE", f"{server.url} does not answer", "start it")

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


@contextmanager
def full_stdout() -> Iterator[None]:
    """Let stdout go to a disk that is full, in the place of what pytest reads."""
    before, full = os.dup(1), os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, 1)
    try:
        yield
    finally:
        os.dup2(before, 1)
        os.close(before)
        os.close(full)


@pytest.mark.parametrize("form", ["--jsonl", "--json", None])
def test_a_full_stdout_costs_no_file(form: str | None, client: FakeClient, run: Run, tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        film(tmp_path / "in", name)
    with full_stdout():
        code, _, err = run(
            "analyze", tmp_path / "in", *([form] if form else []), "--out", "res", "--save", "json,mask"
        )
    assert code == 1
    assert [line for line in err.splitlines() if "stdout cannot be written: No space left" in line]
    assert len(err.splitlines()) == 2  # and what a library had to say
    assert len(json.loads(Path("res/analysis.json").read_text())["images"]) == 3
    assert len(list(Path("res").glob("*.mask.png"))) == 3


def test_a_full_stdout_that_was_all_is_told_in_one_line(client: FakeClient, run: Run, tmp_path: Path) -> None:
    with full_stdout():
        code, _, err = run("analyze", film(tmp_path / "in", "a"), "--jsonl")
    assert code == 1
    assert err.splitlines()[-1] == "stdout cannot be written: No space left on device"
    assert client.closed


def test_a_machine_that_lets_too_few_files_be_open_is_no_fault_of_ours(
    client: FakeClient, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_many(*_: object, **__: object) -> None:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr(client, "server_info", too_many)
    code, out, _ = run("analyze", film(tmp_path / "in", "a"), "--json")
    (image,) = json.loads(out)["images"]
    assert (code, image["code"]) == (1, "BAC-SERVER-UNAVAILABLE")
    assert "Too many open files; raise the limit (ulimit -n 4096)" in image["reason"]
