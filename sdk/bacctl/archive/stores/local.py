"""Files of this machine, network shares included."""

from __future__ import annotations

import errno
import os
import shutil
import stat as modes
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NoReturn
from urllib.parse import quote, unquote_to_bytes

from bac_imaging.files import whole_file
from bac_terms.errors import FailedError
from bacctl.archive.stores.found import Entry, Report, Stat

SCHEME = "file://"
_GONE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)
# What NFS, CIFS and FUSE say of a share whose server does not answer; not what they say of one file.
_AWAY = tuple(
    number
    for name in (
        *("ENOTCONN", "ESTALE", "ETIMEDOUT", "EHOSTDOWN", "EHOSTUNREACH", "ENETDOWN", "ENETUNREACH"),
        *("ECONNREFUSED", "ECONNRESET", "ECONNABORTED"),
    )
    if (number := getattr(errno, name, None)) is not None  # Windows has no EHOSTDOWN
)
_OPENING = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


def path_of(uri: str) -> str:
    """Give the path that a plain path or a ``file://`` URI stands for."""
    if not uri.startswith(SCHEME):
        return uri
    return os.fsdecode(unquote_to_bytes(uri.removeprefix(SCHEME).removeprefix("localhost")))


def uri_of(path: str) -> str:
    """Give a path as a URI: itself, or as ``file://`` where it is no text, since tables hold only text."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return SCHEME + quote(os.fsencode(os.path.abspath(path)))
    return path


def read_range(path: str, start: int, length: int) -> bytes:
    """Read a part of a file; shorter where it ends before."""
    try:
        handle = _open(path)
        try:
            return _read_at(handle, start, length)
        finally:
            os.close(handle)
    except (OSError, ValueError) as error:
        _unreadable(error)


def read_heads(paths: Sequence[str], length: int) -> list[bytes | FailedError]:
    """Read how some files begin."""
    found: list[bytes | FailedError] = []
    for path in paths:
        try:
            found.append(read_range(path, 0, length))
        except FailedError as error:
            found.append(error)
    return found


def stat(path: str) -> Stat:
    """Look at a file."""
    try:
        found = os.stat(path)
    except (OSError, ValueError) as error:
        _unreadable(error)
    if not modes.S_ISREG(found.st_mode):
        raise FailedError("BAC-FILE-UNREADABLE", "this is no file", "give the file itself")
    return Stat(found.st_size, found.st_mtime_ns, str(found.st_mtime_ns))


def exists(path: str) -> bool:
    """Tell whether there is a file or folder; what cannot be looked at is an error, not absent."""
    try:
        os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except (OSError, ValueError) as error:
        _unreadable(error)
    return True


def put(path: str, data: bytes | Path) -> None:
    """Write a file whole or not at all, and have it on the disk when this ends; makes its folder."""
    target = Path(path)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(target, synced=True) as file:
            if isinstance(data, Path):
                with data.open("rb") as source:
                    shutil.copyfileobj(source, file, 1 << 20)
            else:
                file.write(data)
    except (OSError, ValueError) as error:
        _check_share(error)
        why = getattr(error, "strerror", None) or "no file can have this name"
        raise FailedError("BAC-STORAGE-WRITE", f"the file could not be written: {why}") from error


def walk(path: str, report: Report) -> Iterator[Entry]:
    """Yield every file below a folder, sorted by name, through links too, each folder once."""
    path = os.path.abspath(path)
    try:
        root = os.stat(path)
    except (OSError, ValueError) as error:
        _unreadable(error)
    if not modes.S_ISDIR(root.st_mode):
        found = stat(path)
        yield Entry(uri_of(path), *found)
        return
    yield from _Walk(path, root, report).files()


class _Walk:
    """A walk in memory that does not grow with the number of folders.

    Folders without links make no loops, so that only those are noted that a link led to.
    """

    def __init__(self, path: str, root: os.stat_result, report: Report) -> None:
        self._path, self._report = path, report
        self._entered = {(root.st_dev, root.st_ino)}
        self._entered_paths = {os.path.realpath(path)}

    def files(self) -> Iterator[Entry]:
        ways = [self._entries(self._path)]
        while ways:
            path = next(ways[-1], None)
            if path is None:
                ways.pop()
                continue
            try:
                found = os.stat(path)
            except OSError as error:
                self._tell(path, error)
                continue
            if modes.S_ISDIR(found.st_mode):
                if self._may_enter(path, found):
                    ways.append(self._entries(path))
            elif modes.S_ISREG(found.st_mode):
                yield Entry(uri_of(path), found.st_size, found.st_mtime_ns, str(found.st_mtime_ns))
            else:
                why = FailedError("BAC-FILE-UNREADABLE", "this is a pipe or a device and no file", "")
                self._report(uri_of(path), why)

    def _entries(self, folder: str) -> Iterator[str]:
        try:
            names = sorted(os.listdir(folder))
        except OSError as error:
            self._tell(folder, error)
            return
        for name in names:
            yield os.path.join(folder, name)

    def _may_enter(self, path: str, found: os.stat_result) -> bool:
        identity = (found.st_dev, found.st_ino)
        if identity in self._entered:
            return False
        if os.path.islink(path):
            real = os.path.realpath(path)
            if any(str(above) in self._entered_paths for above in (Path(real), *Path(real).parents)):
                return False  # it is met where it lies
            self._entered.add(identity)
            self._entered_paths.add(real)
        return True

    def _tell(self, path: str, error: OSError) -> None:
        if os.path.islink(path) and error.errno in _GONE:
            text = "the link leads nowhere"
        else:
            text = f"the {'folder' if os.path.isdir(path) else 'file'} cannot be read: {error.strerror}"
        self._report(uri_of(path), FailedError("BAC-FILE-UNREADABLE", text))


def _open(path: str) -> int:
    """Open a file that is one: a pipe that nobody writes to would be waited for without end."""
    handle = os.open(path, _OPENING)
    if not modes.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise FailedError("BAC-FILE-UNREADABLE", "this is no file", "give the file itself")
    return handle


def _read_at(handle: int, start: int, length: int) -> bytes:
    """Read until all is there: one call of the system gives 2 GiB at most, and a share may give less."""
    parts: list[bytes] = []
    if start:
        os.lseek(handle, start, os.SEEK_SET)  # and no pread, which Windows has not
    while length > 0:
        part = os.read(handle, length)
        if not part:
            break
        parts.append(part)
        length -= len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _check_share(error: OSError | ValueError) -> None:
    """Raise what a share that does not answer is: it may come back, and none of its files is gone."""
    if isinstance(error, OSError) and error.errno in _AWAY:
        why = f"the share does not answer: {error.strerror}"
        raise FailedError("BAC-STORAGE-UNREACHABLE", why, "see to its mount") from error


def _unreadable(error: OSError | ValueError) -> NoReturn:
    _check_share(error)
    # A path may hold a patient's name and stays out of the text; the cause has it.
    why = getattr(error, "strerror", None) or "no file can have this name"
    raise FailedError("BAC-FILE-UNREADABLE", f"the file could not be read: {why}") from error
