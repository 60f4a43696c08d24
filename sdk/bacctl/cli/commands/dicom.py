"""``bacctl dicom``: a node that measures what archives send, and a sender."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from typing import Annotated

import typer

from bacctl.cli.archives import EXTRA, DicomwebToken
from bacctl.cli.extras import needs
from bacctl.cli.guard import EXIT_SOME_FAILED, CommandError, UsageError, complain, guarded
from bacctl.cli.options import AsJson, LogJson, MinProbability, ServerOptions, calls_server, point_of
from bacctl.cli.sink import Sink, form_of

dicom_app = typer.Typer(
    help="Receive mammograms and send results over the network. Research use only.", no_args_is_help=True
)

_Title = Annotated[str, typer.Option("--ae-title", metavar="AE", help="Our own AE title.")]


@dicom_app.command()
@guarded
@calls_server
def listen(
    allow: Annotated[
        list[str] | None,
        typer.Option(metavar="AE[@HOST]", help="Who may send; give one for each. Nobody else is let in."),
    ] = None,
    to: Annotated[
        list[str] | None,
        typer.Option(
            metavar="AE@HOST:PORT|URL", help="Where results go, by C-STORE or to a DICOMweb service; several."
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where a JSON document of each exam is written.")
    ] = None,
    queue: Annotated[
        Path, typer.Option(metavar="DIR", help="Where images wait; on a disk of this machine.")
    ] = Path("bacctl-queue"),
    ae_title: _Title = "BACCTL",
    host: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Address to listen on; 0.0.0.0 for all.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = 11112,
    settle: Annotated[
        float, typer.Option(metavar="S", min=0.0, help="Seconds after the last image of four views.")
    ] = 10.0,
    quiet_time: Annotated[
        float,
        typer.Option(metavar="S", min=0.0, help="Seconds after the last image where views are missing."),
    ] = 300.0,
    keep: Annotated[
        float, typer.Option(metavar="H", min=0.0, help="Hours that an exam stays after it was delivered.")
    ] = 24.0,
    max_disk: Annotated[
        float, typer.Option(metavar="GB", min=0.0, help="What the queue may take; more is not acknowledged.")
    ] = 50.0,
    max_associations: Annotated[
        int,
        typer.Option(metavar="N", min=1, max=100, help="Callers at a time, each with an image in memory."),
    ] = 4,
    objects: Annotated[
        str, typer.Option(metavar="LIST", help="What is made for archives: of sr, seg, pm, sc, pr.")
    ] = "sr,seg,pm,sc,pr",
    commitment: Annotated[
        bool, typer.Option(help="Ask archives that offer it for storage commitment.")
    ] = True,
    dicomweb_token_file: DicomwebToken = None,
    min_probability: MinProbability = None,
    log_json: LogJson = False,
    log_uids: Annotated[
        bool, typer.Option("--log-uids", help="Leave UIDs as they are in a log as JSON.")
    ] = False,
    as_json: AsJson = False,
    *,
    server: ServerOptions,
) -> None:
    """Measure the exams that archives send, and send the results on, until Ctrl-C or SIGTERM.

    An image is acknowledged once it is safe on the disk. Research use only.
    """
    point = point_of(min_probability)
    with needs(EXTRA):
        from bacctl._log_lines import log_lines
        from bacctl.cli.connect import connect
        from bacctl.cli.listening import (
            callers_of,
            destinations_of,
            facts_of,
            how_to_call,
            kinds_of,
            own_title,
            reporters_of,
        )
        from bacctl.keeper.notify import notify
        from bacctl.node.objects import objects_of
        from bacctl.node.records import Limits, Rules
        from bacctl.node.service import Node, Settings
        from bacctl.pacs.sending import own_process
    own_process()
    tell = log_lines("dicom listen", as_json=log_json, uids=log_uids)
    kinds = kinds_of(objects)
    settings = Settings(
        folder=queue,
        title=own_title(ae_title),
        callers=callers_of(allow or []),
        reporters=reporters_of(to or []),
        limits=Limits(int(max_disk * 1e9)),
        rules=Rules(settle, max(quiet_time, settle)),
        keep_s=keep * 3600,
        most_associations=max_associations,
        min_probability=point,
    )
    destinations = destinations_of(to or [], out, settings.title, commitment, dicomweb_token_file)
    strangers = [caller.title for caller in settings.callers if caller.host is None]
    if host not in ("127.0.0.1", "localhost") and strangers:
        complain(
            f"{host}: whoever knows the title {', '.join(strangers)} can send; name hosts, --allow AE@HOST"
        )
    asked_to_stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: asked_to_stop.set())
    with Sink(form_of(as_json)) as sink:
        with sink.waiting("starting the server"):
            client = connect(server, density="pm" in kinds)
        with client:
            try:
                node = Node(settings, client, lambda exam: objects_of(exam, kinds), destinations, tell)
            except BlockingIOError:
                raise CommandError(f"{queue}: another node has this queue; give another --queue") from None
            try:
                port = node.start(host, port)
                facts = facts_of(settings, host, port, destinations)
                sink.document(facts)
                sink.text(how_to_call(facts))
                notify("READY=1")
                asked_to_stop.wait()
            finally:
                notify("STOPPING=1")
                node.stop()


@dicom_app.command()
@guarded
def send(
    paths: Annotated[
        list[Path], typer.Argument(metavar="PATH", readable=False, help="DICOM files, and folders of them.")
    ],
    to: Annotated[str, typer.Option(metavar="AE@HOST:PORT", help="Where to.")],
    ae_title: _Title = "BACCTL",
    as_json: AsJson = False,
) -> None:
    """Send DICOM files by C-STORE, each as it is.

    Leaves with 0 when the peer has stored every file, with 1 when it has not. Research use only.
    """
    with needs(EXTRA):
        from bac_terms.errors import FailedError
        from bacctl.pacs.peers import Peer
        from bacctl.pacs.peers import ae_title as checked_title
        from bacctl.pacs.sending import Sent, own_process, read_item
        from bacctl.pacs.sending import send as send_items
    try:
        peer, own = Peer.parse(to), checked_title(ae_title)
    except ValueError as error:
        raise UsageError(str(error)) from None
    own_process()
    items, results = [], []
    for path in _files(paths):
        try:
            items.append(read_item(path))
        except FailedError as error:
            results.append(Sent(path, "failed", None, str(error)))
            complain(f"{path}: {error}")

    def tell(sent: Sent) -> None:
        if sent.outcome != "stored":
            complain(f"{sent.path}: {sent.reason}")

    with Sink(form_of(as_json)) as sink:
        results += send_items(items, peer, own, tell)
        stored = sum(sent.outcome == "stored" for sent in results)
        sink.document(
            {
                "to": str(peer),
                "stored": stored,
                "files": [
                    {"path": str(s.path), "outcome": s.outcome, "status": s.status, "reason": s.reason}
                    for s in results
                ],
            }
        )
        sink.text(f"{peer} stored {stored} of {len(results)} files")
    if stored < len(results) or not results:
        raise typer.Exit(EXIT_SOME_FAILED)


@dicom_app.command()
@guarded
def echo(
    to: Annotated[str, typer.Argument(metavar="AE@HOST:PORT", help="Whom to ask.")],
    ae_title: _Title = "BACCTL",
) -> None:
    """Ask an archive whether it is there and lets us in (C-ECHO)."""
    with needs(EXTRA):
        from bacctl.pacs.peers import Peer
        from bacctl.pacs.peers import ae_title as checked_title
        from bacctl.pacs.sending import echo as ask
        from bacctl.pacs.sending import own_process
    try:
        peer, own = Peer.parse(to), checked_title(ae_title)
    except ValueError as error:
        raise UsageError(str(error)) from None
    own_process()
    ask(peer, own)
    with Sink() as sink:
        sink.text(f"{peer} answers {own}")


def _files(paths: list[Path]) -> list[Path]:
    """Return the files of paths, those of folders sorted; hidden ones are left out there."""
    found: dict[Path, None] = {}
    for path in paths:
        if not path.exists():
            raise UsageError(f"{path}: there is no such file or folder; check the path")
        inside = sorted(one for one in path.rglob("[!.]*") if one.is_file()) if path.is_dir() else [path]
        found.update(dict.fromkeys(inside))
    return list(found)
