"""Runs whose manifest, images and results are in an object store: moto's server stands for one."""

from __future__ import annotations

import dataclasses
import threading
from pathlib import Path
from typing import Any

import pytest
from pyarrow import parquet
from tests.sdk.archive.run.archives import Archive, Heard

from bac_terms.errors import FailedError, from_catalogue
from bacctl.archive import storage
from bacctl.archive.parts import TIMES
from bacctl.archive.run.loop import StoppedError
from bacctl.archive.run.merge import merge
from bacctl.archive.run.status import status_of
from bacctl.testing import FakeServer, Request, make_report


@pytest.fixture
def stored(archive: Archive, bucket: str) -> Archive:
    """The same twenty files as objects."""
    for number, row in enumerate(archive.rows):
        uri = storage.join(bucket, "in", f"{number:02d}.dcm")
        storage.put(uri, Path(row.uri).read_bytes())
        found = storage.stat(uri)
        archive.rows[number] = dataclasses.replace(row, uri=uri, mtime_ns=found.mtime_ns, etag=found.token)
    archive.write()
    return archive


def _rows(out: str, folder: Path) -> list[dict[str, Any]]:
    target = storage.join(out, "all.parquet")
    merge(out, target)
    with storage.local_copy(target) as path:
        rows = sorted(parquet.read_table(path).to_pylist(), key=lambda row: row["row"])
    return [{name: value for name, value in row.items() if name not in TIMES} for row in rows]


def test_a_run_in_a_store_is_gone_on_with_elsewhere(
    stored: Archive, fake: FakeServer, bucket: str, tmp_path: Path
) -> None:
    stored.run(fake, out=storage.join(bucket, "undisturbed"))
    stop = threading.Event()

    def measure(request: Request) -> dict[str, Any]:
        if request.data == b"file 09":
            stop.set()
        return make_report(calcium_mass_mg=float(request.data[-2:]))

    out = storage.join(bucket, "out")
    first = FakeServer(measure)
    with pytest.raises(StoppedError):
        stored.run(first, out=out, stop=stop, part_rows=4, journal=tmp_path / "journals")
    fake.requests.clear()
    # Another machine, which has no journal of its own.
    stored.run(fake, out=out, resume=True)
    assert {r.data for r in first.requests}.isdisjoint({r.data for r in fake.requests})
    assert len(first.requests) + len(fake.requests) == 20
    assert _rows(out, tmp_path) == _rows(storage.join(bucket, "undisturbed"), tmp_path)
    counts = status_of(out)[1][0].counts
    assert counts is not None
    assert counts.complete
    # And the first again, whose journal is older than the copy in the store.
    again = FakeServer()
    stored.run(again, out=out, resume=True, journal=tmp_path / "journals")
    assert again.requests == []


def test_an_object_that_was_replaced_is_not_analysed(
    stored: Archive, fake: FakeServer, bucket: str, tmp_path: Path
) -> None:
    storage.put(stored.rows[3].uri, b"file 99")
    stored.run(fake, out=storage.join(bucket, "out"))
    rows = _rows(storage.join(bucket, "out"), tmp_path)
    assert [(row["row"], row["code"]) for row in rows if row["code"]] == [(3, "BAC-ARCHIVE-CHANGED")]
    assert b"file 99" not in [request.data for request in fake.requests]


def test_a_store_that_is_away_is_waited_for(
    stored: Archive, fake: FakeServer, bucket: str, heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bacctl.archive.run.loop._FIRST_WAIT_S", 0.01)
    away = {"read_range": 3, "put": 2}
    missed: set[str] = set()  # what could not be read is not there at the next look either, once

    def sometimes(name: str) -> Any:
        real = getattr(storage, name)

        def call(uri: str, *arguments: Any) -> Any:
            if name == "stat" and uri in missed:
                missed.remove(uri)
                raise from_catalogue("BAC-STORAGE-UNREACHABLE")
            if "run.json" not in uri and away.get(name, 0) > 0 and len(fake.requests) > 4:
                away[name] -= 1
                if name == "read_range":
                    missed.add(uri)
                raise from_catalogue("BAC-STORAGE-UNREACHABLE")
            return real(uri, *arguments)

        return call

    for name in ("read_range", "put", "stat"):
        monkeypatch.setattr(storage, name, sometimes(name))
    counts = stored.run(fake, out=storage.join(bucket, "out"), heard=heard, part_rows=6)
    assert (set(away.values()), missed) == ({0}, set())
    assert counts.by_status == {"ok": 20}
    assert len(fake.requests) == 20
    assert any("BAC-STORAGE-UNREACHABLE" in line for line in heard.lines)


def test_a_store_that_lets_nobody_in_ends_the_run(
    stored: Archive, fake: FakeServer, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def closed(uri: str) -> Any:
        raise from_catalogue("BAC-STORAGE-REFUSED")

    monkeypatch.setattr(storage, "stat", closed)
    with pytest.raises(FailedError, match="BAC-STORAGE-REFUSED"):
        stored.run(fake, out=storage.join(bucket, "out"))
    assert stored.counts.settled == 0
