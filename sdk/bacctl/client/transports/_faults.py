"""What gRPC says of a call that failed, as one of our errors."""

from __future__ import annotations

import re

from bac_terms.errors import BacctlError, ModelDiedError, ServerFaultError, from_catalogue
from bacctl._claim import MIXED_UP
from bacctl._error_text import from_text

_CONNECTING = ("failed to connect to all addresses", "connections to all backends failing")
# Of gRPC itself and of the resolver that it is built with.
_RESOLVING = ("errors resolving", "DNS resolution failed")
# What the TLS library and gRPC say of a handshake where it is certain what it means.
_TLS_FAULTS = {
    "WRONG_VERSION_NUMBER": "plain",
    "CERTIFICATE_VERIFY_FAILED": "other authority",
    "Hostname Verification": "other name",
}
_MISMATCHES = {
    (True, "plain"): "the server at {url} speaks no TLS",
    (True, "other authority"): "the certificate of the server at {url} is not of the given authority",
    (True, "other name"): "the certificate of the server at {url} is for another name",
    (True, "tls"): "the server at {url} lets no TLS connection come about; it may want a client certificate",
    (False, "tls"): "the server at {url} speaks TLS and this client does not",
}
_LONGEST_QUOTE = 350
# Where a server keeps its files is nothing to its callers, and their documents.
_PATH = re.compile(r"(?<![\w.:/])/(?:[\w.+@-]+/)+([\w.+@-]+)")
# What Triton says of it comes at the end of a long text, and "try again" would not help.
_NO_SHARED_MEMORY = (
    "the server has too little shared memory for this file",
    "enlarge its /dev/shm (in a container with --shm-size=2g), or send a smaller one",
)


def translated(
    status: str, message: str, url: str, *, tls: bool = False, tag: str | None = None
) -> BacctlError:
    """Turn the fault of a call into the error that the caller gets.

    Parameters
    ----------
    status : str
        Name of the gRPC status, such as ``"UNAVAILABLE"``.
    message : str
        What came with it.
    url : str
        Who was called.
    tls : bool, optional
        Whether this client speaks TLS.
    tag : str, optional
        Of the request. A refusal that names another is another image's.

    Returns
    -------
    BacctlError
        With `status` as its ``triton_status``.
    """
    error, named = from_text(message)
    if tag is not None and named not in (None, tag):
        error = from_catalogue(MIXED_UP)
    elif error is None:
        error = _judged(status, message, url, tls)
    elif error.code == "BAC-OPTIONS-INVALID" and tag is not None and named is None:
        # The tag is one of the options, and whoever knows of it repeats it.
        error = from_catalogue(
            "BAC-SERVER-INCOMPATIBLE",
            f"the server at {url} does not say which request it answers, as releases before this one do not",
        )
    error.triton_status = status
    return error


def tls_mismatch(url: str, found: str, *, tls: bool) -> BacctlError | None:
    """Say what two sides that cannot connect do not agree on.

    Parameters
    ----------
    url : str
        Who was called.
    found : str
        Who is there, as `bacctl.client.transports._look.look` says it.
    tls : bool
        Whether this client speaks TLS.

    Returns
    -------
    BacctlError or None
        None where TLS is not the reason.
    """
    meaning = _MISMATCHES.get((tls, found))
    if meaning is None:
        return None
    error = from_catalogue("BAC-SERVER-TLS", meaning.format(url=url))
    error.triton_status = "UNAVAILABLE"
    return error


def is_connecting(message: str) -> bool:
    """Tell whether a call failed before there was a connection."""
    return any(sign in message for sign in _CONNECTING)


def _judged(status: str, message: str, url: str, tls: bool) -> BacctlError:
    if "protocol is restricted" in message or status in ("PERMISSION_DENIED", "UNAUTHENTICATED"):
        return from_catalogue("BAC-SERVER-PERMISSION")
    if "shared memory pool" in message:
        return ServerFaultError("BAC-SERVER-FAULT", *_NO_SHARED_MEMORY)
    if "Stub process" in message:
        return ModelDiedError(
            "BAC-SERVER-FAULT",
            "a model of the server has died",
            "try again in a minute; if it happens again, start the server again and look into its log",
        )
    if status == "DEADLINE_EXCEEDED":
        return from_catalogue("BAC-SERVER-TIMEOUT")
    # Of gRPC itself, and of a gateway that speaks HTTP.
    if (
        status == "RESOURCE_EXHAUSTED" and "larger than max" in message
    ) or "header with status: 413" in message:
        return from_catalogue("BAC-FILE-TOO-LARGE", f"the file is larger than the server at {url} takes")
    if status == "RESOURCE_EXHAUSTED" or "maximum queue size" in message:
        return from_catalogue("BAC-SERVER-OVERLOADED")
    if "no available versions" in message:  # Triton knows the model: it loads it, or is being stopped
        return from_catalogue("BAC-SERVER-UNAVAILABLE", f"the server at {url} is not ready")
    if status in ("NOT_FOUND", "UNIMPLEMENTED"):
        return from_catalogue("BAC-SERVER-INCOMPATIBLE", f"the server at {url} does not serve the model bac")
    if "deserializing" in message:
        return from_catalogue("BAC-SERVER-INCOMPATIBLE", f"what {url} sends is no answer of Triton")
    if status == "UNAVAILABLE":
        return _unreachable(message, url, tls)
    if status == "UNKNOWN" and "Stream removed" in message:
        # An answer without its end, as of a proxy whose connection to the server was closed.
        return from_catalogue("BAC-SERVER-UNAVAILABLE", f"the connection to {url} broke during the call")
    if status == "CANCELLED":
        return from_catalogue("BAC-SERVER-UNAVAILABLE", f"the call to {url} was cancelled")
    quoted = _PATH.sub(r"…/\1", " ".join(message.split()))
    if len(quoted) > _LONGEST_QUOTE:
        quoted = f"{quoted[: _LONGEST_QUOTE - 1]}…"
    return from_catalogue("BAC-SERVER-FAULT", f"the server met an error of its own ({status}: {quoted})")


def _unreachable(message: str, url: str, tls: bool) -> BacctlError:
    if any(sign in message for sign in _RESOLVING):
        return from_catalogue("BAC-SERVER-UNAVAILABLE", f"no server at {url}: its name could not be resolved")
    if not is_connecting(message):
        if "unknown model" in message or "not ready" in message:
            return from_catalogue("BAC-SERVER-UNAVAILABLE", f"the server at {url} is not ready")
        return from_catalogue("BAC-SERVER-UNAVAILABLE", f"the connection to {url} broke during the call")
    if "Failed parsing HTTP/2" in message:
        return from_catalogue("BAC-SERVER-INCOMPATIBLE", f"what answers at {url} does not speak gRPC")
    said = next((found for sign, found in _TLS_FAULTS.items() if sign in message), "nobody")
    return tls_mismatch(url, said, tls=tls) or from_catalogue(
        "BAC-SERVER-UNAVAILABLE", f"no server answers at {url}"
    )
