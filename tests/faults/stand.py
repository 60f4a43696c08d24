"""A server under fault, embedded or served, and a run of images through it while something happens."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.faults.images import fingerprint
from tests.faults.outcome import Outcome, judge
from tests.faults.relay import Relay

from bacctl import Client
from bacctl.server.embedded import EmbeddedServer

BACCTL = str(Path(sys.executable).with_name("bacctl"))
IN_FLIGHT = 4
_TIMEOUT_S = 240.0


class Stand:
    """What a fault can lay hands on.

    Attributes
    ----------
    way : str
        "embedded" or "served".
    client : Client
        Sends the images.
    relay : Relay or None
        Between client and server, where it is served.
    """

    def __init__(
        self, way: str, client: Client, serve: Serve | None = None, relay: Relay | None = None
    ) -> None:
        self.way, self.client, self.relay, self._serve = way, client, relay, serve

    @property
    def root(self) -> int:
        """The process that all of the server's are below."""
        if self._serve is not None:
            return self._serve.process.pid
        return self._embedded().supervisor_pid()

    def restart(self) -> None:
        """Start the server again, as its owner does: the service manager, or the program that embeds it."""
        if self._serve is None:
            self._embedded().restart()
        else:
            self._serve.stop()
            self._serve.start()

    def kill_all(self) -> None:
        """Kill ``bacctl serve`` itself and have it started again, as a service manager does."""
        assert self._serve is not None
        self._serve.process.kill()
        self._serve.process.wait()
        self._serve.start()

    def _embedded(self) -> _Owned:
        server = self.client._server
        assert server is not None
        return _Owned(server)


class _Owned:
    def __init__(self, server: EmbeddedServer) -> None:
        self._server = server
        self.restart = server.restart

    def supervisor_pid(self) -> int:
        supervisor = self._server._supervisor
        return 0 if supervisor is None else supervisor.pid


class Serve:
    """``bacctl serve`` on one port, started again there as often as needed.

    Parameters
    ----------
    log : Path
        Gets what it says.
    args : str
        More of its options.
    """

    def __init__(self, log: Path, *args: str) -> None:
        self._log, self._args = log, args
        self.port = 0
        self.start()

    def start(self) -> None:
        """Start it and wait until it has measured its test image."""
        with self._log.open("a") as stderr:
            self.process = subprocess.Popen(
                [BACCTL, "serve", "--port", str(self.port), "--json", *self._args],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
                cwd=self._log.parent,
            )
        assert self.process.stdout is not None
        text = ""
        while not text.endswith("\n}\n"):
            line = self.process.stdout.readline()
            assert line, self._log.read_text()
            text += line
        self.port = json.loads(text)["ports"]["grpc"]

    def stop(self) -> None:
        """End it as a service manager does."""
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(120)
        finally:
            self.process.kill()


@contextmanager
def standing(way: str, folder: Path) -> Iterator[Stand]:
    """Give a server with a client, "embedded" or "served"."""
    if way == "embedded":
        with Client.embedded(timeout=_TIMEOUT_S) as client:
            yield Stand(way, client)
        return
    serve = Serve(folder / "serve.log", "--check-every", "2")
    try:
        with Relay(serve.port) as relay, Client(relay.url, timeout=_TIMEOUT_S) as client:
            yield Stand(way, client, serve, relay)
    finally:
        with contextlib.suppress(subprocess.TimeoutExpired):
            serve.stop()


def run(fault: str, stand: Stand, do: Callable[[Stand], object], expected: Mapping[str, str]) -> Outcome:
    """Send images, let the fault happen when the first is back, and judge what came.

    Parameters
    ----------
    fault : str
        Its name.
    stand : Stand
        The server.
    do : callable
        Makes it happen.
    expected : mapping of str to str
        Images, with the fingerprint of what they measure.

    Returns
    -------
    Outcome
    """
    happened: list[float] = []
    failed: list[BaseException] = []

    def happen() -> None:
        happened.append(time.monotonic())
        try:
            do(stand)
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=happen)
    seen, first_good_s = [], None
    paths = list(expected)
    for result in stand.client.analyze_many(paths, max_in_flight=IN_FLIGHT):
        ok = result.status == "ok"
        seen.append((str(result.path), result.status, result.code, fingerprint(result) if ok else None))
        if len(seen) == 1:
            thread.start()
        elif ok and first_good_s is None and happened and len(seen) > IN_FLIGHT:
            first_good_s = round(time.monotonic() - happened[0], 1)
    thread.join()
    if failed:
        raise failed[0]
    outcome = judge(fault, stand.way, seen, expected)
    outcome.first_good_s = first_good_s
    outcome.write()
    return outcome
