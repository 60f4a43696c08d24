"""How a command comes to its client: a server that runs already, or one of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bacctl.client import Client


def connect(url: str | None) -> Client:
    """Return a client of the server at `url`, or of a new embedded one that ends with the client.

    Parameters
    ----------
    url : str or None
        ``host:port`` of the server's gRPC endpoint.

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

    return Client.embedded() if url is None else Client(url)
