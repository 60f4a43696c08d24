"""``bacctl serve``: the embedded server in the foreground, for other programs to call."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bacctl.cli.guard import CommandError, UsageError, complain, guarded
from bacctl.cli.options import AsJson, LogJson
from bacctl.cli.sink import Sink, form_of

if TYPE_CHECKING:
    from bacctl.server.embedded import EmbeddedServer
    from bacctl.server.tls import ServerTls

_LOOPBACK = ("127.0.0.1", "localhost")


@guarded
def serve(
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port for gRPC; 0 takes a free one.")] = 8001,
    host: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Address to listen on; 0.0.0.0 for all.")
    ] = "127.0.0.1",
    http_port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port for HTTP, which is off without it.")
    ] = None,
    metrics_port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="Port for Prometheus metrics, which are off without it."),
    ] = None,
    model_config: Annotated[
        str, typer.Option(metavar="NAME", help="How the models are run: cpu, or torch, by PyTorch.")
    ] = "cpu",
    tls_cert: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Certificate (PEM) of the server: gRPC is encrypted.")
    ] = None,
    tls_key: Annotated[Path | None, typer.Option(metavar="FILE", help="Its private key (PEM).")] = None,
    tls_ca: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Let in only clients with a certificate of this authority (PEM)."),
    ] = None,
    check_every: Annotated[
        float,
        typer.Option(
            metavar="S",
            min=1.0,
            help="Seconds between two test images; a server that fails two of them is started again.",
        ),
    ] = 30.0,
    log: Annotated[
        Path | None, typer.Option(metavar="FILE", dir_okay=False, help="File that Triton's log is added to.")
    ] = None,
    log_json: LogJson = False,
    as_json: AsJson = False,
) -> None:
    """Serve the model on the embedded Triton until Ctrl-C or SIGTERM.

    Says so when a test image has been measured over the address that clients use, and goes on looking.
    Research use only.
    """
    tls = _tls(tls_cert, tls_key, tls_ca)
    if tls is not None and http_port is not None and host not in _LOOPBACK:
        raise UsageError("--http-port: Triton's HTTP has no TLS; leave it out, or put a gateway in front")

    from bacctl._log_lines import log_lines
    from bacctl.keeper.ask import answer_first, ask, ask_unless, count_answered, revive
    from bacctl.keeper.notify import notify
    from bacctl.keeper.restart import Restarts
    from bacctl.keeper.watch import Watch, WatchRules
    from bacctl.server.embedded import EmbeddedServer
    from bacctl.server.renewal import KeptTls
    from bacctl.server.standstill import Standstill

    tell = log_lines("serve", as_json=log_json)
    kept = None
    if tls is not None:
        tls.server_name()  # what is wrong with them is told of the files themselves
        kept = KeptTls(tls, tell)
        tls = kept.used
    if host not in _LOOPBACK and (tls is None or tls.client_ca is None):
        lacks = "neither login nor encryption" if tls is None else "no login"
        complain(f"{host}: whoever reaches it can send images; there is {lacks}")
    asked_to_stop = threading.Event()
    # A service manager's way to stop it, and no fault; Ctrl-C stays what it is everywhere.
    signal.signal(signal.SIGTERM, lambda *_: asked_to_stop.set())
    server = EmbeddedServer(
        host=host,
        port=port,
        http_port=http_port,
        metrics_port=metrics_port,
        model_config=model_config,
        tls=tls,
        log=log,
    )
    with Sink(form_of(as_json)) as sink:
        try:
            with sink.waiting("starting the server"):
                server.start()
                ready = _facts(server, host, model_config, tls, _first_answer(server, tls))
            sink.document(ready)
            sink.text(_how_to_call(ready))
            notify("READY=1\nSTATUS=measured the test image; watching")
            restarts = Restarts(
                server,
                lambda: ask(server.url, tls),
                tell,
                revive=lambda: revive(server),
                wait=asked_to_stop.wait,
            )
            standstill = Standstill(server)

            def ask_it() -> None:
                # Behind a long queue it takes a while, in which a step may die.
                with standstill.call():
                    ask_unless(lambda: _fault_of(server), lambda: ask(server.url, tls))

            watch = Watch(
                "the server",
                ask=ask_it,
                tell=tell,
                ended=lambda: _fault_of(server) or (None if kept is None else kept.due()),
                mixed_up=lambda: server.mixed_up,
                answered=lambda: count_answered(server, tls),
                rules=WatchRules(every_s=check_every),
            )
            for why in watch.faults(asked_to_stop):
                if kept is not None and kept.due():
                    answer_first(server.url, tls)
                    kept.take()
                restarts.start_again(why)
        finally:
            notify("STOPPING=1")
            try:
                if server.running:
                    answer_first(server.url, tls)
            finally:
                server.stop(answer_first=True)


def _tls(certificate: Path | None, key: Path | None, client_ca: Path | None) -> ServerTls | None:
    from bacctl.server.tls import ServerTls

    for flag, path in (("--tls-cert", certificate), ("--tls-key", key), ("--tls-ca", client_ca)):
        if path is not None and not os.path.isfile(path):
            raise UsageError(f"{flag} {path}: there is no such file; check the path")
    if certificate is not None and key is not None:
        return ServerTls(certificate, key, client_ca)
    if certificate is not None or key is not None or client_ca is not None:
        raise UsageError("--tls-cert and --tls-key: give both; --tls-ca, for clients, goes with them")
    return None


def _first_answer(server: EmbeddedServer, tls: ServerTls | None) -> dict[str, Any]:
    """Have the test image measured: a server that listens need not be one that answers."""
    from bac_terms.errors import TlsError
    from bacctl.keeper.ask import ask

    start = time.monotonic()
    try:
        info = ask(server.url, tls)
    except TlsError as error:
        raise CommandError(
            f"the server does not let its own test image in ({error.reason}); with --tls-ca, its certificate "
            "must be of that authority and good for servers and clients (extendedKeyUsage serverAuth, "
            "clientAuth)"
        ) from None
    return {**info, "seconds": round(time.monotonic() - start, 1)}


def _facts(
    server: EmbeddedServer, host: str, model_config: str, tls: ServerTls | None, info: dict[str, Any]
) -> dict[str, Any]:
    """Put together what whoever calls the server should know."""
    from bacctl import __version__
    from bacctl.results import INTENDED_USE

    mutual = tls is not None and tls.client_ca is not None
    return {
        "intended_use": INTENDED_USE,
        "url": server.url,
        "host": host,
        "ports": dict(server.ports),
        "tls": "mutual" if mutual else "server" if tls is not None else "none",
        "name": tls.server_name() if tls is not None else None,
        "model_config": model_config,
        "software": {"bacctl": __version__, "model": info["model"], "triton": info["triton"]},
        "test_image_s": info["seconds"],
    }


def _how_to_call(facts: dict[str, Any]) -> str:
    url, ports, software = facts["url"], facts["ports"], facts["software"]
    name = facts["name"]
    flags = {"none": "", "server": " --tls-ca CA", "mutual": " --tls-ca CA --tls-cert CERT --tls-key KEY"}
    called = url if name is None else f"{name}:{ports['grpc']}"
    protocol = {"none": "gRPC", "server": "gRPC with TLS", "mutual": "gRPC with mutual TLS"}[facts["tls"]]
    lines = [
        f"serving on {url} ({protocol}, KServe v2; model `bac`); {facts['intended_use']}",
        f"  measured a test image over this address in {facts['test_image_s']} s",
        f"  bacctl {software['bacctl']}, Triton {software['triton']}, weights {software['model'][:12]}, "
        f"configuration {facts['model_config']}",
    ]
    machine = url.rpartition(":")[0]
    if "http" in ports:
        lines.append(f"  HTTP     http://{machine}:{ports['http']}/v2/models/bac")
    if "metrics" in ports:
        lines.append(f"  metrics  http://{machine}:{ports['metrics']}/metrics")
    lines.append(f"  shell    bacctl analyze PATH --url {called}{flags[facts['tls']]}")
    if facts["tls"] == "none":
        lines.append(f'  Python   bacctl.Client("{url}").analyze(PATH)')
    return "\n".join([*lines, "Ctrl-C stops it"])


def _fault_of(server: EmbeddedServer) -> str | None:
    """Say what can be seen from outside to have ended; None where everything is there."""
    if not server.running:
        return "the server ended by itself"
    dead = server.dead_steps()
    return f"the process of {', '.join(dead)} has died" if dead else None
