"""Keeps an embedded server answering: asks it with a test image, and starts it again where it does not.

The death of a model's process leaves Triton 2.51 "ready" and every request failing, and nothing brings the
process back but a new server. One whose steps mixed up images is not believed again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from bac_terms.errors import BacctlError, ServerOverloadedError, ServerTimeoutError, unavailable
from bacctl._claim import is_mix_up
from bacctl.client.canary import probe
from bacctl.server.flags import KEY_HEADER
from bacctl.server.repository import ENSEMBLE

if TYPE_CHECKING:
    from bacctl.client.transports.blocking import GrpcTransport
    from bacctl.server.embedded import EmbeddedServer
    from bacctl.server.tls import ServerTls

_PROBE_S = 60.0  # a test image waits behind whatever was sent before it
_COUNT_S = 10.0  # no model has to work for this
_MIXED_UP = "the server gave a request the answer to another"


@dataclass(frozen=True)
class WatchRules:
    """When a server is asked and when it is started again.

    Attributes
    ----------
    every_s : float
        Between two test images, in seconds.
    again_s : float
        After one that failed, in seconds: one failure may be a coincidence.
    tolerated : int
        How many may fail in a row before the server is started again.
    restarts : int
        How many of these there may be within `within_s` seconds: a server that does not stay up is better
        given up than kept coming and going.
    within_s : float
        See `restarts`.
    """

    every_s: float = 30.0
    again_s: float = 1.0
    tolerated: int = 2
    restarts: int = 5
    within_s: float = 3600.0


class Watch:
    """Watches one server.

    Parameters
    ----------
    server : EmbeddedServer
        Started.
    ask : callable
        Has the server measure a test image; raises BacctlError where it does not.
    tell : callable
        Gets one line for each thing that goes wrong and each that was done about it.
    answered : callable
        Returns how many requests the server has answered so far: a test image that does not come back in time
        from a server that answers others is only waiting behind them.
    rules : WatchRules, optional
        When.
    clock : callable, optional
        Seconds that never go back.
    mixed_up : callable, optional
        Says whether the server found that its steps mixed up images: no test image is waited for then.
    """

    def __init__(
        self,
        server: EmbeddedServer,
        ask: Callable[[], object],
        tell: Callable[[str], object],
        answered: Callable[[], int],
        rules: WatchRules | None = None,
        clock: Callable[[], float] = time.monotonic,
        mixed_up: Callable[[], bool] = lambda: False,
    ) -> None:
        self._server = server
        self._mixed_up = mixed_up
        self._ask = ask
        self._tell = tell
        self._answered = answered
        self._count = 0
        self._rules = rules or WatchRules()
        self._clock = clock
        self._failures = 0
        self._next = clock() + self._rules.every_s
        self._restarts: list[float] = []

    def step(self) -> None:
        """Look once, and do what is due. Quick while all is well and no test image is due.

        Raises
        ------
        ServerUnavailableError
            The server had to be started again too often.
        """
        if not self._server.running:
            self._restart("the server ended by itself")
            return
        if self._mixed_up():
            self._restart(_MIXED_UP)
            return
        if self._clock() < self._next:
            return
        try:
            self._ask()
        except BacctlError as error:
            if is_mix_up(error):
                self._restart(_MIXED_UP)
                return
            if isinstance(error, (ServerTimeoutError, ServerOverloadedError)) and self._moves():
                self._well()
                return
            self._failures += 1
            self._next = self._clock() + self._rules.again_s
            self._tell(f"test image {self._failures} of {self._rules.tolerated} failed: {error}")
            if self._failures >= self._rules.tolerated:
                self._restart("the server does not answer as it must")
        else:
            self._well()

    def _moves(self) -> bool:
        """Tell whether others have been answered since this was asked last."""
        try:
            count = self._answered()
        except BacctlError:
            return False
        before, self._count = self._count, count
        return count > before

    def _well(self) -> None:
        self._failures = 0
        self._next = self._clock() + self._rules.every_s

    def _restart(self, why: str) -> None:
        while True:
            start = self._clock()
            rules = self._rules
            self._restarts = [moment for moment in self._restarts if start - moment < rules.within_s]
            if len(self._restarts) >= rules.restarts:
                raise unavailable(
                    f"{why}, after {rules.restarts} new starts within {rules.within_s / 60:.0f} minutes",
                    "run again with --log FILE to see why",
                )
            self._restarts.append(start)
            self._count = 0
            self._tell(f"{why}: starting it again ({len(self._restarts)} of at most {rules.restarts})")
            try:
                self._server.restart()
                self._ask()
            except BacctlError as error:
                why = f"the new start failed ({error})"
                continue
            self._well()
            self._tell(f"the server answers again at {self._server.url}, after {self._clock() - start:.1f} s")
            return


def ask_public_face(server: EmbeddedServer, tls: ServerTls | None) -> dict[str, str]:
    """Have a server measure the test image over the address and the protocol that its clients use.

    Parameters
    ----------
    server : EmbeddedServer
        Started.
    tls : ServerTls or None
        What it was started with. Where clients need a certificate, the server's own is shown.

    Returns
    -------
    dict
        ``"triton"``, its version, and ``"model"``, the SHA-256 of the weights.

    Raises
    ------
    BacctlError
        It does not answer, or not as it must.
    """
    with _connection(server, tls) as transport:
        answer = probe(transport, _PROBE_S)
        return {"triton": transport.metadata()[1], "model": str(answer.report["weights_sha256"])}


def count_answered(server: EmbeddedServer, tls: ServerTls | None) -> int:
    """Ask a server how many requests it has answered since it was started, refusals included.

    Parameters
    ----------
    server, tls
        As for `ask_public_face`.

    Returns
    -------
    int

    Raises
    ------
    BacctlError
        It does not answer.
    """
    from tritonclient.grpc.service_pb2 import ModelStatisticsRequest

    with _connection(server, tls, ((KEY_HEADER, server.key),)) as transport:
        answer, _ = transport._call("ModelStatistics", ModelStatisticsRequest(name=ENSEMBLE), _COUNT_S)
    return sum(
        int(entry.inference_stats.success.count + entry.inference_stats.fail.count)
        for entry in answer.model_stats
    )


@contextmanager
def _connection(
    server: EmbeddedServer, tls: ServerTls | None, metadata: tuple[tuple[str, str], ...] = ()
) -> Iterator[GrpcTransport]:
    """Connect anew, as a new client does: a connection that is open proves nothing to others."""
    from bacctl.client.transports.blocking import GrpcTransport
    from bacctl.client.transports.endpoints import Endpoints
    from bacctl.client.transports.security import Tls, make_security

    trust: Tls | None = None
    if tls is not None:
        own = tls.client_ca is not None
        trust = Tls(
            ca=tls.certificate,
            certificate=tls.certificate if own else None,
            key=tls.key if own else None,
            server_name=tls.server_name(),
        )
    security = make_security([server.url], None, trust, None, False)
    transport = GrpcTransport(Endpoints([server.url]), replace(security, metadata=metadata))
    try:
        yield transport
    finally:
        transport.close()
