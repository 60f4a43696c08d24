"""Objects of a DICOMweb service, by the addresses that a scan of it writes; they are read and never written.

The token of the service comes from ``BACCTL_DICOMWEB_TOKEN``, as those of an object store come from AWS's
variables.
"""

from __future__ import annotations

import re
import tempfile
import threading
from pathlib import Path

from bac_terms.errors import FailedError
from bac_terms.identifiers import is_uid
from bacctl.archive.stores.found import Stat
from bacctl.pacs.session import authorization_of
from bacctl.pacs.web import WebArchive

SCHEMES = ("https://", "http://")
TOKEN_VARIABLE = "BACCTL_DICOMWEB_TOKEN"  # noqa: S105  # the name of the variable, not what is in it
_OBJECT = re.compile(
    r"(?P<base>https?://[^?#]+?)/studies/(?P<study>[0-9.]+)/series/(?P<series>[0-9.]+)"
    r"/instances/(?P<instance>[0-9.]+)"
)
# As those of other stores: what may pass, and what no object of the service would fare better with.
_CODES = {"BAC-PACS-UNREACHABLE": "BAC-STORAGE-UNREACHABLE", "BAC-PACS-REFUSED": "BAC-FILE-UNREADABLE"}
_NOT_LET_IN = ("HTTP 401", "HTTP 403", "certificate")

_own = threading.local()


def read_range(uri: str, start: int, length: int) -> bytes:
    """Fetch an object whole, since a service gives no less, and return a part of it."""
    found = _OBJECT.fullmatch(uri)
    if found is None or not all(is_uid(found[name]) for name in ("study", "series", "instance")):
        raise FailedError(
            "BAC-FILE-UNREADABLE",
            "the address is none of an object of a DICOMweb service",
            "write https://HOST/dicom-web/studies/UID/series/UID/instances/UID",
        )
    with tempfile.TemporaryDirectory(prefix="bacctl-") as folder:
        path = Path(folder, "object")
        try:
            _archive(found["base"]).fetch(found["study"], found["series"], found["instance"], path)
        except FailedError as error:
            raise _explained(error) from error
        data = path.read_bytes()
    return data[start : start + length]


def stat(uri: str) -> Stat:
    """Tell the size of an object by fetching it."""
    return Stat(len(read_range(uri, 0, 1 << 31)), 0, "")


def _archive(base: str) -> WebArchive:
    """Give this thread's session with a service: those of requests are for one thread."""
    archives: dict[str, WebArchive] = _own.__dict__.setdefault("archives", {})
    if base not in archives:
        try:
            archives[base] = WebArchive(base, authorization_of(None, TOKEN_VARIABLE))
        except ValueError as error:
            raise FailedError("BAC-STORAGE-REFUSED", str(error), "") from None
    return archives[base]


def _explained(error: FailedError) -> FailedError:
    if error.code == "BAC-PACS-REFUSED" and any(text in error.message for text in _NOT_LET_IN):
        return FailedError("BAC-STORAGE-REFUSED", f"the DICOMweb service: {error.message}")
    return FailedError(
        _CODES.get(error.code, "BAC-FILE-UNREADABLE"), f"the DICOMweb service: {error.message}"
    )
