"""Two runs on one folder, and what a killed one left there."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bac_imaging.files import write_whole
from bacctl.cli.saving.claim import FolderClaim
from bacctl.cli.saving.saver import Saver
from bacctl.cli.saving.together import Together
from bacctl.outputs.exam_files import Choices

# Holds a claim until its input ends, with a file half written.
RUN = """
import sys
from pathlib import Path
from bacctl.cli.saving.claim import FolderClaim
claim = FolderClaim(Path(sys.argv[1]))
(Path(sys.argv[1]) / ".bacctl-00.part").write_bytes(b"half")
print("claimed", flush=True)
sys.stdin.read()
"""


def unfinished(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def leftovers(tmp_path: Path) -> Path:
    (tmp_path / ".bacctl-0123.part").write_bytes(b"half")
    (tmp_path / ".bacctl-0123.spool").mkdir()
    (tmp_path / ".bacctl-0123.spool" / "0.0").write_bytes(b"mask")
    (tmp_path / "analysis.json").write_text("{}")
    (tmp_path / "notes.part").write_text("mine")
    return tmp_path


def test_what_a_dead_run_left_is_cleared_by_the_next(leftovers: Path) -> None:
    FolderClaim(leftovers).let_go()
    assert unfinished(leftovers) == ["analysis.json", "notes.part"]


def test_what_a_living_run_writes_is_left_alone(leftovers: Path) -> None:
    before = unfinished(leftovers)
    first = FolderClaim(leftovers)
    write_whole(leftovers / ".bacctl-mine.part", b"half")
    second = FolderClaim(leftovers)
    assert unfinished(leftovers) == [".bacctl-mine.part", "analysis.json", "notes.part"]
    first.let_go()
    third = FolderClaim(leftovers)
    assert ".bacctl-mine.part" in unfinished(leftovers)
    second.let_go()
    third.let_go()
    FolderClaim(leftovers).let_go()
    assert unfinished(leftovers) == ["analysis.json", "notes.part"]
    assert len(before) == 4


def test_a_run_that_was_killed_holds_nothing_any_more(tmp_path: Path) -> None:
    run = subprocess.Popen(
        [sys.executable, "-c", RUN, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert run.stdout is not None
    assert run.stdout.readline() == "claimed\n"
    FolderClaim(tmp_path).let_go()
    assert unfinished(tmp_path) == [".bacctl-00.part"]
    run.kill()
    run.communicate()
    FolderClaim(tmp_path).let_go()
    assert unfinished(tmp_path) == []


def test_many_runs_begin_in_one_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    savers = [Saver(tmp_path, ("json",), Choices()) for _ in range(50)]
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(Saver.prepare, savers))
    assert not any(saver.failed for saver in savers)
    assert capsys.readouterr().err == ""
    assert unfinished(tmp_path) == []


def test_results_are_on_the_disk_before_they_take_their_places(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    sync, move = os.fsync, os.replace

    def synced(handle: int) -> None:
        done.append("folder" if os.path.isdir(f"/proc/self/fd/{handle}") else "file")
        sync(handle)

    def moved(source: Path, target: Path) -> None:
        done.append("move")
        move(source, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", moved)
    run = Saver(tmp_path, ("json",), Choices())
    run.prepare()
    done.clear()
    run._write(tmp_path / "analysis.json", b"{}")
    assert done == ["file", "move", "folder"]
    done.clear()
    with Together() as files:
        files.add(tmp_path / "a.dcm", b"a")
        files.add(tmp_path / "b.dcm", b"b")
        files.take_their_places()
    assert done == ["file", "file", "move", "move", "folder"]
