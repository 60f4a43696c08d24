"""Asks a server whether it measures, the way its clients do, and how much it has answered."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from bac_terms.errors import BacctlError
from bacctl._claim import LAST
from bacctl.client.blocking import Client
from bacctl.client.canary import OPTIONS, canary_image
from bacctl.client.transports.security import Tls, make_security
from bacctl.server.flags import KEY_HEADER
from bacctl.server.repository import ENSEMBLE

if TYPE_CHECKING:
    from bacctl.client.transports.blocking import GrpcTransport
    from bacctl.server.embedded import EmbeddedServer
    from bacctl.server.tls import ServerTls

LAST_CALLS_S = 10.0
"""For the calls under way when a server is to end."""
_PROBE_S = 60.0  # a test image waits behind whatever was sent before it
_COUNT_S = 10.0  # no model has to work for this


def ask(url: str, tls: ServerTls | None = None, timeout: float = _PROBE_S) -> dict[str, Any]:
    """Have a server measure the test image over the address and the protocol that its clients use.

    Where clients need a certificate, the server's own is shown. Returns what `bacctl.Client.server_info`
    does, and raises BacctlError where the server does not answer, or not as it must.
    """
    # Connected anew, as a new client does: a connection that is open proves nothing to others.
    with Client(url, tls=_trust(tls), timeout=timeout, max_retries=0) as client:
        return client.server_info()


def answer_first(url: str, tls: ServerTls | None = None) -> None:
    """Wait until the calls that a server has under way are answered, ten seconds at most.

    Told to end, Triton 2.51 refuses the next step of every call under way. A test image that asks to be the
    last passes the steps behind all that was sent before it.
    """
    transport = _transport(url, tls)
    try:
        with contextlib.suppress(BacctlError):
            transport.infer(canary_image(), {**OPTIONS, LAST: True}, LAST_CALLS_S)
    finally:
        transport.close()


def measured_text(info: dict[str, Any]) -> str:
    """Say in words what `ask` found."""
    return f"Triton {info['triton']} measured the test image; weights {info['model'][:12]}"


def count_answered(server: EmbeddedServer, tls: ServerTls | None) -> int:
    """Ask a server how many requests it has answered since it was started, refusals included.

    Raises
    ------
    BacctlError
        It does not answer.
    """
    from tritonclient.grpc.service_pb2 import ModelStatisticsRequest

    transport = _transport(server.url, tls, ((KEY_HEADER, server.key),))
    try:
        answer, _ = transport._call("ModelStatistics", ModelStatisticsRequest(name=ENSEMBLE), _COUNT_S)
    finally:
        transport.close()
    return sum(
        int(entry.inference_stats.success.count + entry.inference_stats.fail.count)
        for entry in answer.model_stats
    )


def _transport(url: str, tls: ServerTls | None, metadata: tuple[tuple[str, str], ...] = ()) -> GrpcTransport:
    from bacctl.client.transports.blocking import GrpcTransport
    from bacctl.client.transports.endpoints import Endpoints

    security = make_security([url], None, _trust(tls), None, False)
    return GrpcTransport(Endpoints([url]), replace(security, metadata=metadata))


def _trust(tls: ServerTls | None) -> Tls | None:
    if tls is None:
        return None
    own = tls.client_ca is not None
    return Tls(
        ca=tls.certificate,
        certificate=tls.certificate if own else None,
        key=tls.key if own else None,
        server_name=tls.server_name(),
    )
