"""Runs whose images lie on a share that goes away: its server is gone, or it is no longer mounted."""

from __future__ import annotations

import ctypes
import dataclasses
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.sdk.archive.run.archives import Archive, Heard

from bac_terms.errors import FailedError
from bacctl.archive import storage
from bacctl.testing import FakeServer, Request, make_report

_BIND, _DETACH = 4096, 2


class Share:
    """A folder that something may be mounted over."""

    def __init__(self, folder: Path) -> None:
        self._place = os.fsencode(folder)
        self._libc = ctypes.CDLL(None, use_errno=True)

    def mount(self, source: Path | str, kind: str, flags: int = 0, options: str = "") -> None:
        given = (os.fsencode(source), self._place, kind.encode(), flags, options.encode())
        if self._libc.mount(*given) != 0:
            pytest.skip("nothing may be mounted here")

    def unmount(self) -> None:
        self._libc.umount2(self._place, _DETACH)


@contextmanager
def _dead(folder: Path) -> Iterator[Share]:
    """Mount a FUSE file system whose process has ended: whatever is asked of it is not connected."""
    share = Share(folder)
    try:
        channel = os.open("/dev/fuse", os.O_RDWR)
    except OSError:
        pytest.skip("no FUSE here, or not for this user")
    who = f"user_id={os.getuid()},group_id={os.getgid()}"
    try:
        share.mount("share", "fuse", options=f"fd={channel},rootmode=40000,{who}")
    finally:
        os.close(channel)
    try:
        yield share
    finally:
        share.unmount()


@pytest.fixture
def shared(archive: Archive) -> Path:
    """The folder that the archive's files were moved into."""
    folder = archive.folder / "share"
    folder.mkdir()
    for number, row in enumerate(archive.rows):
        moved = Path(row.uri).rename(folder / Path(row.uri).name)
        archive.rows[number] = dataclasses.replace(row, uri=str(moved))
    archive.write()
    return folder


class Mender(Heard):
    """Mends what it hears is broken."""

    def __init__(self, mend: Any) -> None:
        super().__init__()
        self._mend = mend

    def talk(self, text: str) -> None:
        super().talk(text)
        self._mend()


def test_a_share_that_stops_to_answer_is_waited_for(
    archive: Archive, fake: FakeServer, shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bacctl.archive.run.loop._FIRST_WAIT_S", 0.01)
    with _dead(shared) as share:
        with pytest.raises(OSError, match="not connected"):
            os.stat(archive.rows[0].uri)
        heard = Mender(share.unmount)
        counts = archive.run(fake, heard=heard)
    assert counts.by_status == {"ok": 20}
    assert "BAC-STORAGE-UNREACHABLE: the share does not answer" in heard.lines[0]
    assert str(shared) not in heard.lines[0]


def test_a_share_that_stays_away_ends_the_run_and_no_image_is_given_up(
    archive: Archive, fake: FakeServer, shared: Path
) -> None:
    with _dead(shared), pytest.raises(FailedError, match="BAC-STORAGE-UNREACHABLE"):
        archive.run(fake, wait_s=0.0)
    assert archive.counts.settled == 0
    assert archive.run(fake, resume=True).by_status == {"ok": 20}


def test_writing_to_one(tmp_path: Path) -> None:
    with _dead(tmp_path), pytest.raises(FailedError, match="BAC-STORAGE-UNREACHABLE"):
        storage.put(str(tmp_path / "part"), b"x")


def test_a_share_that_is_unmounted_is_waited_for(
    archive: Archive, shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its folder is empty then, as if every file had been removed."""
    monkeypatch.setattr("bacctl.archive.run.loop._FIRST_WAIT_S", 0.01)
    files = shared.rename(archive.folder / "files")
    shared.mkdir()
    share = Share(shared)
    share.mount(files, "none", _BIND)

    def measure(request: Request) -> dict[str, Any]:
        if request.data == b"file 09":
            share.unmount()
        return make_report(calcium_mass_mg=float(request.data[-2:]))

    heard = Mender(lambda: share.mount(files, "none", _BIND))
    try:
        counts = archive.run(FakeServer(measure), heard=heard)
    finally:
        share.unmount()
    assert counts.by_status == {"ok": 20}
    assert "files that were there before are gone" in heard.lines[0]


def test_files_that_are_removed_while_others_stay_are_gone(
    archive: Archive, shared: Path, heard: Heard
) -> None:
    def measure(request: Request) -> dict[str, Any]:
        if request.data == b"file 04":
            for row in archive.rows[10:]:
                Path(row.uri).unlink()
        return make_report(calcium_mass_mg=float(request.data[-2:]))

    counts = archive.run(FakeServer(measure), heard=heard)
    assert counts.by_status == {"ok": 10, "failed": 10}
    assert counts.by_code == {"BAC-FILE-UNREADABLE": 10}
    assert heard.lines == []
