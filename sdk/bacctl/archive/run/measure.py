"""From one row of the manifest to one row of a part, by whoever runs it: the loop here, an actor of Ray."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timezone
from hashlib import sha256
from typing import TYPE_CHECKING

from bac_terms.catalogue import CATALOGUE
from bac_terms.errors import (
    BacctlError,
    ClientUsageError,
    FailedError,
    PermissionDeniedError,
    RefusedError,
    ServerError,
    ServerOverloadedError,
    StartFailedError,
    TlsError,
    from_catalogue,
    internal,
)
from bacctl.archive import storage
from bacctl.archive.manifest import ManifestRow
from bacctl.archive.parts import PartRow, part_row
from bacctl.archive.run.plan import MeasuredBy, Settings
from bacctl.client.transports.weights import is_other
from bacctl.results import ImageResult

if TYPE_CHECKING:
    from bacctl.client.blocking import Client

AWAY = "BAC-STORAGE-UNREACHABLE"
MOST_BYTES = 1_500_000_000
"""Of one file; as of what a client sends."""
Fetch = Callable[[ManifestRow], bytes]
"""From a row to the bytes of its file; raises FailedError or RefusedError where they are not to be had."""
_PROBE_S = 60.0
_WEB = ("https://", "http://")
# What `bacctl.pacs.web` says of a service that no object would be had from.
_NOT_LET_IN = ("let this caller in", "certificate", "token", "sends us elsewhere")


class Measurer:
    """Measures rows with one client. Any thread may use it.

    Parameters
    ----------
    client : Client
        Of the server; without density, which no part holds.
    settings : Settings
        How images are asked for.
    measured_by : MeasuredBy
        What measures this run. An answer of another network is none of this run.
    fetch : callable, optional
        Reads a file. What it gives is held against the manifest here.
    """

    def __init__(
        self, client: Client, settings: Settings, measured_by: MeasuredBy, fetch: Fetch | None = None
    ) -> None:
        self._client = client
        self._settings = settings
        self._settings_sha256 = settings.digest()
        self._measured_by = measured_by
        self._fetch = fetch or fetch_stored
        self._was_there: str | None = None

    def row_of(self, number: int, row: ManifestRow) -> PartRow:
        """Do everything for one row.

        Parameters
        ----------
        number : int
            Of the row in the manifest.
        row : ManifestRow
            The row.

        Returns
        -------
        dict
            A row of a part, whatever is wrong with the file.

        Raises
        ------
        BacctlError
            It is not the file's fault that there is no result, or may not be: `stops_all` tells whether any
            other would fare better. `failed` makes a row of it for whoever gives up.
        """
        if row.code is not None:
            return unsuitable(number, row)
        try:
            data = self.fetch(row)
        except (RefusedError, FailedError) as error:
            return failed(number, row, error)
        return self.measure(number, row, data)

    def fetch(self, row: ManifestRow) -> bytes:
        """Read a file and hold it against the manifest.

        Raises
        ------
        FailedError
            BAC-FILE-UNREADABLE; BAC-ARCHIVE-CHANGED: it is not what was scanned;
            BAC-STORAGE-UNREACHABLE: it is gone, and so is one that was there before, as all are of a share
            that is no longer mounted.
        RefusedError
            BAC-FILE-EMPTY, BAC-FILE-TOO-LARGE.
        """
        try:
            data = self._fetch(row)
        except FailedError as error:
            if isinstance(error.__cause__, (FileNotFoundError, NotADirectoryError)) and not self._has(row):
                why = "files that were there before are gone"
                raise FailedError(AWAY, why, "see to the mount") from error
            raise
        if _is_local(row.uri):
            self._was_there = row.uri
        if row.size is not None and len(data) != row.size:
            raise _changed("size")
        if row.header_sha256 is not None and row.header_bytes is not None:
            header = memoryview(data)[: row.header_bytes]
            if sha256(header).hexdigest() != row.header_sha256:
                raise _changed("header")
        return data

    def measure(
        self, number: int, row: ManifestRow, data: bytes, *, file_sha256: str | None = None, attempts: int = 1
    ) -> PartRow:
        """Send a file's bytes and make the row of the answer.

        Parameters
        ----------
        number : int
            Of the row in the manifest.
        row : ManifestRow
            The row.
        data : bytes
            The file, as `fetch` gave it.
        file_sha256 : str, optional
            Its digest, where it is known.
        attempts : int, optional
            Which try this is, from 1.

        Returns
        -------
        dict

        Raises
        ------
        BacctlError
            As for `row_of`.
        """
        known = {
            "file_sha256": file_sha256 or sha256(data).hexdigest(),
            "file_size": len(data),
            "weights_sha256": self._measured_by.weights_sha256,
            "map_sha256": self._measured_by.map_sha256,
            "server_release": self._measured_by.server_release,
            "settings_sha256": self._settings_sha256,
            "attempts": attempts,
            # Whoever has the same bytes got its row of them and did not come here.
            "duplicate": None if row.duplicate_of is None else "different",
        }
        start = time.monotonic()
        try:
            result = self._client.analyze(
                data, self._settings.pixel_spacing_mm, min_probability=self._settings.min_probability
            )
            self._check_network(result)
        except RefusedError as error:
            result = _result_of(error)
        except FailedError as error:
            if may_pass(error):
                raise
            result = _result_of(error)
        if result.status == "ok" and row.sop_instance_uid not in (None, result.sop_instance_uid):
            return failed(number, row, _changed("SOP Instance UID"), attempts=attempts)
        known |= {"seconds": time.monotonic() - start, "finished": now()}
        return part_row(number, row, result, **known)

    def reaches(self, row: ManifestRow) -> bool:
        """Tell whether the storage of a file answers, whatever it says of the file."""
        try:
            storage.stat(row.uri)
        except FailedError as error:
            return error.code not in (AWAY, "BAC-PACS-UNREACHABLE") and self._has(row)
        return True

    def _has(self, row: ManifestRow) -> bool:
        """Tell whether another local file is still where it was before; None was there, none is missed."""
        if not _is_local(row.uri) or self._was_there in (None, row.uri):
            return True
        try:
            return storage.exists(self._was_there)
        except FailedError:
            return False

    def ready(self) -> bool:
        """Tell whether the server measures images now."""
        return self._client.ready(timeout=_PROBE_S)

    def _check_network(self, result: ImageResult) -> None:
        mine = (self._measured_by.weights_sha256, self._measured_by.map_sha256)
        if result.weights_sha256 is not None and (result.weights_sha256, result.map_sha256) != mine:
            raise ChangedServerError(
                "BAC-SERVER-INCOMPATIBLE",
                "the server measures with other weights than those that this run began with",
                "serve these again and go on with --resume, or give another --out",
            )


class ChangedServerError(FailedError):
    """The server's network is no longer that of the run."""


def fetch_stored(row: ManifestRow) -> bytes:
    """Read a file from where `bacctl.archive.storage` finds it, unless it was changed since the scan.

    Raises
    ------
    FailedError
        BAC-ARCHIVE-CHANGED, and as `bacctl.archive.storage` says.
    RefusedError
        BAC-FILE-TOO-LARGE, BAC-FILE-EMPTY.
    """
    if row.uri.startswith(_WEB):
        return _fetch_from_service(row.uri)
    found = storage.stat(row.uri)
    if row.size is not None and found.size != row.size:
        raise _changed("size")
    if storage.is_remote(row.uri):
        if row.etag is not None and found.token != row.etag:
            raise _changed("version")
    elif row.mtime_ns is not None and found.mtime_ns != row.mtime_ns:
        raise _changed("time of change")
    if found.size > MOST_BYTES:
        raise from_catalogue("BAC-FILE-TOO-LARGE")
    data = storage.read_range(row.uri, 0, found.size + 1)
    if not data:
        raise from_catalogue("BAC-FILE-EMPTY")
    if len(data) != found.size:
        raise from_catalogue("BAC-FILE-CHANGED")
    return data


def _is_local(uri: str) -> bool:
    return not storage.is_remote(uri) and not uri.startswith(_WEB)


def _fetch_from_service(uri: str) -> bytes:
    """Fetch an object of a DICOMweb service, whose faults are told apart as those of a store."""
    try:
        return storage.read(uri, MOST_BYTES)
    except FailedError as error:
        said = f"the DICOMweb service: {error.message}"
        if error.code == "BAC-PACS-UNREACHABLE":
            raise FailedError(AWAY, said, error.hint) from error
        if error.code == "BAC-PACS-REFUSED" and any(text in said for text in _NOT_LET_IN):
            raise FailedError("BAC-STORAGE-REFUSED", said, error.hint) from error
        if error.code == "BAC-PACS-REFUSED":  # no such object
            raise FailedError("BAC-FILE-UNREADABLE", said) from error
        raise


def unsuitable(number: int, row: ManifestRow) -> PartRow:
    """Make the row of a file that the scan found to be none that can be measured."""
    code = row.code or "BAC-INTERNAL"
    entry = CATALOGUE.get(code)
    kind = RefusedError if entry is None or entry.status == "refused" else FailedError
    meaning = entry.meaning if entry is not None else "this release does not know the code"
    return failed(number, row, kind(code, row.reason or meaning, ""))


def failed(
    number: int,
    row: ManifestRow,
    error: BacctlError | Exception,
    *,
    attempts: int = 0,
    parked: bool = False,
    file_sha256: str | None = None,
) -> PartRow:
    """Make the row of a file that has no result.

    Parameters
    ----------
    number, row : int and ManifestRow
        The row and its number.
    error : Exception
        Why.
    attempts : int, optional
        How often it was sent.
    parked : bool, optional
        Whether it is given up although another try may succeed.
    file_sha256 : str, optional
        Of what was sent.
    """
    fault = error if isinstance(error, (RefusedError, FailedError)) else internal(error)
    return part_row(
        number,
        row,
        _result_of(fault),
        analysis=None,
        attempts=attempts,
        parked=parked,
        file_sha256=file_sha256,
        finished=now(),
    )


def may_pass(error: Exception) -> bool:
    """Tell whether the same file may have a result another time: the fault may be the server's."""
    if isinstance(error, (ServerError, ChangedServerError)):
        return True
    return not isinstance(error, (RefusedError, FailedError)) or error.code == "BAC-INTERNAL"


def is_try(error: Exception) -> bool:
    """Tell whether a fault may be the image's: not where nothing was sent, or a server had no room."""
    if isinstance(error, ServerOverloadedError) or stops_all(error):
        return False
    return not (isinstance(error, BacctlError) and error.code.startswith(("BAC-STORAGE-", "BAC-ARCHIVE-")))


def stops_all(error: Exception) -> bool:
    """Tell whether no other file would fare better, so that a run has to end and be mended."""
    return is_other(error) or isinstance(
        error, (ChangedServerError, ClientUsageError, PermissionDeniedError, StartFailedError, TlsError)
    )


def now() -> int:
    """Return the time in ms since the epoch, to be read by people: nothing is ordered by it."""
    return int(datetime.now(timezone.utc).timestamp() * 1000)


def _changed(what: str) -> FailedError:
    entry = CATALOGUE["BAC-ARCHIVE-CHANGED"]
    return FailedError(
        "BAC-ARCHIVE-CHANGED", f"the file's {what} is not the one that was scanned", entry.hint
    )


def _result_of(error: RefusedError | FailedError) -> ImageResult:
    return ImageResult.from_error(error)
