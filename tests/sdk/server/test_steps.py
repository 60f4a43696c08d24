"""Steps watched and leftovers cleared, with processes that only look like Triton's."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bacctl.server import leftovers, supervisor
from bacctl.server.steps import Steps

# A server with two steps, whose numbers it prints.
SERVER = """
import subprocess, sys, time
for model in ("bac_preprocess", "bac_quantify"):
    model = f"{sys.argv[2]}/{model}/1/model.py"
    step = [sys.executable, "-c", "import time; time.sleep(60)", model, sys.argv[1]]
    print(subprocess.Popen(step).pid, flush=True)
time.sleep(60)
"""


def eventually(condition: Callable[[], bool], seconds: float = 20.0) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


@pytest.fixture
def prefix() -> str:
    return f"bacctl_{os.getpid()}_{secrets.token_hex(4)}_"


@pytest.fixture
def models(tmp_path: Path) -> Path:
    folder = tmp_path / "steps"
    for model in ("bac_preprocess", "bac_quantify"):
        (folder / model).mkdir(parents=True)
    return folder


@pytest.fixture
def server(prefix: str, models: Path) -> Iterator[tuple[subprocess.Popen[str], list[int]]]:
    process = subprocess.Popen(
        [sys.executable, "-c", SERVER, prefix.strip("_"), str(models)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    steps = [int(process.stdout.readline()) for _ in range(2)]
    # A process that was just started may not show its own command line yet.
    assert eventually(lambda: len(Steps(process.pid).processes()) == 3)
    yield process, steps
    for pid in [*steps, process.pid]:
        try:
            os.kill(pid, 9)
        except ProcessLookupError:
            continue
    process.wait()
    process.stdout.close()


def test_a_step_that_died_is_named_until_it_has_been_looked_for_again(
    server: tuple[subprocess.Popen[str], list[int]],
) -> None:
    process, (_, quantify) = server
    steps = Steps(process.pid)
    assert steps.dead() == []
    os.kill(quantify, 9)  # a zombie: its parent does not look
    assert eventually(lambda: steps.dead() == ["bac_quantify"])
    steps.look_again()
    assert steps.dead() == []


def test_a_step_said_to_be_loaded_that_has_no_process_is_not_back(
    server: tuple[subprocess.Popen[str], list[int]], models: Path
) -> None:
    process, (_, quantify) = server
    steps = Steps(process.pid)
    os.kill(quantify, 9)
    assert eventually(lambda: steps.dead() == ["bac_quantify"])
    asked: list[str] = []
    assert not steps.bring_back(lambda model: asked.append(model) is None)
    assert asked == ["bac_quantify"]
    assert [list(folder.iterdir()) != [] for folder in sorted(models.iterdir())] == [False, True]


def test_a_server_that_ended_has_no_dead_steps(server: tuple[subprocess.Popen[str], list[int]]) -> None:
    process, _ = server
    steps = Steps(process.pid)
    process.kill()
    process.wait()
    assert steps.dead() == []


def make_leftovers(prefix: str, folder: Path) -> tuple[Path, Path]:
    lock = supervisor.SHARED_MEMORY / f"{prefix}{supervisor.LOCK}"
    region = supervisor.SHARED_MEMORY / f"{prefix}region"
    region.write_bytes(b"x")
    folder.mkdir()
    (folder / "models").mkdir()
    lock.write_text(json.dumps({"folder": str(folder), "started": 0.0}))
    return lock, region


def test_what_a_killed_supervisor_left_is_cleared(
    prefix: str, tmp_path: Path, server: tuple[subprocess.Popen[str], list[int]]
) -> None:
    folder = tmp_path / "bacctl-abc"
    lock, region = make_leftovers(prefix, folder)
    process, steps = server
    with lock.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        leftovers.clear_leftovers()
        assert all(path.exists() for path in (lock, region, folder))
        assert process.poll() is None
    leftovers.clear_leftovers()
    assert not any(path.exists() for path in (lock, region, folder))
    assert process.wait(10) == -9
    assert eventually(lambda: not any(map(_is_alive, steps)))


@pytest.mark.parametrize("fault", ["no json", "a folder of another name", "a link"])
def test_nothing_is_removed_on_the_word_of_a_file_that_is_not_a_supervisors(
    fault: str, prefix: str, tmp_path: Path
) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    lock = supervisor.SHARED_MEMORY / f"{prefix}{supervisor.LOCK}"
    if fault == "a link":
        (tmp_path / "other").write_text(json.dumps({"folder": str(precious), "started": 0.0}))
        lock.symlink_to(tmp_path / "other")
    else:
        lock.write_text("{" if fault == "no json" else json.dumps({"folder": str(precious), "started": 0.0}))
    try:
        leftovers.clear_leftovers()
        assert precious.exists()
    finally:
        lock.unlink(missing_ok=True)


def _is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
