"""How a command comes to its client: a server that runs already, or one of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

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

    return Client(server.url) if server.url else Client.embedded()
