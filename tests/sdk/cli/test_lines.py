"""``bacctl analyze`` in a pipe: lists of files in, lines out, and readers that go away."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import referencing

from bacctl.cli.guard import UsageError
from bacctl.cli.listing import read_listing
from bacctl.client.canary import canary_image
from bacctl.sources import find_sources

pytestmark = pytest.mark.slow  # a program of its own for each

BACCTL = [sys.executable, "-m", "bacctl", "analyze", "--pixel-spacing", "0.2"]


@pytest.fixture
def films(tmp_path: Path) -> Path:
    folder = tmp_path / "films"
    folder.mkdir()
    for index in range(6):
        (folder / f"{index}.png").write_bytes(canary_image())
    return folder


@pytest.fixture
def url(serve: Callable[..., str], triton_response: Callable[..., Any]) -> Iterator[str]:
    """A server that takes its time, so that a run can be caught at work."""

    def answer(request: Any, context: Any) -> Any:
        time.sleep(0.2)
        return triton_response()

    return serve(answer)


def start(*args: object, **options: Any) -> subprocess.Popen[bytes]:
    command = [*BACCTL, *map(str, args)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)


def schema() -> jsonschema.Draft202012Validator:
    texts = {
        name: files("bacctl").joinpath(f"schema/{name}").read_text()
        for name in ("lines-1.json", "analysis-1.json")
    }
    registry: referencing.Registry[Any] = referencing.Registry().with_resource(
        "analysis-1.json", referencing.Resource.from_contents(json.loads(texts["analysis-1.json"]))
    )
    return jsonschema.Draft202012Validator(json.loads(texts["lines-1.json"]), registry=registry)


def test_lines_follow_the_schema(films: Path, url: str) -> None:
    (films / "README").write_text("words")
    (films / "broken.dcm").write_bytes(b"")
    process = start(films, "--url", url, "--jsonl")
    out, err = process.communicate(timeout=60)
    assert process.returncode == 1
    lines = [json.loads(line) for line in out.splitlines()]
    for line in lines:
        schema().validate(line)
    assert [line["type"] for line in lines] == ["image"] * 7 + ["exam", "summary"]
    summary = lines[-1]["summary"]
    assert (summary["images"], summary["analysed"], summary["skipped"]) == (7, 6, 1)
    assert summary["refused"] == {"BAC-FILE-EMPTY": 1}
    assert summary["software"]["model"] == "ab" * 32
    assert err.decode().splitlines() == [
        f"{films}/broken.dcm: BAC-FILE-EMPTY: the file holds no bytes; export or copy the file again from "
        "its source"
    ]


def test_schema_of_lines_takes_no_other_line() -> None:
    with pytest.raises(jsonschema.ValidationError):
        schema().validate({"schema": "bacctl.lines/1", "intended_use": "research use only", "type": "image"})


def test_a_reader_that_goes_away_ends_the_run(films: Path, url: str) -> None:
    process = start(films, "--url", url, "--jsonl")
    assert process.stdout is not None
    assert process.stderr is not None
    assert json.loads(process.stdout.readline())["type"] == "image"
    process.stdout.close()
    assert process.wait(timeout=30) == 141
    assert process.stderr.read() == b""
    process.stderr.close()


def test_ctrl_c_keeps_what_is_done(films: Path, url: str) -> None:
    process = start(films, "--url", url, "--jsonl")
    assert process.stdout is not None
    first = process.stdout.readline()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert err == b"stopped\n"
    lines = [json.loads(line) for line in [first, *out.splitlines()]]
    assert lines[-1]["type"] == "summary"
    assert lines[-1]["summary"]["interrupted"] is True
    assert 1 <= lines[-1]["summary"]["images"] < 6


@pytest.mark.parametrize(("end", "flags"), [(b"\n", ()), (b"\r\n", ()), (b"\0", ("-0",))])
def test_paths_from_standard_input(films: Path, url: str, end: bytes, flags: tuple[str, ...]) -> None:
    (films / "notes.txt").write_text("words")
    # As `find films` writes them: the folder itself, and then what is in it.
    listed = [films, *sorted(films.iterdir()), films / "gone.png"]
    process = start("--url", url, "--jsonl", "--files-from", "-", *flags, stdin=subprocess.PIPE)
    out, _ = process.communicate(end.join(os.fsencode(path) for path in listed) + end, timeout=60)
    assert process.returncode == 1
    lines = [json.loads(line) for line in out.splitlines()]
    paths = [line["image"]["path"] for line in lines if line["type"] == "image"]
    assert sorted(paths) == [*(f"{films}/{index}.png" for index in range(6)), f"{films}/gone.png"]
    assert lines[-1]["summary"]["failed"] == {"BAC-FILE-UNREADABLE": 1}
    assert lines[-1]["summary"]["skipped"] == 1


def test_lists_that_end_their_paths_otherwise(tmp_path: Path) -> None:
    (tmp_path / "lines").write_bytes(b"\xef\xbb\xbfa b.dcm\r\n\nc.dcm\n")
    (tmp_path / "nuls").write_bytes(b"a\nb.dcm\0c.dcm\0")
    assert read_listing(str(tmp_path / "lines"), null=False) == [Path("a b.dcm"), Path("c.dcm")]
    assert read_listing(str(tmp_path / "nuls"), null=True) == [Path("a\nb.dcm"), Path("c.dcm")]
    with pytest.raises(UsageError, match="give -0"):
        read_listing(str(tmp_path / "nuls"), null=False)
    with pytest.raises(UsageError, match="leave out -0"):
        read_listing(str(tmp_path / "lines"), null=True)


def test_a_list_leaves_the_results_of_an_earlier_run_alone(tmp_path: Path) -> None:
    out = tmp_path / "bacctl-out"
    out.mkdir()
    for path in (tmp_path / "a.png", out / "seg.dcm"):
        path.write_bytes(canary_image())
    found = find_sources([], [out], listed=[tmp_path / "a.png", out / "seg.dcm", out])
    assert found.files == (tmp_path / "a.png",)
    assert found.skipped == 0


def test_a_terminal_sees_the_pace_and_without_colour_where_it_is_asked(films: Path, url: str) -> None:
    ours, theirs = pty.openpty()
    environment = {**os.environ, "NO_COLOR": "1", "TERM": "xterm-256color", "COLUMNS": "100"}
    process = subprocess.Popen(
        [*BACCTL, str(films), "--url", url], stdout=subprocess.PIPE, stderr=theirs, env=environment
    )
    os.close(theirs)
    seen = b""
    with contextlib.suppress(OSError):  # the other end is gone
        while part := os.read(ours, 4096):
            seen += part
    os.close(ours)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert b"6/6 images" in seen
    assert b"images/s" in seen
    assert not re.search(rb"\x1b\[[0-9;]*3[0-9]", seen)  # colours of the foreground
    assert b"\x1b" not in out  # a pipe
    assert b"6 of 6 images analysed" in out
