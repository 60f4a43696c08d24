"""A name whose addresses change, as those of a headless service do: a real resolver, real TLS.

gRPC looks a name up again when a connection ends, and never as long as all are well: so servers end them now
and then (`bacctl.server.flags`).
"""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Iterator

import grpc
import pytest

from bacctl import Client
from bacctl.client.core import Core
from bacctl.client.transports.blocking import GrpcTransport
from bacctl.client.transports.endpoints import Endpoints
from bacctl.client.transports.security import Tls, make_security

NAME = "fleet.test"
_A, _IN = 1, 1


class Zone:
    """A name server on this machine that knows one name (RFC 1035); its addresses may be changed."""

    def __init__(self) -> None:
        self.addresses: list[str] = []
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        threading.Thread(target=self._answer, daemon=True).start()

    def _answer(self) -> None:
        while True:
            try:
                query, caller = self._socket.recvfrom(512)
            except OSError:
                return
            end = query.index(b"\0", 12) + 5  # of the question: name, type, class
            (kind,) = struct.unpack(">H", query[end - 4 : end - 2])
            found = self.addresses if kind == _A else []
            records = b"".join(
                b"\xc0\x0c" + struct.pack(">HHIH", _A, _IN, 0, 4) + socket.inet_aton(address)
                for address in found
            )
            header = query[:2] + b"\x81\x80" + struct.pack(">HHHH", 1, len(found), 0, 0)
            self._socket.sendto(header + query[12:end] + records, caller)

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def zone() -> Iterator[Zone]:
    zone = Zone()
    yield zone
    zone.close()


def test_servers_that_come_and_go_under_one_name(zone, serve, triton_response, authority, tmp_path):
    seen = []

    def named(host):
        def infer(request, context):
            seen.append(host)
            return triton_response()

        return infer

    issued = authority.issue_cert(NAME)
    credentials = grpc.ssl_server_credentials(
        [(issued.private_key_pem.bytes(), issued.cert_chain_pems[0].bytes())]
    )
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    hosts, port = [f"127.0.0.{number}" for number in (1, 2, 3)], 0
    running = {}

    def start(host):
        nonlocal port
        url = serve(
            named(host),
            credentials=credentials,
            host=host,
            port=port,
            options=(("grpc.max_connection_age_ms", 1000),),
        )
        port = int(url.rpartition(":")[2])
        running[host] = serve.last

    start(hosts[0])
    start(hosts[1])
    zone.addresses = hosts[:2]
    url = f"dns://127.0.0.1:{zone.port}/{NAME}:{port}"
    security = make_security([url], None, Tls(ca=tmp_path / "ca.pem"), None, False)
    with Client._over(GrpcTransport(Endpoints([url]), security), Core(60.0, 30.0, None, None)) as client:

        def until(wanted):
            seen.clear()
            deadline = time.monotonic() + 120
            while set(seen[-6:]) != wanted and time.monotonic() < deadline:
                assert client.analyze(b"x").status == "ok"
                time.sleep(0.05)
            assert set(seen[-6:]) == wanted

        until({hosts[0], hosts[1]})
        start(hosts[2])
        running[hosts[0]].stop(None).wait()
        zone.addresses = hosts[1:]
        until({hosts[1], hosts[2]})
