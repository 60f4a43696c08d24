"""Merging and looking at runs."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import sqlite3
from pathlib import Path

import pytest
from pyarrow import parquet
from tests.sdk.archive.run.archives import Archive

from bac_terms.errors import FailedError, RefusedError
from bacctl.archive.run.merge import merge
from bacctl.archive.run.output import ShardOutput
from bacctl.archive.run.shards import Shard
from bacctl.archive.run.status import status_of
from bacctl.testing import FakeServer


def test_shards_that_are_not_complete_are_refused_unless_asked_for(
    archive: Archive, fake: FakeServer
) -> None:
    archive.run(fake, shard=Shard(1, 3))
    target = archive.folder / "all.parquet"
    with pytest.raises(
        RefusedError, match=r"2 of 3 shards are not complete: shard-00000-of-00003, shard-00002"
    ):
        merge(str(archive.out), str(target))
    assert not target.exists()
    merged = merge(str(archive.out), str(target), partial=True)
    assert merged.images == len(fake.requests)
    assert merged.missing == 20 - merged.images
    told = parquet.read_schema(target).metadata
    assert told[b"bacctl.partial"] == b"true"
    assert told[b"bacctl.missing_images"] == str(merged.missing).encode()
    assert json.loads(told[b"bacctl.run"])["shards"] == 3


def test_a_whole_table_says_that_it_is(archive: Archive, fake: FakeServer) -> None:
    archive.run(fake)
    merge(str(archive.out), str(archive.folder / "all.parquet"))
    assert parquet.read_schema(archive.folder / "all.parquet").metadata[b"bacctl.partial"] == b"false"


@pytest.mark.parametrize("damage", ["gone", "cut", "other"])
def test_a_part_that_is_not_what_the_journal_says_is_refused(
    archive: Archive, fake: FakeServer, damage: str
) -> None:
    archive.run(fake, part_rows=10)
    one, two = sorted(archive.out.glob("*/part-*.parquet"))
    if damage == "gone":
        one.unlink()
    elif damage == "cut":
        one.write_bytes(one.read_bytes()[:-1])
    else:
        shutil.copy(two, one)
    target = archive.folder / "all.parquet"
    with pytest.raises(FailedError, match=f"BAC-ARCHIVE-PART: {one.name}"):
        merge(str(archive.out), str(target), partial=True)
    assert not target.exists()


def test_where_no_run_is(tmp_path: Path) -> None:
    for look in (
        lambda: merge(str(tmp_path), str(tmp_path / "all.parquet")),
        lambda: status_of(str(tmp_path)),
    ):
        with pytest.raises(RefusedError, match="there is no run in this folder"):
            look()


def test_a_journal_that_is_none_is_refused(archive: Archive, fake: FakeServer) -> None:
    archive.run(fake)
    (journal,) = archive.out.glob("*/journal.sqlite")
    journal.write_bytes(b"no SQLite at all" * 100)
    with pytest.raises(RefusedError, match="the journal is damaged"):
        status_of(str(archive.out))
    with pytest.raises(RefusedError, match="the journal is damaged"):
        archive.run(fake, resume=True)


def test_status_of_shards(archive: Archive, fake: FakeServer) -> None:
    archive.run(fake, shard=Shard(0, 2))
    done = len(fake.requests)
    plan, shards = status_of(str(archive.out))
    assert plan.manifest_rows == 20
    assert shards[0].counts is not None
    assert (shards[0].counts.settled, shards[0].counts.complete, shards[0].running) == (done, True, False)
    assert shards[0].counts.rate is not None
    assert shards[1].counts is None
    with ShardOutput(str(archive.out), Shard(1, 2)) as output, output.open_journal(resume=False):
        assert status_of(str(archive.out))[1][1].running is True


def test_a_journal_that_is_just_being_made_is_a_shard_that_was_not_begun(
    archive: Archive, fake: FakeServer
) -> None:
    archive.run(fake, shard=Shard(0, 2))
    folder = archive.out / Shard(1, 2).name
    folder.mkdir()
    sqlite3.connect(folder / "journal.sqlite").close()
    (folder / "journal.sqlite").touch()
    assert status_of(str(archive.out))[1][1].counts is None
    merged = merge(str(archive.out), str(archive.folder / "all.parquet"), partial=True)
    assert merged.incomplete == (Shard(1, 2).name,)


def test_a_look_at_the_lock_keeps_no_run_from_its_shard(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ShardOutput(str(archive.out), Shard()):
        pass
    handle = os.open(archive.out / Shard().name / "lock", os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_SH)
    monkeypatch.setattr("bacctl.archive.run.output.time.sleep", lambda _: os.close(handle))
    with ShardOutput(str(archive.out), Shard()):
        pass
