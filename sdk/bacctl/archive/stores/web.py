"""Objects of a DICOMweb service, by the addresses that a scan gives them.

A service tells neither size nor time of an object. So each is fetched as a whole, and kept until its thread
asks for another.
"""

from __future__ import annotations

import re
import tempfile
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NoReturn

from bac_terms.errors import FailedError
from bac_terms.identifiers import is_uid
from bacctl.archive.stores.found import Entry, Report, Stat
from bacctl.pacs.session import authorization_of
from bacctl.pacs.web import WebArchive

SCHEMES = ("https://", "http://")
TOKEN_VARIABLE = "BACCTL_DICOMWEB_TOKEN"  # noqa: S105  # the name of the variable, not what is in it
_OBJECT = re.compile(r"(https?://[^?#]+?)/studies/([^/]+)/series/([^/]+)/instances/([^/]+)")


class _OfThread(threading.local):
    """What one thread has open: a session may not be shared."""

    def __init__(self) -> None:
        self.services: dict[str, WebArchive] = {}
        self.last: tuple[str, bytes] = ("", b"")


_mine = _OfThread()


def read_range(uri: str, start: int, length: int) -> bytes:
    """Read a part of an object."""
    return _fetched(uri)[start : start + length]


def read_heads(uris: Sequence[str], length: int) -> list[bytes | FailedError]:
    """Read how some objects begin."""
    found: list[bytes | FailedError] = []
    for uri in uris:
        try:
            found.append(read_range(uri, 0, length))
        except FailedError as error:
            found.append(error)
    return found


def stat(uri: str) -> Stat:
    """Tell how large an object is, by fetching it."""
    return Stat(len(_fetched(uri)), 0, "")


def exists(uri: str) -> bool:
    """Tell whether there is an object."""
    try:
        _fetched(uri)
    except FailedError as error:
        if "HTTP 404" in error.message:
            return False
        raise
    return True


def fetch(uri: str, path: Path) -> None:
    """Copy an object into a file."""
    path.write_bytes(_fetched(uri))


def walk(_uri: str, _report: Report) -> Iterator[Entry]:
    """Refuse: studies are listed by `bacctl.pacs.listing`."""
    _no_object()


def put(_uri: str, _data: bytes | Path) -> None:
    """Refuse: results are stored by `bacctl.pacs.web`."""
    _no_object()


def _fetched(uri: str) -> bytes:
    if _mine.last[0] == uri:
        return _mine.last[1]
    found = _OBJECT.fullmatch(uri)
    if found is None or not all(map(is_uid, found.groups()[1:])):
        _no_object()
    base, *uids = found.groups()
    try:
        service = _mine.services.get(base) or WebArchive(base, authorization_of(None, TOKEN_VARIABLE))
    except ValueError as error:
        raise FailedError("BAC-PACS-REFUSED", str(error), "") from None
    _mine.services[base] = service
    with tempfile.TemporaryDirectory(prefix="bacctl-") as folder:
        path = Path(folder, "object")
        service.fetch(uids[0], uids[1], uids[2], path)
        data = path.read_bytes()
    _mine.last = (uri, data)
    return data


def _no_object() -> NoReturn:
    raise FailedError(
        "BAC-FILE-UNREADABLE",
        "the address is none of an object of a DICOMweb service",
        "write https://HOST/dicom-web/studies/UID/series/UID/instances/UID",
    )
