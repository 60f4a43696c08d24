"""How a command comes to its client: a server that runs already, or one of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bacctl.cli.guard import UsageError
from bacctl.cli.options import ServerOptions

if TYPE_CHECKING:
    from bacctl.client.blocking import Client


def connect(server: ServerOptions, *, density: bool = False) -> Client:
    """Return a client of the server that is asked for, or of a new embedded one that ends with the client.

    Parameters
    ----------
    server : ServerOptions
        Where it is and how to reach it.
    density : bool, optional
        Whether answers are to have the density, which is larger than the image and goes into `pm` alone.

    Returns
    -------
    Client
        To be used as a context manager.

    Raises
    ------
    UsageError
        The options cannot work, such as a file that is no certificate.
    BacctlError
        The server does not answer or cannot be started.
    """
    from bac_terms.errors import ClientUsageError, PlainTokenError
    from bacctl.client.blocking import Client

    # What is not given is left to the client, which documents its own defaults.
    given: dict[str, Any] = {
        name: value
        for name in ("timeout", "retry_for", "max_retries", "cache", "weights")
        if (value := getattr(server, name)) is not None
    }
    given["density"] = density
    if server.url and any(
        value is not None for value in (server.tls_ca, server.tls_cert, server.tls_server_name)
    ):
        from bacctl import Tls

        given["tls"] = Tls(
            ca=server.tls_ca,
            certificate=server.tls_cert,
            key=server.tls_key,
            server_name=server.tls_server_name,
        )
    try:
        if not server.url:
            return Client.embedded(**given)
        return Client(server.url, token=server.token(), **given)
    except PlainTokenError as error:
        raise UsageError(f"{error.message}; give --tls-ca, or grpcs:// before the address") from None
    except ClientUsageError as error:
        raise UsageError(error.reason) from None
