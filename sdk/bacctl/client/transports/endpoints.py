"""Which of several servers the next call goes to."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Sequence

from bac_terms.errors import from_catalogue, unavailable

DEFAULT_PORT = 8001
_REST_S = 10.0
_LAST_PORT = 65535
# An IPv6 address stands in brackets: its colons are not the port's.
_ADDRESS = re.compile(r"(\[[0-9A-Fa-f:.]+(%[\w.~-]+)?\]|[^\s/:,\[\]]+)(:(?P<port>[0-9]{1,5}))?")
_SCHEMES = {"grpc://": False, "grpcs://": True, "dns:///": None}


def parse_urls(urls: str | Sequence[str]) -> tuple[list[str], bool | None]:
    """Read addresses of servers.

    Parameters
    ----------
    urls : str or sequence of str
        ``host``, ``host:port``, ``grpc://host:port`` or, with TLS, ``grpcs://host:port``; several in one
        string with commas between. ``dns:///host:port``, as gRPC writes names, is ``host:port``.
        ``unix:PATH`` for the socket of a server that another program of this user runs for itself.

    Returns
    -------
    addresses : list of str
        ``host:port``; the port is 8001 where none is given.
    tls : bool or None
        Whether the schemes ask for TLS; None where there are none.

    Raises
    ------
    ServerUnavailableError
        One of them is no address.
    ClientUsageError
        There are none, or of both schemes.
    """
    given = [
        url.strip() for several in ([urls] if isinstance(urls, str) else urls) for url in _listed(several)
    ]
    if not given:
        raise from_catalogue("BAC-CLIENT-OPTIONS", "no address of a server is given")
    addresses: list[str] = []
    wanted: set[bool | None] = set()
    for url in given:
        scheme = next((scheme for scheme in _SCHEMES if url.startswith(scheme)), "")
        wanted.add(_SCHEMES.get(scheme))
        addresses.append(_with_port(url, url.removeprefix(scheme).rstrip("/")))
    if len(wanted) > 1:
        raise from_catalogue(
            "BAC-CLIENT-OPTIONS", "the servers of one client all speak TLS or none does, and these are mixed"
        )
    return list(dict.fromkeys(addresses)), wanted.pop()


def _listed(urls: str) -> list[str]:
    return [urls] if urls.startswith("unix:") else urls.split(",")


def _with_port(url: str, address: str) -> str:
    if address.startswith("unix:/"):
        return address
    parts = _ADDRESS.fullmatch(address)
    port = parts["port"] if parts else None
    if parts is None or (port is not None and not 1 <= int(port) <= _LAST_PORT):
        raise unavailable(f"{url!r} is no gRPC address", f"give host:port, such as localhost:{DEFAULT_PORT}")
    return address if port is not None else f"{address}:{DEFAULT_PORT}"


class Endpoints:
    """Takes turns between servers; one that failed is left out for a while. For several threads.

    Parameters
    ----------
    addresses : sequence of str
        At least one.
    rest_s : float, optional
        How long one that failed is left out, in seconds.
    clock : callable, optional
        Seconds that never go back.
    """

    def __init__(
        self,
        addresses: Sequence[str],
        *,
        rest_s: float = _REST_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.addresses = tuple(addresses)
        self._rest_s = rest_s
        self._clock = clock
        self._turn = 0
        self._back_at: dict[str, float] = {}
        self._lock = threading.Lock()

    def pick(self) -> str:
        """Return the server whose turn it is; where all have failed, the one that failed first."""
        with self._lock:
            now = self._clock()
            places = [(self._turn + step) % len(self.addresses) for step in range(len(self.addresses))]
            chosen = min(places, key=lambda place: max(self._back_at.get(self.addresses[place], now), now))
            self._turn = (chosen + 1) % len(self.addresses)
            return self.addresses[chosen]

    def failed(self, address: str, rest_s: float | None = None) -> bool:
        """Leave a server out for a while: nobody answers there, or not as it should.

        Parameters
        ----------
        address : str
            The server.
        rest_s : float, optional
            How long, in seconds; None for as long as usual.

        Returns
        -------
        bool
            Whether another is there to be called meanwhile.
        """
        with self._lock:
            now = self._clock()
            self._back_at[address] = now + (self._rest_s if rest_s is None else rest_s)
            return any(self._back_at.get(other, now) <= now for other in self.addresses)

    def answered(self, address: str) -> None:
        """Take a server back at once: it does answer."""
        with self._lock:
            self._back_at.pop(address, None)
