"""Bringing back a step whose process has died, without a new start of the server."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from bac_terms.errors import BacctlError
from bacctl.client.transports.blocking import GrpcTransport
from bacctl.client.transports.endpoints import Endpoints
from bacctl.server.flags import KEY_HEADER

if TYPE_CHECKING:
    from bacctl.client.transports.security import Security
    from bacctl.server.steps import Steps

LOADING_S = 30.0
"""How long one step may take to be loaded, in seconds; a third of a start is usual."""


def keyed_transport(url: str, key: str, security: Security) -> GrpcTransport:
    """Return the way to the calls of a server that its key opens."""
    return GrpcTransport(Endpoints([url]), replace(security, metadata=((KEY_HEADER, key),)))


def bring_back(steps: Steps, url: str, key: str, security: Security, timeout: float = LOADING_S) -> bool:
    """Have a private server, which its key opens, load its dead steps again.

    Parameters
    ----------
    steps : Steps
        Of this server.
    url, key, security : str, str, Security
        The server, what opens its locked calls, and how to speak to it.
    timeout : float, optional
        For each step, in seconds.

    Returns
    -------
    bool
        False where it did not come about: the server has to be started again.
    """
    from tritonclient.grpc.service_pb2 import RepositoryModelLoadRequest

    transport = keyed_transport(url, key, security)

    def load(model: str) -> bool:
        try:
            transport._call("RepositoryModelLoad", RepositoryModelLoadRequest(model_name=model), timeout)
        except BacctlError:
            return False
        return True

    try:
        return steps.bring_back(load)
    finally:
        transport.close()
