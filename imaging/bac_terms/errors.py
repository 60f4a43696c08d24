"""The errors of bacctl: one tree, each with a code of the catalogue.

::

    BacctlError
    ├── RefusedError                    this input can never be measured as it is
    ├── FailedError                     it could not be measured now
    │   └── ServerError                 for what a server, or the way to it, causes
    │       ├── ServerUnavailableError
    │       │   ├── TlsError
    │       │   └── StartFailedError
    │       ├── ServerOverloadedError
    │       ├── ServerTimeoutError
    │       ├── PermissionDeniedError
    │       ├── IncompatibleServerError
    │       └── ServerFaultError
    │           └── ModelDiedError
    └── ClientUsageError                the caller used the client in a way that cannot work
        └── PlainTokenError

A refusal or failure is the result of one image, a wrong use of the client never is. `bacctl` offers all but
StartFailedError, ModelDiedError and PlainTokenError, which only its own code tells apart.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from bac_terms.catalogue import CATALOGUE
from bac_terms.lines import one_line


class BacctlError(Exception):
    """Anything that stops an analysis.

    Parameters
    ----------
    code : str
        A code of the catalogue, such as ``"BAC-SPACING-MISSING"``, or of a newer server.
    message : str, optional
        What is wrong, without full stop. Never holds a name, an identifier or a date of a patient.
        Default: the code's meaning.
    hint : str, optional
        What to do about it; may be empty. Default: the code's advice.
    sop_instance_uid : str or None, optional
        The image concerned, where its header could be read.
    study_instance_uid : str or None, optional
        The study of that image, where its header could be read.
    triton_status : str or None, optional
        The gRPC status, such as ``"UNAVAILABLE"``, of what came from the server or the connection to it. A
        refusal that the client makes by the server's own rules, before it sends the pixels, has the server's.

    Raises
    ------
    ValueError
        The code belongs to another kind of error, or is unknown and message or hint are missing.

    Notes
    -----
    ``str(error)`` is ``"<code>: <reason>"``.
    """

    status: ClassVar[Literal["refused", "failed", "usage"] | None] = None

    def __init__(
        self,
        code: str,
        message: str | None = None,
        hint: str | None = None,
        *,
        sop_instance_uid: str | None = None,
        study_instance_uid: str | None = None,
        triton_status: str | None = None,
    ) -> None:
        # The arguments as given, so that the exception survives the way back from another process.
        super().__init__(code, message, hint)
        entry = CATALOGUE.get(code)
        if entry is not None and entry.status != "warning" and self.status in (None, entry.status):
            message, hint = message or entry.meaning, entry.hint if hint is None else hint
        elif entry is not None or message is None or hint is None:
            raise ValueError(f"{code} is not a code for {type(self).__name__}")
        self.code = code
        self.message = one_line(message)
        self.hint = one_line(hint)
        self.sop_instance_uid = sop_instance_uid
        self.study_instance_uid = study_instance_uid
        self.triton_status = triton_status

    @property
    def reason(self) -> str:
        """One line for people: what is wrong, then what to do."""
        return f"{self.message}; {self.hint}" if self.hint else self.message

    def __str__(self) -> str:
        return f"{self.code}: {self.reason}"


class RefusedError(BacctlError):
    """The input can never be measured as it is: not a mammogram, no pixel spacing, a spot view, ..."""

    status: ClassVar[Literal["refused"]] = "refused"


class FailedError(BacctlError):
    """The input could not be measured now: a codec is missing, pixels do not decode, the server is away."""

    status: ClassVar[Literal["failed"]] = "failed"


class ServerError(FailedError):
    """A server or the way to it is why; the input may well be measured by another, or later.

    Attributes
    ----------
    retry_after_s : float or None
        In how many seconds whoever answers wants to be asked again; None where it does not say.
    """

    retry_after_s: float | None = None


class ServerUnavailableError(ServerError):
    """No server answers at the address, or the embedded server did not start."""


class TlsError(ServerUnavailableError):
    """The two sides do not agree on TLS: one speaks it and one does not, or a certificate is not accepted."""


class StartFailedError(ServerUnavailableError):
    """A server of one's own cannot be started here, or not as things are."""


class ServerOverloadedError(ServerError):
    """The server has no room for the request at the moment."""


class ServerTimeoutError(ServerError):
    """The answer did not come within the time allowed."""


class PermissionDeniedError(ServerError):
    """The server does not let this client make this call."""


class IncompatibleServerError(ServerError):
    """What answers is no bacctl server, or one of another release that this client does not understand."""


class ServerFaultError(ServerError):
    """The server answered with a fault of its own; its log says more."""


class ModelDiedError(ServerFaultError):
    """A process of the server has died; it answers again only after a new start."""


class ClientUsageError(BacctlError):
    """The client cannot be used in this way: it is closed, of another event loop, or wrongly set up."""

    status: ClassVar[Literal["usage"]] = "usage"


class PlainTokenError(ClientUsageError):
    """A token would be sent without TLS, where anybody on the way could read it."""


_CLASSES: dict[str, type[BacctlError]] = {
    "BAC-SERVER-UNAVAILABLE": ServerUnavailableError,
    "BAC-SERVER-TLS": TlsError,
    "BAC-SERVER-OVERLOADED": ServerOverloadedError,
    "BAC-SERVER-TIMEOUT": ServerTimeoutError,
    "BAC-SERVER-PERMISSION": PermissionDeniedError,
    "BAC-SERVER-INCOMPATIBLE": IncompatibleServerError,
    "BAC-SERVER-FAULT": ServerFaultError,
    "BAC-SERVER-MIXED-UP": ServerFaultError,
    "BAC-SERVER-OTHER-WEIGHTS": ServerFaultError,
    "BAC-INTERNAL": ServerFaultError,
}
_BY_STATUS: dict[str, type[BacctlError]] = {"refused": RefusedError, "usage": ClientUsageError}


def error_class(code: str) -> type[BacctlError]:
    """Return the class of errors that a code belongs to; FailedError for a code of a newer server."""
    status = CATALOGUE[code].status if code in CATALOGUE else "failed"
    return _CLASSES.get(code) or _BY_STATUS.get(status, FailedError)


def from_catalogue(code: str, message: str | None = None, hint: str | None = None) -> BacctlError:
    """Make the error of a code.

    Parameters
    ----------
    code, message, hint : str
        As for `BacctlError`.

    Returns
    -------
    BacctlError
        Of the class that the code belongs to.
    """
    return error_class(code)(code, message, hint)


def internal(error: Exception) -> FailedError:
    """Say that bacctl itself erred; only the kind of the fault is told, for its text may quote a header."""
    kind = type(error).__name__
    return FailedError("BAC-INTERNAL", f"{CATALOGUE['BAC-INTERNAL'].meaning} ({kind})")


def unavailable(message: str, hint: str = "") -> ServerUnavailableError:
    """Say why no server can be reached or started, and what to do about it."""
    return ServerUnavailableError("BAC-SERVER-UNAVAILABLE", message, hint)
