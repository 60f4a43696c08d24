"""Where images, manifests and results of an archive lie: on disks of this machine, or in an object store.

A place is named by a text, its URI: a path, ``file://`` with a path that is percent-encoded,
``s3://bucket/key``, or an object of a DICOMweb service, which is only read, and whose token is in
``BACCTL_DICOMWEB_TOKEN``. Of an object store, address and credentials come from the usual settings of AWS
(``AWS_ENDPOINT_URL``, ``AWS_ACCESS_KEY_ID``, ``AWS_PROFILE``, ...); it takes the extra ``archive``.

Every function may be called from threads, and in a process that was forked. What goes wrong is a
`FailedError`: BAC-FILE-UNREADABLE for what is not there or cannot be read, BAC-STORAGE-UNREACHABLE for a
store or share that is away or has no time, BAC-STORAGE-REFUSED for one that does not let us,
BAC-STORAGE-WRITE for a disk that is full or may not be written; of a DICOMweb service those of
`bacctl.pacs.web.WebArchive`. Its ``__cause__`` is the system's own error.
"""

from __future__ import annotations

import posixpath
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from bac_terms.errors import FailedError, from_catalogue
from bacctl.archive.stores import local
from bacctl.archive.stores.found import Entry, Report, Stat

__all__ = [
    "Entry",
    "Report",
    "Stat",
    "exists",
    "is_remote",
    "join",
    "local_copy",
    "put",
    "read",
    "read_heads",
    "read_range",
    "stat",
    "walk",
]

_OBJECTS, _SERVICES = "s3://", ("https://", "http://")


def is_remote(uri: str) -> bool:
    """Tell whether a URI is one of an object store."""
    return uri.startswith(_OBJECTS)


def read_range(uri: str, start: int, length: int) -> bytes:
    """Read a part of a file or object.

    Parameters
    ----------
    uri : str
        Where.
    start, length : int
        From which byte, and how many.

    Returns
    -------
    bytes
        Shorter than `length` where it ends before, empty where it ends before `start`.

    Raises
    ------
    FailedError
        As the module says.
    """
    found: bytes = _store(uri).read_range(_place(uri), start, length)
    return found


def read(uri: str, limit: int) -> bytes:
    """Read a whole file or object.

    Parameters
    ----------
    uri : str
        Where.
    limit : int
        Bytes that it may have at most; no more than one byte beyond is read.

    Returns
    -------
    bytes

    Raises
    ------
    FailedError
        As the module says.
    RefusedError
        BAC-FILE-TOO-LARGE.
    """
    data = read_range(uri, 0, limit + 1)
    if len(data) > limit:
        raise from_catalogue("BAC-FILE-TOO-LARGE")
    return data


def read_heads(uris: Sequence[str], length: int) -> list[bytes | FailedError]:
    """Read how some files or objects begin; those of a store at the same time.

    Parameters
    ----------
    uris : sequence of str
        All of one kind of place.
    length : int
        Bytes of each.

    Returns
    -------
    list of bytes or FailedError
        In the same order; shorter where one ends before, and why one could not be read.
    """
    if not uris:
        return []
    found: list[bytes | FailedError] = _store(uris[0]).read_heads([_place(uri) for uri in uris], length)
    return found


def stat(uri: str) -> Stat:
    """Tell size and state of a file or object; raises FailedError as the module says."""
    found: Stat = _store(uri).stat(_place(uri))
    return found


def exists(uri: str) -> bool:
    """Tell whether there is a file or object; raises FailedError where that cannot be told."""
    found: bool = _store(uri).exists(_place(uri))
    return found


def walk(uri: str, report: Report) -> Iterator[Entry]:
    """Yield every file below a folder, or every object below a prefix, in an order that stays the same.

    Memory does not grow with their number. Links are followed, each folder is entered once.

    Parameters
    ----------
    uri : str
        A folder, a prefix, or one file or object.
    report : callable
        Takes the URI of what could not be looked into and a FailedError, such as folders without permission
        and links that lead nowhere; the walk goes on.

    Yields
    ------
    Entry
        With an absolute path.

    Raises
    ------
    FailedError
        As the module says, where the root itself cannot be looked into or the store is gone.
    """
    found: Iterator[Entry] = _store(uri).walk(_place(uri), report)
    return found


def put(uri: str, data: bytes | Path) -> None:
    """Write a file or object whole or not at all: whoever reads finds the old one or the new one.

    A file is written aside, synced and renamed; its folder is made. An object is made by one request, or by
    several that are completed at the end; what those of a process that was killed leave does not show, and
    is cleared by the bucket's lifecycle rule for uploads that were not completed.

    Parameters
    ----------
    uri : str
        Where.
    data : bytes or Path
        Its content, or the local file that has it.

    Raises
    ------
    FailedError
        As the module says.
    """
    _store(uri).put(_place(uri), data)


@contextmanager
def local_copy(uri: str) -> Iterator[Path]:
    """Give a path at which the content can be read: its own, or that of a copy which is gone at the end.

    Raises
    ------
    FailedError
        As the module says; BAC-FILE-CHANGED where the object changed meanwhile.
    """
    if _is_local(uri):
        yield Path(_place(uri))
        return
    with tempfile.TemporaryDirectory(prefix="bacctl-") as folder:
        path = Path(folder, "copy")
        _store(uri).fetch(uri, path)
        yield path


def join(uri: str, *parts: str) -> str:
    """Join a folder or prefix and names below it."""
    if "://" in uri:
        return "/".join((uri.rstrip("/"), *(part.strip("/") for part in parts)))
    return posixpath.join(uri, *parts)


def _is_local(uri: str) -> bool:
    return not is_remote(uri) and not uri.startswith(_SERVICES)


def _store(uri: str) -> ModuleType:
    if is_remote(uri):
        from bacctl.archive.stores import objects

        return objects
    if uri.startswith(_SERVICES):
        from bacctl.archive.stores import web

        return web
    if "://" in uri and not uri.startswith(local.SCHEME):
        scheme = uri.partition("://")[0]
        if scheme.isalnum():
            raise FailedError(
                "BAC-FILE-UNREADABLE",
                f"addresses of {scheme}:// are not read",
                "give a path or s3://BUCKET/KEY",
            )
    return local


def _place(uri: str) -> str:
    return local.path_of(uri) if _is_local(uri) else uri
