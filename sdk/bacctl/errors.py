"""The errors of the SDK: one tree, each with a code of the catalogue in ``docs/errors.md``.

``RefusedError`` means that this input can never be measured as it is; ``FailedError`` and what stands below
it mean that it could not be measured now.
"""

from __future__ import annotations

from typing import ClassVar, Literal


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
    ) -> None:
        self.code = code
        self.reason = " ".join(reason.split())
        self.sop_instance_uid = sop_instance_uid
        self.study_instance_uid = study_instance_uid
        super().__init__(f"{self.code}: {self.reason}")


class RefusedError(BacctlError):
    """The input can never be measured as it is: not a mammogram, no pixel spacing, a spot view, ..."""

    status: ClassVar[Literal["refused", "failed"]] = "refused"


class FailedError(BacctlError):
    """The input could not be measured now: a codec is missing, pixels do not decode, the server is away."""


class ServerUnavailableError(FailedError):
    """No server answers at the address, or the embedded server did not start."""


class ServerOverloadedError(FailedError):
    """The server has no room for the request at the moment."""


class ServerTimeoutError(FailedError):
    """The answer did not come within the time allowed."""


class PermissionDeniedError(FailedError):
    """The server does not let this client make this call."""


class ServerFaultError(FailedError):
    """The server answered with a fault of its own; its log says more."""


def unavailable(reason: str) -> ServerUnavailableError:
    """Say why no server can be reached or started, and what to do about it."""
    return ServerUnavailableError("BAC-SERVER-UNAVAILABLE", reason)
