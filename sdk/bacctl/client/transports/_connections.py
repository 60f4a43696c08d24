"""What the gRPC transports for threads and for event loops share: all but the waiting."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

from bac_terms.errors import (
    BacctlError,
    ModelDiedError,
    ServerError,
    ServerOverloadedError,
    ServerTimeoutError,
    ServerUnavailableError,
    from_catalogue,
)
from bacctl._claim import Claim, is_mix_up
from bacctl._version import __version__
from bacctl.client.transports._faults import is_connecting, tls_mismatch, translated
from bacctl.client.transports._look import look
from bacctl.client.transports.endpoints import Endpoints
from bacctl.client.transports.security import Security, is_loopback
from bacctl.client.transports.transport import Answer
from bacctl.client.transports.weights import is_other, judged

# Given arguments replace all of gRPC's defaults.
_OPTIONS = (
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    ("grpc.primary_user_agent", f"bacctl/{__version__}"),
    # A name with several addresses: all of them in turn, those that answer.
    ("grpc.lb_policy_name", "round_robin"),
    # A name is looked up again when a connection to one of its addresses ends, at most this often: with
    # gRPC's own half minute a server that took the place of another would be found late.
    ("grpc.dns_min_time_between_resolutions_ms", 5000),
    # What another client of this process has seen of a server is no reason to wait.
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 1000),
    # How long one attempt to connect may take.
    ("grpc.min_reconnect_backoff_ms", 5000),
    # A machine that has lost its power ends no connection, nor does a firewall that has forgotten one: a call
    # would wait out all of its time. So gRPC asks after 20 s, and the system gives up after another 20 s
    # without a sign of life, gRPC after 60 s without an answer. Not sooner: what is asked waits behind an
    # image on a slow line.
    ("grpc.keepalive_time_ms", 20_000),
)

# What another server may do better, and what this one is to be left alone for.
_ITS_OWN = (ServerUnavailableError, ServerOverloadedError, ServerTimeoutError, ModelDiedError)
# A program that is told to end waits for the thread that waits.
_LONGEST_RETRY_AFTER_S = 10.0

C = TypeVar("C")


class Connections(Generic[C]):
    """Channels to the servers of one client, made when they are needed.

    Parameters
    ----------
    endpoints : Endpoints
        The servers.
    security : Security
        How to speak to them.
    weights : str, optional
        What the SHA-256 of the weights begins with that all answers are to be of.
    """

    def __init__(self, endpoints: Endpoints, security: Security, weights: str | None = None) -> None:
        # Before anything imports gRPC, as tritonclient does: its C core reads this once, and would write
        # lines of its own to stderr beside errors.
        os.environ.setdefault("GRPC_VERBOSITY", "NONE")
        # By which a server that has too much to do tells its callers apart; it says nothing of who they are.
        self.caller = secrets.token_hex(8)
        self.security = security
        self.endpoints = endpoints
        self._weights = weights
        self.closed = False
        self._channels: dict[str, tuple[C, Any]] = {}

    @property
    def url(self) -> str:
        """The servers, to be shown."""
        return ", ".join(self.endpoints.addresses)

    def stub(self, address: str, make: Callable[..., C]) -> Any:
        """Return the methods of a server; `make` makes a channel where there is none yet."""
        if self.closed:
            raise from_catalogue("BAC-CLIENT-CLOSED")
        known = self._channels.get(address)
        if known is None:
            from tritonclient.grpc.service_pb2_grpc import GRPCInferenceServiceStub

            channel = make(address, self._options(address))
            known = self._channels.setdefault(address, (channel, GRPCInferenceServiceStub(channel)))
        return known[1]

    def take_all(self) -> list[C]:
        """Mark everything as closed and return the channels that are to be closed."""
        self.closed = True
        channels = [channel for channel, _ in self._channels.values()]
        self._channels = {}
        return channels

    @contextmanager
    def judging(self, address: str) -> Iterator[Callable[[Answer], Answer]]:
        """Leave a server alone for a while whose answer is another request's, or measured by other weights.

        Yields
        ------
        callable
            Hands on an answer that is by the weights that are wanted.
        """
        try:
            yield lambda answer: judged(answer, self._weights)
        except BacctlError as error:
            if is_mix_up(error) or is_other(error):
                self.endpoints.failed(address)
            raise

    def error(self, fault: Any, address: str, claim: Claim | None = None) -> BacctlError:
        """Turn gRPC's fault into an error, and remember a server that nobody answers at or that errs."""
        if self.closed:
            return from_catalogue("BAC-CLIENT-CLOSED", "the client was closed during the call")
        status, message = fault.code().name, str(fault.details() or "")
        tls = self.security.tls
        error = translated(status, message, address, tls=tls, tag=None if claim is None else claim.tag)
        if type(error) is ServerUnavailableError and is_connecting(message):
            # Of a name with several addresses gRPC quotes only one, which may be the wrong one.
            error = tls_mismatch(address, look(address, self.security), tls=tls) or error
        if isinstance(error, ServerError):
            error.retry_after_s = _retry_after(fault) or error.retry_after_s
            if isinstance(error, _ITS_OWN) or is_mix_up(error):
                another = self.endpoints.failed(address, error.retry_after_s)
                # When this one wants to be asked again is nothing to the other.
                error.retry_after_s = None if another else error.retry_after_s
        return error

    def _options(self, address: str) -> list[tuple[str, Any]]:
        options: list[tuple[str, Any]] = [
            *_OPTIONS,
            # A proxy named in the environment would be asked even for this machine itself.
            ("grpc.enable_http_proxy", int(not is_loopback(address))),
        ]
        if self.security.server_name is not None:
            options.append(("grpc.ssl_target_name_override", self.security.server_name))
        return options


def _retry_after(fault: Any) -> float | None:
    """Read when a server, or a gateway before it, wants to be asked again."""
    for name, value in fault.trailing_metadata() or ():
        # HTTP's, in seconds: a gateway that speaks it may also give a date, which no clock is trusted for.
        if name == "retry-after" and str(value).isascii() and str(value).isdigit():
            return min(float(value), _LONGEST_RETRY_AFTER_S)
    return None


def load_grpc() -> Any:
    """Import gRPC, which takes long, once it is needed."""
    import grpc.aio

    return grpc
