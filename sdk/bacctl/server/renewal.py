"""Certificate files that whoever issues them may replace while a server runs.

Triton reads its files once, at its start. So it is given copies, which stay as they are until the next start:
a test image, or a start after a fault, must not meet a certificate without its key, or another one than the
server shows. The copies are in memory and gone with this process.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bac_terms.errors import ServerUnavailableError
from bacctl.server.tls import ServerTls

Contents = tuple[bytes, ...]


class KeptTls:
    """Copies of the files of a `ServerTls`, and a look at whether these are others by now.

    Parameters
    ----------
    given : ServerTls
        The files, which must be there.
    tell : callable
        Gets one line where new files cannot be used.

    Attributes
    ----------
    used : ServerTls
        The copies.

    Raises
    ------
    OSError
        A file cannot be read.
    """

    def __init__(self, given: ServerTls, tell: Callable[[str], object]) -> None:
        self._given, self._tell = given, tell
        self._taken = self._refused = _read(given)
        self._copies = _Copies.of(self._taken)
        self.used = self._copies.tls

    def due(self) -> str | None:
        """Say in one line that there are new files which the server can use; None otherwise."""
        found = self._new()
        return None if found is None else "its certificate files have changed"

    def take(self) -> None:
        """Make the copies those of the new files, if there are any; for the time between two starts."""
        found = self._new()
        if found is not None:
            self._copies.write(found)
            self._taken = found

    def _new(self) -> Contents | None:
        try:
            found = _read(self._given)
        except OSError:  # being replaced
            return None
        if found in (self._taken, self._refused):
            return None
        tried = _Copies.of(found)
        try:
            tried.tls.server_name()
        except ServerUnavailableError as error:
            # Perhaps one of them is still to come. Said once, for these contents.
            self._refused = found
            self._tell(f"the new certificate files are not used: {str(error).replace(*self._named(tried))}")
            return None
        finally:
            tried.close()
        return found

    def _named(self, tried: _Copies) -> tuple[str, str]:
        return str(tried.tls.certificate), str(self._given.certificate)


@dataclass(frozen=True)
class _Copies:
    """Files in memory, which have a path as long as this process lives."""

    handles: tuple[int, ...]
    tls: ServerTls

    @classmethod
    def of(cls, contents: Contents) -> _Copies:
        handles = tuple(os.memfd_create("bacctl-tls") for _ in contents)
        certificate, key, *client_ca = (Path(f"/proc/{os.getpid()}/fd/{handle}") for handle in handles)
        copies = cls(handles, ServerTls(certificate, key, client_ca[0] if client_ca else None))
        copies.write(contents)
        return copies

    def write(self, contents: Contents) -> None:
        for handle, content in zip(self.handles, contents, strict=True):
            os.ftruncate(handle, 0)
            os.pwrite(handle, content, 0)

    def close(self) -> None:
        for handle in self.handles:
            os.close(handle)


def _read(tls: ServerTls) -> Contents:
    paths = (tls.certificate, tls.key, *([] if tls.client_ca is None else [tls.client_ca]))
    return tuple(path.read_bytes() for path in paths)
