"""The client's own server without Triton: starts that fail, lines in two halves, closing in between."""

import asyncio
import socket
import threading
from types import SimpleNamespace

import pytest

from bac_terms.errors import unavailable
from bacctl import AsyncClient, Client, ClientUsageError, ServerUnavailableError
from bacctl.client._cache import ResultCache
from bacctl.client.transports.embedded import EmbeddedTransport
from bacctl.server.embedded import EmbeddedServer


def test_start_that_fails_leaves_the_cache_closed(tmp_path, monkeypatch):
    closed = []

    def start(self):
        raise unavailable("no room", "make some")

    close = ResultCache.close
    monkeypatch.setattr(EmbeddedServer, "start", start)
    monkeypatch.setattr(ResultCache, "close", lambda self: (closed.append(self), close(self)))
    with pytest.raises(ServerUnavailableError, match="no room"):
        Client.embedded(cache=tmp_path / "cache")
    assert len(closed) == 1


def test_start_that_fails_is_not_tried_again(monkeypatch):
    started = []

    def start(self):
        started.append(1)
        raise unavailable("no room", "make some")

    async def main():
        async with AsyncClient.embedded():
            raise AssertionError("it cannot have started")

    monkeypatch.setattr(EmbeddedServer, "start", start)
    with pytest.raises(ServerUnavailableError, match="no room"):
        asyncio.run(main())
    assert len(started) == 1


class Halves:
    """A log that is read while it is written."""

    def __init__(self, *parts):
        self._parts = list(parts)

    def readline(self):
        return self._parts.pop(0) if self._parts else b""


def test_line_of_the_log_that_comes_in_two_halves():
    server = EmbeddedServer(start_timeout_s=0.5)
    server._supervisor = SimpleNamespace(poll=lambda: None)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server.ports = {"grpc": listener.getsockname()[1]}
        server._wait_until_listening(
            Halves(b"first\n", b"I1 Started GRPCInf", b"", b"erenceService at 127\n")
        )
        with pytest.raises(ServerUnavailableError, match="did not start within"):
            server._wait_until_listening(Halves(b"Started GRPCInf\n", b"erenceService\n"))


def test_a_port_that_is_announced_before_it_listens():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    server = EmbeddedServer(start_timeout_s=0.3)
    server._supervisor = SimpleNamespace(poll=lambda: None)
    server.ports = {"metrics": port}
    with pytest.raises(ServerUnavailableError, match=f"does not accept connections at port {port}"):
        server._wait_until_listening(
            Halves(b"Started GRPCInferenceService at\n", b"Started Metrics Service at\n")
        )
    server._start_timeout_s = 30.0
    late: list[socket.socket] = []
    timer = threading.Timer(0.2, lambda: late.append(socket.create_server(("127.0.0.1", port))))
    timer.start()
    server._wait_until_listening(
        Halves(b"Started GRPCInferenceService at\n", b"Started Metrics Service at\n")
    )
    timer.join()
    (listener,) = late
    listener.close()


def test_close_while_the_server_is_being_started():
    class Server:
        url = "127.0.0.1:1"
        running = False
        steps = None
        stopped = 0

        def start(self):
            closing.start()
            while not transport._closed:
                closing.join(0.01)

        def stop(self):
            self.stopped += 1

    server = Server()
    transport = EmbeddedTransport(server)
    closing = threading.Thread(target=transport.close)
    with pytest.raises((ClientUsageError, ServerUnavailableError)):
        transport.infer(b"x", None, 5.0)
    closing.join(20)
    assert server.stopped == 1
    assert transport._inner._connections.closed


def test_an_interrupt_while_the_server_loads_stops_it(monkeypatch):
    told = []
    monkeypatch.setattr(EmbeddedServer, "launch", lambda self: told.append("launched"))
    monkeypatch.setattr(EmbeddedServer, "stop", lambda self, **_: told.append("stopped"))

    def interrupted():
        raise KeyboardInterrupt

    monkeypatch.setattr("bacctl.client.blocking.import_for_calls", interrupted)
    with pytest.raises(KeyboardInterrupt):
        Client.embedded()
    assert told == ["launched", "stopped"]
