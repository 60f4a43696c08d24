"""Runs that are killed: in flight, between a part and its entry, by an image, at the end of the disk."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pyarrow import parquet
from tests.sdk.archive.run.archives import Archive
from tests.sdk.archive.run.killed_run import LIMIT_BYTES

from bac_terms.errors import RefusedError
from bacctl.archive.parts import TIMES
from bacctl.archive.run.journal import Journal
from bacctl.archive.run.merge import merge
from bacctl.archive.run.output import ShardOutput
from bacctl.archive.run.shards import Shard
from bacctl.testing import FakeServer

ROOT = Path(__file__).parents[4]
IN_FLIGHT = 3


def _run(archive: Archive, end: str, images: int = 0) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tests.sdk.archive.run.killed_run", archive.folder, end, str(images)],
        cwd=archive.folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def _rows(archive: Archive) -> list[dict[str, Any]]:
    target = archive.folder / "all.parquet"
    merge(str(archive.out), str(target))
    rows = sorted(parquet.read_table(target).to_pylist(), key=lambda row: row["row"])
    return [{name: value for name, value in row.items() if name not in TIMES} for row in rows]


def _undisturbed(archive: Archive, fake: FakeServer) -> list[dict[str, Any]]:
    other = Archive(archive.folder)
    other.out = archive.folder / "undisturbed"
    other.run(fake)
    fake.requests.clear()
    return _rows(other)


def test_a_killed_run_loses_the_images_in_flight_and_no_others(archive: Archive, fake: FakeServer) -> None:
    expected = _undisturbed(archive, fake)
    chance = random.Random(18)
    assert _run(archive, "in-flight", chance.randint(3, 12)).returncode == -9
    archive.run(fake, resume=True, part_rows=7)
    assert _rows(archive) == expected
    sent = (archive.folder / "sent").read_bytes().split(b"\n")[:-1]
    sent += [request.data for request in fake.requests]
    # The kill lost what was in flight, and that alone was sent again.
    assert len(set(sent)) == 20
    assert 1 <= len(sent) - 20 <= IN_FLIGHT


def test_a_part_that_was_not_entered_is_written_anew(
    archive: Archive, fake: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a kill between the two leaves, without the process: an orderly end is not let happen."""
    expected = _undisturbed(archive, fake)

    def killed(*_: object) -> None:
        raise SystemExit

    monkeypatch.setattr(Journal, "enter", killed)
    with pytest.raises(SystemExit):
        archive.run(fake, part_rows=7)
    monkeypatch.undo()
    (stray, *_) = archive.out.glob("*/part-*.parquet")
    archive.run(fake, resume=True)
    assert _rows(archive) == expected
    assert not stray.exists()


def test_an_image_that_takes_the_process_with_it_is_parked(archive: Archive, fake: FakeServer) -> None:
    assert _run(archive, "poison").returncode == -9
    counts = archive.run(fake, resume=True, tries=1)
    assert (counts.parked, counts.complete) == (1, True)
    rows = _rows(archive)
    assert [(row["row"], row["code"]) for row in rows if row["status"] != "ok"] == [
        (11, "BAC-ARCHIVE-PARKED")
    ]
    assert [row["calcium_mass_mg"] for row in rows if row["status"] == "ok"] == [
        float(number) for number in range(20) if number != 11
    ]


def test_a_disk_that_ends_is_named_and_nothing_is_lost(empty_archive: Archive, fake: FakeServer) -> None:
    """The limit of a file's size is the system's own; what it says of a full disk goes the same way."""
    for number in range(100):
        empty_archive.add(b"file %02d" % number)
    empty_archive.write()
    ended = _run(empty_archive, "disk")
    assert ended.returncode == 1
    assert ended.stdout.startswith("BAC-STORAGE-WRITE: ")
    assert "--resume" in ended.stdout
    assert "Traceback" not in ended.stderr
    assert max(path.stat().st_size for path in empty_archive.out.rglob("*")) <= LIMIT_BYTES
    before = len((empty_archive.folder / "sent").read_bytes().splitlines())
    empty_archive.run(fake, resume=True)
    assert before < 100
    assert before + len(fake.requests) - 100 <= IN_FLIGHT + 1  # and the one that was not written
    assert len(_rows(empty_archive)) == 100


def test_two_processes_do_not_work_on_one_shard(archive: Archive) -> None:
    with ShardOutput(str(archive.out), Shard()):
        with pytest.raises(RefusedError, match="another process works on this shard"):
            ShardOutput(str(archive.out), Shard())
        with ShardOutput(str(archive.out), Shard(0, 2)):
            pass
    with ShardOutput(str(archive.out), Shard()):
        pass
