"""Files on disks: read, walked and written whole."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from bac_terms.errors import FailedError, RefusedError
from bacctl.archive import storage


class Told:
    """Collects what a walk reports."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []

    def __call__(self, uri: str, error: FailedError) -> None:
        assert error.code == "BAC-FILE-UNREADABLE"
        self.lines.append((uri, error.message))


def test_parts_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "a b%41.bin"
    path.write_bytes(bytes(range(10)))
    for uri in (str(path), f"file://{tmp_path}/a%20b%2541.bin"):
        assert storage.read_range(uri, 2, 3) == b"\2\3\4"
        assert storage.read_range(uri, 8, 5) == b"\x08\x09"
        assert storage.read_range(uri, 20, 5) == b""
        assert storage.read(uri, 10) == bytes(range(10))
        assert storage.stat(uri)[:2] == (10, path.stat().st_mtime_ns)
        assert storage.exists(uri)
        with pytest.raises(RefusedError, match="BAC-FILE-TOO-LARGE"):
            storage.read(uri, 9)


@pytest.mark.parametrize("name", ["none", "file/below", "a\0b"])
def test_what_cannot_be_read(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_bytes(b"")
    uri = storage.join(str(tmp_path), name)
    with pytest.raises(FailedError, match="BAC-FILE-UNREADABLE") as error:
        storage.read(uri, 1)
    assert str(tmp_path) not in str(error.value)  # a path may hold a name
    with pytest.raises(FailedError, match="BAC-FILE-UNREADABLE"):
        storage.stat(uri)


def test_a_folder_and_a_pipe_are_no_files(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe"):
        with pytest.raises(FailedError, match="this is no file"):
            storage.read(str(path), 1)
        with pytest.raises(FailedError, match="this is no file"):
            storage.stat(str(path))


def test_addresses_that_are_not_read() -> None:
    with pytest.raises(FailedError, match="are not read"):
        storage.read("gs://bucket/key", 1)
    with pytest.raises(FailedError, match="none of an object of a DICOMweb service"):
        storage.read("https://host/file", 1)


def test_a_walk_meets_every_file_once(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    for folder in (root / "b" / "c", root / "a", outside / "d"):
        folder.mkdir(parents=True)
    files = [root / "a" / "1", root / "b" / "2", root / "b" / "c" / "3", outside / "4", outside / "d" / "5"]
    for number, path in enumerate(files):
        path.write_bytes(bytes(number))
    (root / "b" / "c" / "up").symlink_to(root)  # a loop
    (root / "b" / "again").symlink_to(root / "a")  # met where it lies
    (root / "out").symlink_to(outside)
    (root / "out2").symlink_to(outside / "d")  # lies below the one before
    (outside / "back").symlink_to(tmp_path)  # whose folders were entered
    told = Told()
    found = list(storage.walk(str(root), told))
    assert [entry.uri for entry in found] == [
        *(f"{root}/{name}" for name in ("a/1", "b/2", "b/c/3", "out/4")),
        f"{root}/out/d/5",
    ]
    assert [entry.size for entry in found] == [0, 1, 2, 3, 4]
    assert told.lines == []


def test_what_a_walk_cannot_look_into_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    locked = tmp_path / "locked"
    locked.mkdir()
    (tmp_path / "lost").symlink_to(tmp_path / "nowhere")
    (tmp_path / "ring").symlink_to(tmp_path / "ring")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "z").write_bytes(b"1")
    listed = os.listdir

    def listdir(path: str) -> list[str]:  # root may enter every folder
        if str(path) == str(locked):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
        return listed(path)

    monkeypatch.setattr(os, "listdir", listdir)
    told = Told()
    assert [entry.uri for entry in storage.walk(str(tmp_path), told)] == [f"{tmp_path}/z"]
    assert [(Path(uri).name, text) for uri, text in told.lines] == [
        ("locked", "the folder cannot be read: Permission denied"),
        ("lost", "the link leads nowhere"),
        ("pipe", "this is a pipe or a device and no file"),
        ("ring", "the link leads nowhere"),
    ]
    with pytest.raises(FailedError, match="BAC-FILE-UNREADABLE"):
        list(storage.walk(str(tmp_path / "none"), told))


def test_a_name_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"\xff1")).write_bytes(b"x")
    (entry,) = storage.walk(str(tmp_path), Told())
    assert entry.uri == f"file://{tmp_path}/%FF1"
    assert storage.read(entry.uri, 1) == b"x"


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "new" / "part.parquet"
    storage.put(str(target), b"old")
    (tmp_path / "source").write_bytes(b"new")
    storage.put(str(target), tmp_path / "source")
    assert target.read_bytes() == b"new"

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(FailedError, match=r"BAC-STORAGE-WRITE.*No space left") as error:
        storage.put(str(target), b"newer")
    assert isinstance(error.value.__cause__, OSError)
    assert error.value.__cause__.errno == errno.ENOSPC
    assert target.read_bytes() == b"new"
    assert os.listdir(target.parent) == ["part.parquet"]


def test_a_local_copy_is_the_file(tmp_path: Path) -> None:
    with storage.local_copy(f"file://{tmp_path}/a") as path:
        assert path == tmp_path / "a"


def test_joined() -> None:
    assert storage.join("/a/b", "c", "d") == "/a/b/c/d"
    assert storage.join("s3://bucket/a/", "c") == "s3://bucket/a/c"
