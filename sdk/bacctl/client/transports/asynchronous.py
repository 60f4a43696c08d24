"""The way to servers over gRPC, for one event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from bac_terms.errors import from_catalogue
from bacctl._claim import Claim
from bacctl.client.transports._connections import Connections, load_grpc
from bacctl.client.transports.endpoints import Endpoints
from bacctl.client.transports.security import Security
from bacctl.client.transports.tracing import traced
from bacctl.client.transports.transport import DEFAULT_TIMEOUT_S, Answer
from bacctl.client.transports.wire import incompatible, infer_request, read_answer


class AsyncGrpcTransport:
    """One connection to each server, for any number of calls at the same time in one event loop.

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

    @property
    def url(self) -> str:
        """The servers, to be shown."""
        return self._connections.url

    async def infer(
        self, data: bytes, options: Mapping[str, Any] | None, timeout: float = DEFAULT_TIMEOUT_S
    ) -> Answer:
        """Have one image measured."""
        # The digest of a full-size image and its answer take some tens of milliseconds, in which the loop has
        # other things to do.
        claim = await asyncio.to_thread(Claim.of, data, timeout, self._connections.caller)
        request = infer_request(data, options, claim, with_density=self._with_density)
        response, address = await self._call("ModelInfer", request, timeout, claim)
        with self._connections.judging(address) as judged:
            read = asyncio.to_thread(read_answer, response, claim, with_density=self._with_density)
            return judged(await read)

    async def metadata(self, timeout: float = DEFAULT_TIMEOUT_S) -> tuple[str, str]:
        """Return the server's name and version."""
        from tritonclient.grpc.service_pb2 import ServerMetadataRequest

        metadata, _ = await self._call("ServerMetadata", ServerMetadataRequest(), timeout)
        return metadata.name, metadata.version

    async def close(self) -> None:
        """Close all connections. Calls under way come back at once."""
        for channel in self._connections.take_all():
            await channel.close()

    async def _call(
        self, method: str, request: Any, timeout: float, claim: Claim | None = None
    ) -> tuple[Any, str]:
        aio = load_grpc().aio
        connections = self._connections
        address = connections.endpoints.pick()
        stub = connections.stub(address, self._channel)
        try:
            call = getattr(stub, method)
            with traced(method) as place:
                metadata = (*connections.security.sent_along(), *place)
                response = await call(request, timeout=timeout, metadata=metadata)
        except aio.AioRpcError as fault:
            # Looks into the network where the fault leaves a question open.
            raise await asyncio.to_thread(connections.error, fault, address, claim) from None
        except (aio.UsageError, asyncio.CancelledError):
            # Closing a channel cancels its calls; a cancelled task is another matter.
            if not connections.closed:
                raise
            raise from_catalogue("BAC-CLIENT-CLOSED", "the client was closed during the call") from None
        if response is None:  # how this side of gRPC hands over what it could not read
            raise incompatible(f"what {address} sends is no answer of Triton")
        connections.endpoints.answered(address)
        return response, address

    def _channel(self, address: str, options: list[tuple[str, Any]]) -> Any:
        aio = load_grpc().aio
        credentials = self._connections.security.credentials()
        if credentials is None:
            return aio.insecure_channel(address, options=options)
        return aio.secure_channel(address, credentials, options=options)
