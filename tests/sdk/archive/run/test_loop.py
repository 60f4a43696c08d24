"""The loop over a shard, with a fake server at the border; tests/e2e/archive has the real one."""

from __future__ import annotations

import dataclasses
import os
import sqlite3
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from pyarrow import parquet
from tests.sdk.archive.run.archives import Archive, Heard

from bac_terms.errors import FailedError, PermissionDeniedError, RefusedError, from_catalogue
from bacctl.archive.parts import PART_SCHEMA, TIMES
from bacctl.archive.run.loop import Loop, StoppedError
from bacctl.archive.run.merge import merge
from bacctl.archive.run.output import ShardOutput
from bacctl.archive.run.plan import Settings
from bacctl.archive.run.shards import Shard
from bacctl.testing import FakeServer, Request, make_report, refusal


def rows_of(archive: Archive) -> list[dict[str, Any]]:
    """Return all rows by their number, without what differs from run to run."""
    target = archive.folder / "all.parquet"
    merge(str(archive.out), str(target), partial=True)
    rows = parquet.read_table(target).to_pylist()
    rows.sort(key=lambda row: row["row"])
    return [{name: value for name, value in row.items() if name not in TIMES} for row in rows]


def sent(fake: FakeServer) -> list[bytes]:
    return [request.data for request in fake.requests]


def test_every_image_has_its_row(archive: Archive, fake: FakeServer, heard: Heard) -> None:
    counts = archive.run(fake, part_rows=6, heard=heard)
    assert (counts.images, counts.settled, counts.in_parts, counts.complete) == (20, 20, 20, True)
    rows = rows_of(archive)
    assert [row["calcium_mass_mg"] for row in rows] == [float(number) for number in range(20)]
    assert [row["uri"] for row in rows] == [row.uri for row in archive.rows]
    assert len(list(archive.out.glob("*/part-*.parquet"))) == 4
    last = heard.progress[-1]
    assert (last.settled, last.images, last.new) == (20, 20, 20)


def test_parts_have_the_whole_schema(archive: Archive, fake: FakeServer) -> None:
    archive.run(fake)
    (part,) = archive.out.glob("*/part-*.parquet")
    assert parquet.read_schema(part).equals(PART_SCHEMA)
    assert parquet.read_schema(part).metadata[b"intended_use"] == b"research use only"


def test_two_shards_are_one_run(archive: Archive, fake: FakeServer) -> None:
    for number in range(2):
        archive.run(fake, shard=Shard(number, 2))
    assert sorted(sent(fake)) == sorted(b"file %02d" % number for number in range(20))
    merged = merge(str(archive.out), str(archive.folder / "all.parquet"))
    assert (merged.images, merged.missing, merged.incomplete) == (20, 0, ())


def test_what_is_done_is_not_done_again(archive: Archive, fake: FakeServer) -> None:
    archive.run(fake)
    before = rows_of(archive)
    fake.requests.clear()
    counts = archive.run(fake, resume=True)
    assert sent(fake) == []
    assert counts.complete
    assert rows_of(archive) == before


def test_an_output_that_has_something_takes_resume(archive: Archive, fake: FakeServer) -> None:
    archive.run(fake)
    with pytest.raises(RefusedError, match=r"BAC-ARCHIVE-OUTPUT.*--resume"):
        archive.run(fake)


def test_a_stop_keeps_all_that_was_measured(archive: Archive, heard: Heard) -> None:
    stop = threading.Event()

    def measure(request: Request) -> dict[str, Any]:
        if request.data == b"file 07":
            stop.set()
        return make_report(calcium_mass_mg=float(request.data[-2:]))

    fake = FakeServer(measure)
    with pytest.raises(StoppedError):
        archive.run(fake, stop=stop)
    assert archive.counts.settled == archive.counts.in_parts == len(fake.requests) < 20
    assert archive.counts.open == 0
    first = sent(fake)
    archive.run(fake, resume=True)
    assert sorted(sent(fake)) == sorted({*first, *(b"file %02d" % number for number in range(20))})
    assert [row["row"] for row in rows_of(archive)] == list(range(20))


def test_a_refused_image_is_a_row_and_not_tried_again(archive: Archive) -> None:
    def measure(request: Request) -> dict[str, Any]:
        if request.data == b"file 05":
            raise refusal("BAC-VIEW-SPOT")
        return make_report()

    fake = FakeServer(measure)
    counts = archive.run(fake)
    assert (counts.by_status, counts.by_code, counts.parked) == (
        {"ok": 19, "refused": 1},
        {"BAC-VIEW-SPOT": 1},
        0,
    )
    assert sent(fake).count(b"file 05") == 1
    row = rows_of(archive)[5]
    assert (row["status"], row["code"], row["calcium_mass_mg"], row["parked"]) == (
        "refused",
        "BAC-VIEW-SPOT",
        None,
        False,
    )


def test_what_the_scan_found_unsuitable_is_a_row_and_not_sent(
    empty_archive: Archive, fake: FakeServer
) -> None:
    empty_archive.add(b"file 00")
    empty_archive.add(b"file 01", code="BAC-TOMOSYNTHESIS", reason="slices")
    empty_archive.add(b"file 02", code="BAC-INVENTED-LATER")
    empty_archive.write()
    counts = empty_archive.run(fake)
    assert sent(fake) == [b"file 00"]
    assert counts.by_code == {"BAC-TOMOSYNTHESIS": 1, "BAC-INVENTED-LATER": 1}
    row = rows_of(empty_archive)[1]
    assert (row["status"], row["reason"], row["analysis"]) == ("refused", "slices", None)


def test_files_that_are_not_as_they_were_scanned_are_named_and_not_sent(
    archive: Archive, fake: FakeServer
) -> None:
    paths = [Path(row.uri) for row in archive.rows]
    paths[1].unlink()
    paths[2].write_bytes(b"file 2222")
    paths[3].write_bytes(b"FILE 03")  # same size, another header
    state = paths[4].stat()
    os.utime(paths[4], ns=(state.st_atime_ns, state.st_mtime_ns + 10**9))
    os.utime(paths[3], ns=(archive.rows[3].mtime_ns,) * 2)
    archive.rows[5] = dataclasses.replace(archive.rows[5], sop_instance_uid="1.2.3")
    archive.write()
    archive.run(fake)
    assert len(sent(fake)) == 16
    codes = {row["row"]: (row["code"], row["reason"]) for row in rows_of(archive) if row["code"]}
    assert codes.keys() == {1, 2, 3, 4, 5}
    assert codes[1][0] == "BAC-FILE-UNREADABLE"
    for number, word in ((2, "size"), (3, "header"), (4, "time"), (5, "SOP Instance UID")):
        code, reason = codes[number]
        assert code == "BAC-ARCHIVE-CHANGED"
        assert word in reason
    assert all(row["calcium_mass_mg"] is None for row in rows_of(archive)[1:6])


def test_equal_bytes_are_measured_once(empty_archive: Archive, fake: FakeServer) -> None:
    first = empty_archive.add(b"file 01")
    empty_archive.add(b"file 01", duplicate_of=first.uri)
    empty_archive.add(b"file 01")
    empty_archive.add(b"file 02", duplicate_of=first.uri)
    empty_archive.write()
    empty_archive.run(fake, in_flight=4)
    assert sorted(sent(fake)) == [b"file 01", b"file 02"]
    rows = rows_of(empty_archive)
    assert [row["duplicate"] for row in rows] == [None, "equal", "equal", "different"]
    assert [row["duplicate_of"] for row in rows] == [None, first.uri, first.uri, first.uri]
    assert [row["calcium_mass_mg"] for row in rows] == [1.0, 1.0, 1.0, 2.0]
    assert len({row["uri"] for row in rows}) == 4


def test_a_copy_takes_its_result_from_a_part(empty_archive: Archive, fake: FakeServer) -> None:
    first = empty_archive.add(b"file 01")
    for number in range(2, 9):
        empty_archive.add(b"file %02d" % number)
    empty_archive.add(b"file 01", duplicate_of=first.uri)
    empty_archive.write()
    empty_archive.run(fake, part_rows=2)
    rows = rows_of(empty_archive)
    assert rows[-1]["calcium_mass_mg"] == 1.0
    same = PART_SCHEMA.names
    differ = {name for name in same if name not in TIMES and rows[0][name] != rows[-1][name]}
    assert differ == {"row", "uri", "duplicate", "duplicate_of"}


def test_an_image_that_never_has_an_answer_is_parked_and_the_others_go_on(archive: Archive) -> None:
    def measure(request: Request) -> dict[str, Any]:
        if request.data == b"file 03":
            raise from_catalogue("BAC-SERVER-TIMEOUT")
        return make_report()

    fake = FakeServer(measure)
    counts = archive.run(fake, tries=3)
    assert sent(fake).count(b"file 03") == 3
    assert len(sent(fake)) == 22
    assert (counts.parked, counts.by_code, counts.complete) == (1, {"BAC-SERVER-TIMEOUT": 1}, True)
    row = rows_of(archive)[3]
    assert (row["status"], row["parked"]) == ("failed", True)


def test_what_was_tried_in_vain_is_tried_alone(archive: Archive) -> None:
    """An image that takes the server with it takes its neighbours' answers, which are not at fault."""
    lock = threading.Lock()
    under_way: set[bytes] = set()
    dead = threading.Event()

    def measure(request: Request) -> dict[str, Any]:
        with lock:
            under_way.add(request.data)
        time.sleep(0.02)
        if request.data == b"file 04":
            dead.set()
        try:
            if dead.is_set():
                raise from_catalogue("BAC-SERVER-UNAVAILABLE")
            return make_report(calcium_mass_mg=float(request.data[-2:]))
        finally:
            with lock:
                under_way.discard(request.data)
                if not under_way:
                    dead.clear()

    counts = archive.run(FakeServer(measure), tries=2, in_flight=4)
    assert counts.parked == 1
    rows = rows_of(archive)
    assert [row["row"] for row in rows if row["parked"]] == [4]
    assert [row["status"] for row in rows].count("ok") == 19


def test_a_server_that_is_away_is_waited_for_and_said_to_be(
    archive: Archive, fake: FakeServer, heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bacctl.archive.run.loop._FIRST_WAIT_S", 0.01)

    def measure(request: Request) -> dict[str, Any]:
        if request.data == b"file 05":
            away.fail_next("BAC-SERVER-UNAVAILABLE", 4)
        return make_report()

    away = FakeServer(measure)
    counts = archive.run(away, heard=heard, tries=3)
    assert counts.by_status == {"ok": 20}
    assert any("BAC-SERVER-UNAVAILABLE" in line and "waited" in line for line in heard.lines)


def test_a_server_that_stays_away_ends_the_run_and_resume_goes_on(archive: Archive, fake: FakeServer) -> None:
    def measure(request: Request) -> dict[str, Any]:
        if request.data == b"file 05":
            away.fail_next("BAC-SERVER-UNAVAILABLE", 1000)
        return make_report(calcium_mass_mg=float(request.data[-2:]))

    away = FakeServer(measure)
    with pytest.raises(FailedError, match="BAC-SERVER-UNAVAILABLE"):
        archive.run(away, wait_s=0.0)
    assert 0 < archive.counts.in_parts < 20
    counts = archive.run(fake, resume=True)
    assert counts.by_status == {"ok": 20}
    assert counts.parked == 0


def test_a_server_without_room_is_no_fault_of_the_image(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bacctl.archive.run.loop._FIRST_WAIT_S", 0.01)
    left = [10]

    def measure(request: Request) -> dict[str, Any]:
        if request.data == b"file 05" and left[0]:
            left[0] -= 1
            raise from_catalogue("BAC-SERVER-OVERLOADED")
        return make_report()

    counts = archive.run(FakeServer(measure), tries=2)
    assert (counts.by_status, counts.parked, left) == ({"ok": 20}, 0, [0])
    left[0] = 10
    archive.out = archive.folder / "other"
    with pytest.raises(FailedError, match="BAC-SERVER-OVERLOADED"):
        archive.run(FakeServer(measure), tries=2, wait_s=0.0)


def test_a_server_that_lets_nobody_in_ends_the_run_at_once(archive: Archive) -> None:
    def measure(request: Request) -> dict[str, Any]:
        if request.data == b"file 04":
            raise from_catalogue("BAC-SERVER-PERMISSION")
        return make_report()

    fake = FakeServer(measure)
    with pytest.raises(PermissionDeniedError):
        archive.run(fake)
    assert len(fake.requests) < 8
    assert archive.counts.by_status == {"ok": archive.counts.settled}


def test_other_weights_in_the_middle_end_the_run(archive: Archive) -> None:
    def measure(request: Request) -> dict[str, Any]:
        report = make_report()
        return {**report, "weights_sha256": "1" * 64} if request.data == b"file 05" else report

    with pytest.raises(FailedError, match="other weights"):
        archive.run(FakeServer(measure))
    assert archive.counts.by_status == {"ok": archive.counts.settled}
    assert 5 not in [row["row"] for row in rows_of(archive)]


def test_no_server_with_the_weights_that_are_asked_for_ends_the_run_at_once(archive: Archive) -> None:
    def measure(request: Request) -> dict[str, Any]:
        if request.data == b"file 04":
            raise from_catalogue("BAC-SERVER-OTHER-WEIGHTS")
        return make_report()

    with pytest.raises(FailedError, match="BAC-SERVER-OTHER-WEIGHTS"):
        archive.run(FakeServer(measure))
    assert archive.counts.by_status == {"ok": archive.counts.settled}
    assert archive.counts.parked == 0


def test_other_settings_and_shards_are_refused_on_resume(archive: Archive, fake: FakeServer) -> None:
    archive.run(fake)
    with pytest.raises(RefusedError, match="another operating point"):
        archive.run(fake, resume=True, settings=Settings(0.5))
    with pytest.raises(RefusedError, match=r"has 1 shards and not 2.*--shard i/1"):
        archive.run(fake, resume=True, shard=Shard(0, 2))
    archive.add(b"file 99")
    archive.write()
    with pytest.raises(RefusedError, match="another manifest"):
        archive.run(fake, resume=True)


def test_a_disk_that_is_full_is_named_and_resume_goes_on(
    archive: Archive, fake: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`test_kills` has a disk's own limit; here the part, which is written in the middle of a run."""
    from bacctl.archive import storage

    put = storage.put

    def full(uri: str, data: bytes | Path) -> None:
        if "part-" in uri:
            raise from_catalogue("BAC-STORAGE-WRITE")
        put(uri, data)

    monkeypatch.setattr(storage, "put", full)
    with pytest.raises(FailedError, match="BAC-STORAGE-WRITE"):
        archive.run(fake, part_rows=5)
    assert archive.counts.settled >= 5
    assert archive.counts.in_parts == 0
    monkeypatch.undo()
    measured = set(sent(fake))
    fake.requests.clear()
    assert archive.run(fake, resume=True, part_rows=5).in_parts == 20
    assert len(measured & set(sent(fake))) <= 2


def test_a_clock_that_goes_back_changes_nothing(
    archive: Archive, fake: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = iter(range(10**6, 0, -1))
    monkeypatch.setattr("bacctl.archive.run.loop.now", lambda: next(times))
    monkeypatch.setattr("bacctl.archive.run.measure.now", lambda: next(times))
    archive.run(fake, part_rows=3)
    assert [row["row"] for row in rows_of(archive)] == list(range(20))


def test_a_journal_that_cannot_be_written_is_put_into_words(
    archive: Archive, fake: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bacctl.archive.run.journal import Journal

    def fail(self: Journal, cells: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(Journal, "keep", fail)
    with pytest.raises(FailedError, match=r"BAC-STORAGE-WRITE.*full.*--resume"):
        archive.run(fake)


def test_a_part_that_was_damaged_is_measured_again(archive: Archive, fake: FakeServer) -> None:
    archive.run(fake, part_rows=5)
    before = rows_of(archive)
    part = sorted(archive.out.glob("*/part-*.parquet"))[1]
    data = bytearray(part.read_bytes())
    data[40] ^= 1
    part.write_bytes(data)
    with pytest.raises(FailedError, match="BAC-ARCHIVE-PART"):
        merge(str(archive.out), str(archive.folder / "all.parquet"))
    fake.requests.clear()
    archive.run(fake, resume=True)
    assert len(sent(fake)) == 5
    assert rows_of(archive) == before


def test_parts_that_the_journal_does_not_know_are_removed(archive: Archive, fake: FakeServer) -> None:
    archive.run(fake)
    (part,) = archive.out.glob("*/part-*.parquet")
    stray = part.with_name("part-000002-00000000.parquet")
    stray.write_bytes(part.read_bytes())
    unfinished = part.with_name(".bacctl-0123.part")
    unfinished.touch()
    assert len(rows_of(archive)) == 20
    archive.run(fake, resume=True)
    assert not stray.exists()
    assert not unfinished.exists()
    assert part.exists()


def test_an_archive_without_images_is_complete(empty_archive: Archive, fake: FakeServer) -> None:
    empty_archive.write()
    assert empty_archive.run(fake).complete
    assert rows_of(empty_archive) == []


def test_a_store_that_stays_away_is_waited_for_once(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another image has its answer by the time that the run gives up; it is kept, and waits for nothing."""
    from bacctl.archive import storage

    begun = threading.Event()

    def measure(request: Request) -> dict[str, Any]:
        if request.data == b"file 05":
            begun.wait(30.0)
        return make_report(calcium_mass_mg=float(request.data[-2:]))

    waits: list[object] = []
    put, wait_for = storage.put, Loop._wait_for

    def away(uri: str, data: bytes | Path) -> None:
        if "part-" in uri:
            begun.set()
            time.sleep(0.2)  # for its answer
            raise from_catalogue("BAC-STORAGE-UNREACHABLE")
        put(uri, data)

    def noted(self: Loop, *arguments: Any) -> None:
        waits.append(self)
        wait_for(self, *arguments)

    monkeypatch.setattr(storage, "put", away)
    monkeypatch.setattr(Loop, "_wait_for", noted)
    monkeypatch.setattr(ShardOutput, "is_reachable", lambda self: False)
    with pytest.raises(FailedError, match="BAC-STORAGE-UNREACHABLE"):
        archive.run(FakeServer(measure), part_rows=5, in_flight=2, wait_s=0.0)
    assert len(waits) == 1
    assert archive.counts.open == 0
    monkeypatch.undo()
    assert archive.run(FakeServer(measure), resume=True).in_parts == 20
