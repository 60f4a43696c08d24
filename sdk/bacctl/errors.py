"""The errors of the SDK: one tree, each with a code of the catalogue in ``docs/errors.md``.

``RefusedError`` means that this input can never be measured as it is; ``FailedError`` and what stands below
it mean that it could not be measured now.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from bac_imaging.errors import CATALOGUE


class BacctlError(Exception):
    """Anything that stops an analysis.

    Parameters
    ----------
    code : str
        Stable code of the catalogue, such as ``"BAC-SPACING-MISSING"``.
    reason : str
        One line that says what is wrong and what to do. Never holds a name, an identifier or a date of a
        patient.
    sop_instance_uid : str or None
        The image concerned, where its header could be read.
    study_instance_uid : str or None
        The study of that image, where its header could be read.
    triton_status : str or None
        The gRPC status, such as ``"UNAVAILABLE"``, of what came from the server or the connection to it. A
        refusal that the client makes by the server's own rules, before it sends the pixels, has the server's.

    Notes
    -----
    ``str(error)`` is ``"<code>: <reason>"``.
    """

    status: ClassVar[Literal["refused", "failed"]] = "failed"

    def __init__(
        self,
        code: str,
        reason: str,
        *,
        sop_instance_uid: str | None = None,
        study_instance_uid: str | None = None,
        triton_status: str | None = None,
    ) -> None:
        self.code = code
        # A terminal shows it: one line, and nothing that moves the cursor.
        self.reason = " ".join("".join(c if c.isprintable() else " " for c in reason).split())
        self.sop_instance_uid = sop_instance_uid
        self.study_instance_uid = study_instance_uid
        self.triton_status = triton_status
        # The arguments as given, so that the exception survives the way back from another process.
        super().__init__(code, reason)

    def __str__(self) -> str:
        return f"{self.code}: {self.reason}"

    @property
    def message(self) -> str:
        """What is wrong: the reason without its advice."""
        return self._parts()[0]

    @property
    def hint(self) -> str:
        """What to do about it; empty where the reason gives no advice."""
        return self._parts()[1]

    def _parts(self) -> tuple[str, str]:
        entry = CATALOGUE.get(self.code)
        if entry is not None and self.reason.endswith(f"; {entry.hint}"):
            return self.reason[: -len(entry.hint) - 2], entry.hint
        message, _, hint = self.reason.rpartition("; ")
        return (message, hint) if message else (self.reason, "")


class RefusedError(BacctlError):
    """The input can never be measured as it is: not a mammogram, no pixel spacing, a spot view, ..."""

    status: ClassVar[Literal["refused", "failed"]] = "refused"


class FailedError(BacctlError):
    """The input could not be measured now: a codec is missing, pixels do not decode, the server is away."""


class ServerUnavailableError(FailedError):
    """No server answers at the address, or the embedded server did not start."""


class TlsError(ServerUnavailableError):
    """The two sides do not agree on TLS: one speaks it and one does not, or a certificate is not accepted."""


class IncompatibleServerError(FailedError):
    """What answers is no bacctl server, or one of another release that this client does not understand."""


class ServerOverloadedError(FailedError):
    """The server has no room for the request at the moment."""


class ServerTimeoutError(FailedError):
    """The answer did not come within the time allowed."""


class PermissionDeniedError(FailedError):
    """The server does not let this client make this call."""


class ServerFaultError(FailedError):
    """The server answered with a fault of its own; its log says more."""


class ClientUsageError(FailedError):
    """The client cannot be used in this way: it is closed, of another event loop, or wrongly set up."""


_SERVER_ERRORS: dict[str, type[FailedError]] = {
    "BAC-SERVER-UNAVAILABLE": ServerUnavailableError,
    "BAC-SERVER-OVERLOADED": ServerOverloadedError,
    "BAC-SERVER-TIMEOUT": ServerTimeoutError,
    "BAC-SERVER-PERMISSION": PermissionDeniedError,
    "BAC-SERVER-FAULT": ServerFaultError,
    "BAC-SERVER-MIXED-UP": ServerFaultError,
    "BAC-INTERNAL": ServerFaultError,
    "BAC-SERVER-TLS": TlsError,
    "BAC-SERVER-INCOMPATIBLE": IncompatibleServerError,
    "BAC-CLIENT-OPTIONS": ClientUsageError,
    "BAC-CLIENT-CLOSED": ClientUsageError,
    "BAC-CLIENT-LOOP": ClientUsageError,
    "BAC-CLIENT-FORKED": ClientUsageError,
}


def error_class(code: str) -> type[BacctlError]:
    """Return the class of errors that a code belongs to; FailedError for a code of a newer server."""
    entry = CATALOGUE.get(code)
    if entry is not None and entry.status == "refused":
        return RefusedError
    return _SERVER_ERRORS.get(code, FailedError)


def from_catalogue(code: str, found: str | None = None) -> BacctlError:
    """Make the error of a code.

    Parameters
    ----------
    code : str
        A code of `bacctl.errors.CATALOGUE`.
    found : str, optional
        What was found, without full stop. Default: the code's meaning.

    Returns
    -------
    BacctlError
        Of the class that the code belongs to; its reason ends with the code's advice.
    """
    entry = CATALOGUE[code]
    return error_class(code)(code, f"{found or entry.meaning}; {entry.hint}")


def unavailable(reason: str) -> ServerUnavailableError:
    """Say why no server can be reached or started, and what to do about it."""
    return ServerUnavailableError("BAC-SERVER-UNAVAILABLE", reason)
