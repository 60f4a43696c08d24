"""``bacctl serve``: the embedded server in the foreground, for other programs to call."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from typing import Annotated

import typer

from bacctl.cli.guard import CommandError, complain, guarded

_LOOPBACK = ("127.0.0.1", "localhost")
_CHECK_S = 0.5


@guarded
def serve(
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port for gRPC; 0 takes a free one.")] = 8001,
    host: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Address to listen on; 0.0.0.0 for all.")
    ] = "127.0.0.1",
    http_port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port for HTTP, which is off without it.")
    ] = None,
    log: Annotated[
        Path | None, typer.Option(metavar="FILE", dir_okay=False, help="File that Triton's log is added to.")
    ] = None,
) -> None:
    """Serve the model on the embedded Triton until Ctrl-C or SIGTERM. Research use only."""
    from bacctl.client import Client
    from bacctl.embedded import EmbeddedServer

    if host not in _LOOPBACK:
        complain(f"{host}: whoever reaches it can send images; there is neither login nor encryption")
    asked_to_stop = threading.Event()
    # A service manager's way to stop it, and no fault; Ctrl-C stays what it is everywhere.
    signal.signal(signal.SIGTERM, lambda *_: asked_to_stop.set())
    with EmbeddedServer(host=host, port=port, http_port=http_port, log=log) as server:
        with Client(server.url) as client:
            client.server_info()  # with a test image: a server that listens need not be one that answers
        typer.echo(_how_to_call(server.url, server.ports.get("http")))
        while not asked_to_stop.wait(_CHECK_S):
            if not server.running:
                raise CommandError("the server ended by itself; run again with --log FILE to see why")


def _how_to_call(url: str, http_port: int | None) -> str:
    lines = [
        f"serving on {url} (gRPC, KServe v2; model `bac`); research use only",
        f"  shell    bacctl analyze PATH --url {url}",
        f'  Python   bacctl.Client("{url}").analyze(PATH)',
    ]
    if http_port is not None:
        lines.insert(1, f"  HTTP     http://{url.rpartition(':')[0]}:{http_port}/v2/models/bac")
    return "\n".join([*lines, "Ctrl-C stops it"])
