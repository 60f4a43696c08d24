"""A connection that brings nothing any more and does not end, over real gRPC."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from tests.faults.relay import Relay

from bacctl import AsyncClient, Client
from bacctl.client.transports import _connections

_LONG_S = 60.0


def _sync(url: str) -> str:
    with Client(url, timeout=_LONG_S) as client:
        return client.analyze(b"x").status


def _async(url: str) -> str:
    async def analyze() -> str:
        async with AsyncClient(url, timeout=_LONG_S) as client:
            return (await client.analyze(b"x")).status

    return asyncio.run(analyze())


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    given = dict(_connections._OPTIONS)
    assert "grpc.keepalive_time_ms" in given
    shorter = {**given, "grpc.keepalive_time_ms": 1000, "grpc.http2.ping_timeout_ms": 4000}
    monkeypatch.setattr(_connections, "_OPTIONS", tuple(shorter.items()))


@pytest.fixture
def relay(
    serve: Callable[..., str], triton_response: Callable[..., object]
) -> Iterator[tuple[Relay, list[int]]]:
    """Between a client and a server that answers the first call when its connection has gone quiet."""
    calls: list[int] = []
    over = threading.Event()

    def infer(request: object, context: object) -> object:
        calls.append(1)
        if len(calls) == 1:
            relay.quiet()
            over.wait(_LONG_S)
        return triton_response()

    port = int(serve(infer).rpartition(":")[2])
    with Relay(port) as relay:
        yield relay, calls
        over.set()


@pytest.mark.parametrize("analyze", [_sync, _async])
def test_a_connection_that_goes_quiet_is_given_up(
    analyze: Callable[[str], str], impatient: None, relay: tuple[Relay, list[int]]
) -> None:
    between, calls = relay
    # The first call would have taken all the time there is.
    assert analyze(between.url) == "ok"
    assert len(calls) == 2


def test_a_call_that_takes_long_is_no_quiet_connection(
    impatient: None, serve: Callable[..., str], triton_response: Callable[..., object]
) -> None:
    calls = []

    def infer(request: object, context: object) -> object:
        calls.append(1)
        time.sleep(6.0)
        return triton_response()

    assert _sync(serve(infer)) == "ok"
    assert len(calls) == 1
