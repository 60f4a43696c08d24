"""A look at who listens where gRPC could not connect.

Of a name with several addresses gRPC says only why the last one failed, such as the IPv6 address of localhost
at which nobody listens.
"""

from __future__ import annotations

import socket
from typing import Literal

from bacctl.client.transports.security import Security

Found = Literal["nobody", "plain", "tls", "other authority", "other name"]

_TIME_S = 1.0
# OpenSSL's X509_V_ERR_HOSTNAME_MISMATCH and X509_V_ERR_IP_ADDRESS_MISMATCH.
_OTHER_NAME = (62, 64)


def look(address: str, security: Security) -> Found:
    """Connect and try a TLS handshake; nothing is sent.

    Parameters
    ----------
    address : str
        ``host:port``.
    security : Security
        Whom to accept.

    Returns
    -------
    str
        What is there. "nobody" also for who takes connections and lets them go, as a proxy does whose server
        is away.
    """
    import ssl

    if address.startswith("unix:"):  # a server of one's own, without TLS
        return "nobody"
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    authority = security.pem[0]
    # PEM is ASCII; the names that bundles of authorities have between their certificates need not be.
    context = ssl.create_default_context(
        cadata=None if authority is None else authority.decode("ascii", "ignore")
    )
    if not security.tls:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    try:
        with (
            socket.create_connection((host, int(port)), timeout=_TIME_S) as plain,
            context.wrap_socket(plain, server_hostname=security.server_name or host),
        ):
            return "tls"
    except ssl.SSLCertVerificationError as error:
        return "other name" if error.verify_code in _OTHER_NAME else "other authority"
    except ssl.SSLEOFError:
        return "nobody"
    except ssl.SSLError:
        return "plain"
    except (OSError, ValueError):
        return "nobody"
