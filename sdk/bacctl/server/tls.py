"""TLS at the server's end: which files, whether they fit together, and what Triton is told."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

from bac_terms.errors import unavailable


@dataclass(frozen=True)
class ServerTls:
    """The certificate of a server, and of whose clients it takes calls. All files are PEM."""

    # of the server; the certificate with those between it and its authority, the key without a password
    certificate: Path
    key: Path
    # With it, only clients with a certificate of this authority are let in. The server's own test image comes
    # with the server's certificate, which must then be of this authority too and good for clients.
    client_ca: Path | None = None

    def flags(self) -> list[str]:
        """Return Triton's flags."""
        paths = [
            f"--grpc-server-cert={self.certificate.absolute()}",
            f"--grpc-server-key={self.key.absolute()}",
        ]
        if self.client_ca is None:
            return ["--grpc-use-ssl=true", *paths]
        # "Mutual" alone turns TLS on; the other flag would be taken back by it.
        return ["--grpc-use-ssl-mutual=true", *paths, f"--grpc-root-cert={self.client_ca.absolute()}"]

    def server_name(self) -> str:
        """Check the files against each other and say for whom the certificate is.

        Triton itself would start with files that do not fit, and turn every client away.

        Returns
        -------
        str
            The first name, or address, in the certificate.

        Raises
        ------
        ServerUnavailableError
            A file is not what it should be, key and certificate do not belong together, or the certificate
            has expired; the reason names the file.
        """
        ours = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        try:
            # Without an answer to its question, Python would ask for a password at the terminal.
            ours.load_cert_chain(self.certificate, self.key, password=lambda: "")
        except (OSError, ValueError) as error:
            files = f"{self.certificate} with {self.key}"
            raise _unusable(files, "certificate with its key", error) from None
        theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        theirs.check_hostname = False
        theirs.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # trust this one itself, whoever signed it
        theirs.load_verify_locations(self.certificate)
        if self.client_ca is not None:
            try:
                ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(self.client_ca)
            except (OSError, ValueError) as error:
                raise _unusable(str(self.client_ca), "certificate of an authority", error) from None
        try:
            found = _handshake(ours, theirs)
        except ssl.SSLCertVerificationError as error:
            raise unavailable(
                f"{self.certificate}: is not accepted ({error.verify_message})", "have it issued anew"
            ) from None
        names = [value for kind, value in found.get("subjectAltName", ()) if kind in ("DNS", "IP Address")]
        if not names:
            raise unavailable(
                f"{self.certificate}: names no host in its subjectAltName, and no client would accept it",
                "have it issued anew",
            )
        return str(names[0]).replace("*", "bacctl")  # any name under a wildcard will do


def _handshake(ours: ssl.SSLContext, theirs: ssl.SSLContext) -> dict[str, tuple[tuple[str, str], ...]]:
    """Let a client in memory look at the certificate: Python reads one only when it has been accepted."""
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = ours.wrap_bio(to_server, to_client, server_side=True)
    client = theirs.wrap_bio(to_client, to_server)
    for end in (client, server, client):
        try:
            end.do_handshake()
        except ssl.SSLWantReadError:
            continue
    found: dict[str, tuple[tuple[str, str], ...]] = client.getpeercert() or {}  # type: ignore[assignment]
    return found


def _unusable(what: str, kind: str, error: Exception) -> Exception:
    why = "the content does not fit"
    if isinstance(error, OSError) and not isinstance(error, ssl.SSLError):
        why = error.strerror or why
    return unavailable(f"{what}: is not a {kind} in PEM ({why})", "check --tls-cert, --tls-key and --tls-ca")
