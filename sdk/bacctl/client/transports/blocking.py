"""The way to servers over gRPC, for threads."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from bac_terms.errors import from_catalogue
from bacctl._claim import Claim
from bacctl.client.transports._connections import Connections, load_grpc
from bacctl.client.transports.endpoints import Endpoints
from bacctl.client.transports.security import Security
from bacctl.client.transports.tracing import traced
from bacctl.client.transports.transport import DEFAULT_TIMEOUT_S, Answer
from bacctl.client.transports.wire import infer_request, read_answer


class GrpcTransport:
    """One connection to each server, for any number of calls at the same time.

    Parameters
    ----------
    endpoints : Endpoints
        The servers.
    security : Security
        How to speak to them.
    with_density : bool, optional
        Whether answers are to have the density.
    weights : str, optional
        What the SHA-256 of the weights begins with that all answers are to be of.
    """

    def __init__(
        self,
        endpoints: Endpoints,
        security: Security,
        *,
        with_density: bool = True,
        weights: str | None = None,
    ) -> None:
        self._with_density = with_density
        self._connections: Connections[Any] = Connections(endpoints, security, weights)
        self._making = threading.Lock()

    @property
    def url(self) -> str:
        """The servers, to be shown."""
        return self._connections.url

    def infer(
        self, data: bytes, options: Mapping[str, Any] | None, timeout: float = DEFAULT_TIMEOUT_S
    ) -> Answer:
        """Have one image measured."""
        claim = Claim.of(data, timeout, self._connections.caller)
        request = infer_request(data, options, claim, with_density=self._with_density)
        response, address = self._call("ModelInfer", request, timeout, claim)
        with self._connections.judging(address) as judged:
            return judged(read_answer(response, claim, with_density=self._with_density))

    def metadata(self, timeout: float = DEFAULT_TIMEOUT_S) -> tuple[str, str]:
        """Return the server's name and version."""
        from tritonclient.grpc.service_pb2 import ServerMetadataRequest

        metadata, _ = self._call("ServerMetadata", ServerMetadataRequest(), timeout)
        return metadata.name, metadata.version

    def close(self) -> None:
        """Close all connections. Calls under way come back at once."""
        with self._making:  # a connection that is being made belongs to it
            channels = self._connections.take_all()
        for channel in channels:
            channel.close()

    def _call(self, method: str, request: Any, timeout: float, claim: Claim | None = None) -> tuple[Any, str]:
        grpc = load_grpc()
        connections = self._connections
        address = connections.endpoints.pick()
        with self._making:
            stub = connections.stub(address, self._channel)
        try:
            call = getattr(stub, method)
            with traced(method) as place:
                metadata = (*connections.security.sent_along(), *place)
                response = call(request, timeout=timeout, metadata=metadata)
        except grpc.RpcError as fault:
            raise connections.error(fault, address, claim) from None
        except ValueError:  # how gRPC says that the channel has been closed in between
            if not connections.closed:
                raise
            raise from_catalogue("BAC-CLIENT-CLOSED") from None
        connections.endpoints.answered(address)
        return response, address

    def _channel(self, address: str, options: list[tuple[str, Any]]) -> Any:
        grpc = load_grpc()
        credentials = self._connections.security.credentials()
        if credentials is None:
            return grpc.insecure_channel(address, options=options)
        return grpc.secure_channel(address, credentials, options=options)
