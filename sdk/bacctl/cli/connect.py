"""How a command comes to its client: a server that runs already, or one of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bacctl.cli.options import ServerOptions

if TYPE_CHECKING:
    from bacctl.client import Client


def connect(server: ServerOptions) -> Client:
    """Return a client of the server that is asked for, or of a new embedded one that ends with the client.

    Parameters
    ----------
    server : ServerOptions
        Where it is and how to reach it.

    Returns
    -------
    Client
        To be used as a context manager.

    Raises
    ------
    BacctlError
        The server does not answer or cannot be started.
    """
    from bacctl.client import Client

    # What is not given is left to the client, which documents its own defaults.
    given: dict[str, Any] = {
        name: value
        for name in ("timeout", "max_retries", "cache")
        if (value := getattr(server, name)) is not None
    }
    if not server.url:
        return Client.embedded(**given)
    if server.tls_ca is not None or server.tls_cert is not None:
        from bacctl import Tls

        given["tls"] = Tls(ca=server.tls_ca, certificate=server.tls_cert, key=server.tls_key)
    urls = [part.strip() for part in server.url.split(",")]
    return Client(urls, token=server.token(), **given)
