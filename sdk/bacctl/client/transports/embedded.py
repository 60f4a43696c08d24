"""The way to a server of one's own: gRPC to it, and another start where it has died."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

from bac_terms.errors import (
    BacctlError,
    ModelDiedError,
    ServerFaultError,
    ServerUnavailableError,
    StartFailedError,
    from_catalogue,
)
from bacctl._claim import is_mix_up
from bacctl.client.transports.asynchronous import AsyncGrpcTransport
from bacctl.client.transports.blocking import GrpcTransport
from bacctl.client.transports.endpoints import Endpoints
from bacctl.client.transports.revive import bring_back
from bacctl.client.transports.security import Security
from bacctl.client.transports.transport import DEFAULT_TIMEOUT_S, Answer
from bacctl.server.embedded import EmbeddedServer
from bacctl.server.standstill import Standstill

T = TypeVar("T")

_CLEARING_S = 2.0
"""How long a dead server may take to be gone, in seconds."""
_PLAIN = Security(tls=False)


class EmbeddedTransport:
    """Calls to a server on this machine, for threads.

    Parameters
    ----------
    server : EmbeddedServer
        It is stopped with this transport.
    with_density : bool, optional
        Whether answers are to have the density.
    """

    def __init__(self, server: EmbeddedServer, *, with_density: bool = True) -> None:
        self._server = server
        self._with_density = with_density
        self._inner: GrpcTransport | None = None
        self._revived = 0
        self._standstill = Standstill(server)
        self._started = self._closed = False
        self._changing = threading.Lock()

    @property
    def url(self) -> str:
        """``host:port`` of the server."""
        return self._server.url

    def infer(
        self, data: bytes, options: Mapping[str, Any] | None, timeout: float = DEFAULT_TIMEOUT_S
    ) -> Answer:
        """Have one image measured."""
        return self._supervised(lambda inner: inner.infer(data, options, timeout))

    def metadata(self, timeout: float = DEFAULT_TIMEOUT_S) -> tuple[str, str]:
        """Return the server's name and version."""
        return self._supervised(lambda inner: inner.metadata(timeout))

    def close(self) -> None:
        """Close the connection and stop the server."""
        self._closed = True
        if self._inner is not None:
            self._inner.close()
        with self._changing:
            if self._inner is not None:  # made in between, by a call that was starting the server
                self._inner.close()
            self._server.stop()

    def _supervised(self, call: Callable[[GrpcTransport], T]) -> T:
        inner, revived = self._connected(), self._revived
        try:
            with self._standstill.call():
                return call(inner)
        except (ServerUnavailableError, ServerFaultError) as error:
            self._let_go(inner, revived, error)
            raise

    def _connected(self) -> GrpcTransport:
        with self._changing:
            if self._closed:
                raise from_catalogue("BAC-CLIENT-CLOSED")
            if self._inner is None:
                if not self._server.running:
                    _start(self._server, again=self._started)
                self._started = True
                self._inner = GrpcTransport(
                    Endpoints([self._server.url]), _PLAIN, with_density=self._with_density
                )
            return self._inner

    def _let_go(self, inner: GrpcTransport, revived: int, error: BacctlError) -> None:
        """Bring back a model that died; or make the next attempt start the server again.

        If it has died, or cannot be brought back, or mixes up images. `revived` is how often models had been
        brought back when the call began.
        """
        with self._changing:
            if self._inner is not inner or self._closed:
                return
            if isinstance(error, ModelDiedError) and (
                self._revived != revived or _brought_back(self._server)
            ):
                self._revived += self._revived == revived
                return
            if _is_lost(error) or _has_ended(self._server):
                self._server.stop()
                # Not closed: calls of other threads that break off now are to be tried again.
                self._inner = None


class AsyncEmbeddedTransport:
    """Calls to a server on this machine, for one event loop. The first one starts it.

    Parameters
    ----------
    server : EmbeddedServer
        Not started yet. It is stopped with this transport.
    with_density : bool, optional
        Whether answers are to have the density.
    """

    def __init__(self, server: EmbeddedServer, *, with_density: bool = True) -> None:
        self._server = server
        self._with_density = with_density
        self._inner: AsyncGrpcTransport | None = None
        self._revived = 0
        self._standstill = Standstill(server)
        self._started = self._closed = False
        self._changing = asyncio.Lock()

    @property
    def url(self) -> str:
        """``host:port`` of the server; empty before it is started."""
        return self._server.url

    async def start(self) -> None:
        """Start the server, as the first call does too."""
        await self._connected()

    async def infer(
        self, data: bytes, options: Mapping[str, Any] | None, timeout: float = DEFAULT_TIMEOUT_S
    ) -> Answer:
        """Have one image measured."""
        return await self._supervised(lambda inner: inner.infer(data, options, timeout))

    async def metadata(self, timeout: float = DEFAULT_TIMEOUT_S) -> tuple[str, str]:
        """Return the server's name and version."""
        return await self._supervised(lambda inner: inner.metadata(timeout))

    async def close(self) -> None:
        """Close the connection and stop the server."""
        self._closed = True
        if self._inner is not None:
            await self._inner.close()
        async with self._changing:
            if self._inner is not None:
                await self._inner.close()
            await asyncio.to_thread(self._server.stop)

    async def _supervised(self, call: Callable[[AsyncGrpcTransport], Awaitable[T]]) -> T:
        inner, revived = await self._connected(), self._revived
        try:
            with self._standstill.call():
                return await call(inner)
        except (ServerUnavailableError, ServerFaultError) as error:
            await self._let_go(inner, revived, error)
            raise

    async def _connected(self) -> AsyncGrpcTransport:
        async with self._changing:
            if self._closed:
                raise from_catalogue("BAC-CLIENT-CLOSED")
            if self._inner is None:
                if not self._server.running:
                    await self._start()
                self._started = True
                self._inner = AsyncGrpcTransport(
                    Endpoints([self._server.url]), _PLAIN, with_density=self._with_density
                )
            return self._inner

    async def _start(self) -> None:
        starting = asyncio.ensure_future(asyncio.to_thread(_start, self._server, again=self._started))
        try:
            await asyncio.shield(starting)
        except asyncio.CancelledError:
            # A thread cannot be cancelled: wait for the server, so that it can be stopped.
            await asyncio.wait([starting])
            await asyncio.to_thread(self._server.stop)
            raise

    async def _let_go(self, inner: AsyncGrpcTransport, revived: int, error: BacctlError) -> None:
        async with self._changing:
            if self._inner is not inner or self._closed:
                return
            if isinstance(error, ModelDiedError) and (
                self._revived != revived or await asyncio.to_thread(_brought_back, self._server)
            ):
                self._revived += self._revived == revived
                return
            if _is_lost(error) or await asyncio.to_thread(_has_ended, self._server):
                await asyncio.to_thread(self._server.stop)
                self._inner = None


def _is_lost(error: BacctlError) -> bool:
    """Tell whether a server that still runs will not answer, or is not to be believed, before a new start."""
    return isinstance(error, ModelDiedError) or is_mix_up(error)


def _start(server: EmbeddedServer, *, again: bool) -> None:
    """Start the server; one that ran before is given a second chance, for the first may have been killed."""
    try:
        server.start()
    except StartFailedError:
        if not again:
            raise
        server.start()


def _brought_back(server: EmbeddedServer) -> bool:
    """Have a model that died loaded again; not one that only stands still, whose answers may be late."""
    steps = server.steps
    if steps is None or server.mixed_up or not steps.dead():
        return False
    return bring_back(steps, server.url, server.key, _PLAIN)


def _has_ended(server: EmbeddedServer) -> bool:
    deadline = time.monotonic() + _CLEARING_S
    while server.running:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
