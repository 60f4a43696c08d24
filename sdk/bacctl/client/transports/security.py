"""Who the server is, who the client is, and what may be sent in the clear."""

from __future__ import annotations

import ipaddress
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bac_terms.errors import BacctlError, PlainTokenError, from_catalogue

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Tls:
    """How to speak TLS with a server. All files are PEM.

    Attributes
    ----------
    ca : path or None
        The authority that the server's certificate must be of. None: one of the public authorities that
        come with gRPC.
    certificate, key : path or None
        Certificate of this client and its key without a password, for servers that ask for one; both or none.
    server_name : str or None
        The name in the server's certificate, where it is not the one in the address.
    """

    ca: str | os.PathLike[str] | None = None
    certificate: str | os.PathLike[str] | None = None
    key: str | os.PathLike[str] | None = None
    server_name: str | None = None


class TokenFile:
    """A file that holds a token, which whoever issues it may replace at any time.

    Parameters
    ----------
    path : path
        Of the file.

    Raises
    ------
    ClientUsageError
        It cannot be read, or holds none.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)
        self._last: str | None = None
        self._last = self.read()

    def read(self) -> str:
        """Return the token; the last one while the file holds none, such as when it is being written."""
        try:
            token = self._path.read_text().strip()
        except (OSError, ValueError):
            token = ""
        if _is_token(token):
            self._last = token
        elif self._last is None:
            raise _wrong(f"{self._path}: holds no token on a line of its own, or cannot be read")
        return self._last


@dataclass(frozen=True)
class Security:
    """What every connection of a client needs, checked.

    Attributes
    ----------
    tls : bool
        Whether connections are encrypted.
    pem : tuple of (bytes or None)
        Authority, key, certificate.
    server_name : str or None
        As for `Tls`.
    metadata : tuple of (str, str)
        Sent with every call.
    token_file : TokenFile or None
        Holds the token that is sent as well.
    """

    tls: bool
    # Neither keys nor tokens are for logs.
    pem: tuple[bytes | None, bytes | None, bytes | None] = field(default=(None, None, None), repr=False)
    server_name: str | None = None
    metadata: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    token_file: TokenFile | None = field(default=None, repr=False)

    def sent_along(self) -> tuple[tuple[str, str], ...]:
        """Return what is sent with the next call."""
        if self.token_file is None:
            return self.metadata
        return (*self.metadata, _bearer(self.token_file.read()))

    def credentials(self) -> Any:
        """Return gRPC's credentials; None for a connection in the clear."""
        if not self.tls:
            return None
        import grpc

        return grpc.ssl_channel_credentials(*self.pem)


def is_loopback(address: str) -> bool:
    """Tell whether an address, ``host:port`` or ``unix:PATH``, is on this machine itself."""
    if address.startswith("unix:"):
        return True
    host = address.rpartition(":")[0].strip("[]")
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:  # a name, and be it 127.example.org
        return False


def make_security(
    addresses: Sequence[str],
    scheme: bool | None,
    tls: bool | Tls | None,
    token: str | os.PathLike[str] | None,
    allow_plain_token: bool,
) -> Security:
    """Check what a client was given, before anything is sent.

    Parameters
    ----------
    addresses : sequence of str
        ``host:port`` of the servers.
    scheme : bool or None
        Whether the addresses ask for TLS.
    tls : bool, Tls or None
        True: with public authorities. None: as the addresses ask.
    token : str, path or None
        Sent as ``authorization: Bearer``; a path is a file that holds it.
    allow_plain_token : bool
        Send the token without TLS too, to other machines.

    Returns
    -------
    Security

    Raises
    ------
    ClientUsageError
        Files that are no certificates, a token that cannot be sent or would be sent in the clear.
    """
    if (tls is False and scheme) or (tls not in (None, False) and scheme is False):
        raise _wrong("the address and tls= contradict each other")
    encrypted = bool(scheme if tls is None else tls)
    settings = tls if isinstance(tls, Tls) else Tls()
    metadata: tuple[tuple[str, str], ...] = ()
    token_file = None
    if token is not None:
        if isinstance(token, str) and not _is_token(token):
            raise _wrong("the token is not one line of printable ASCII")
        if not (encrypted or allow_plain_token or all(map(is_loopback, addresses))):
            raise PlainTokenError(
                "BAC-CLIENT-OPTIONS",
                "a token is not sent without TLS, where anybody on the way can read it",
                "give tls= or, in a network that you trust, allow_plain_token=True",
            )
        if isinstance(token, str):
            metadata = (_bearer(token),)
        else:
            token_file = TokenFile(token)
    pem = _checked_pem(settings) if encrypted else (None, None, None)
    return Security(encrypted, pem, settings.server_name, metadata, token_file)


def _is_token(text: str) -> bool:
    return text.isascii() and text.isprintable() and text.strip() == text != ""


def _bearer(token: str) -> tuple[str, str]:
    return "authorization", f"Bearer {token}"


def _checked_pem(tls: Tls) -> tuple[bytes | None, bytes | None, bytes | None]:
    """Read the files; gRPC itself would say of a wrong one only that no server answers."""
    import ssl

    if (tls.certificate is None) != (tls.key is None):
        raise _wrong("a client certificate takes both certificate= and key=")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if tls.ca is not None:
        try:
            context.load_verify_locations(tls.ca)
        except (OSError, ValueError) as error:
            raise _unusable(tls.ca, "certificate of an authority", error) from None
    if tls.certificate is not None and tls.key is not None:
        try:
            # Without an answer to its question, Python would ask for a password at the terminal.
            context.load_cert_chain(tls.certificate, tls.key, password=lambda: "")
        except (OSError, ValueError) as error:
            raise _unusable(tls.certificate, "certificate with its key", error) from None
    ca, key, certificate = (
        None if path is None else Path(path).read_bytes() for path in (tls.ca, tls.key, tls.certificate)
    )
    return ca, key, certificate


def _unusable(path: str | os.PathLike[str], kind: str, error: Exception) -> BacctlError:
    import ssl

    is_file_fault = isinstance(error, OSError) and not isinstance(error, ssl.SSLError)
    why = getattr(error, "strerror", None) if is_file_fault else "the content does not fit"
    return _wrong(f"{os.fspath(path)}: is not a {kind} in PEM ({why})")


def _wrong(found: str) -> BacctlError:
    return from_catalogue("BAC-CLIENT-OPTIONS", found)
