"""Asks a server whether it measures, the way its clients do, and how much it has answered."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import TYPE_CHECKING, Any, TypeVar

from bac_terms.errors import BacctlError, from_catalogue
from bacctl._claim import LAST
from bacctl.client.blocking import Client
from bacctl.client.canary import OPTIONS, canary_image
from bacctl.client.transports.security import Security, Tls, make_security
from bacctl.server.repository import ENSEMBLE

if TYPE_CHECKING:
    from bacctl.server.embedded import EmbeddedServer
    from bacctl.server.tls import ServerTls

T = TypeVar("T")

LAST_CALLS_S = 10.0
"""For the calls under way when a server is to end."""
_PROBE_S = 60.0  # a test image waits behind whatever was sent before it
_LOOK_S = 0.5
_COUNT_S = 10.0  # no model has to work for this


def ask(url: str, tls: ServerTls | None = None, timeout: float = _PROBE_S) -> dict[str, Any]:
    """Have a server measure the test image over the address and the protocol that its clients use.

    Where clients need a certificate, the server's own is shown. Returns what `bacctl.Client.server_info`
    does, and raises BacctlError where the server does not answer, or not as it must.
    """
    # Connected anew, as a new client does: a connection that is open proves nothing to others.
    with Client(url, tls=_trust(tls), timeout=timeout, max_retries=0) as client:
        return client.server_info()


def ask_unless(fault: Callable[[], str | None], call: Callable[[], T]) -> T:
    """Make a call, and do not wait for it any more once a fault shows that it cannot come back.

    Raises
    ------
    BacctlError
        BAC-SERVER-FAULT, with what `fault` says; or what the call raises.
    """
    outcome: Future[T] = Future()

    def run() -> None:
        try:
            outcome.set_result(call())
        except BaseException as error:  # for whoever waits
            outcome.set_exception(error)

    # Nobody waits for it at the end of the process.
    threading.Thread(target=run, name="bacctl-ask", daemon=True).start()
    while not wait([outcome], _LOOK_S).done:
        why = fault()
        if why is not None:
            raise from_catalogue("BAC-SERVER-FAULT", why)
    return outcome.result()


def answer_first(url: str, tls: ServerTls | None = None) -> None:
    """Wait until the calls that a server has under way are answered, ten seconds at most.

    Told to end, Triton 2.51 refuses the next step of every call under way. A test image that asks to be the
    last passes the steps behind all that was sent before it.
    """
    from bacctl.client.transports.blocking import GrpcTransport
    from bacctl.client.transports.endpoints import Endpoints

    transport = GrpcTransport(Endpoints([url]), make_security([url], None, _trust(tls), None, False))
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

    from bacctl.client.transports.revive import keyed_transport

    transport = keyed_transport(server.url, server.key, _security(server, tls))
    try:
        answer, _ = transport._call("ModelStatistics", ModelStatisticsRequest(name=ENSEMBLE), _COUNT_S)
    finally:
        transport.close()
    return sum(
        int(entry.inference_stats.success.count + entry.inference_stats.fail.count)
        for entry in answer.model_stats
    )


def revive(server: EmbeddedServer) -> bool:
    """Have a server load its dead steps again; return whether that came about."""
    from bacctl.client.transports.revive import LOADING_S
    from bacctl.server.admin import load_model

    steps, admin = server.steps, server.admin
    if steps is None or admin is None:
        return False
    return steps.bring_back(lambda model: load_model(admin, model, LOADING_S))


def _security(server: EmbeddedServer, tls: ServerTls | None) -> Security:
    return make_security([server.url], None, _trust(tls), None, False)


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
