"""What ``bacctl dicom listen`` is told, checked, and what it says of itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bacctl import __version__
from bacctl.cli.archives import TOKEN_VARIABLE
from bacctl.cli.guard import UsageError
from bacctl.node.destinations import ArchiveDestination, Destination, FolderDestination, WebDestination
from bacctl.node.service import Settings
from bacctl.outputs.dicom.make import KINDS, Kind
from bacctl.pacs.peers import Caller, Peer, ae_title
from bacctl.pacs.session import authorization_of
from bacctl.pacs.web import WebArchive
from bacctl.results import INTENDED_USE


@contextmanager
def _usage() -> Iterator[None]:
    """Make a wrong value a wrong usage."""
    try:
        yield
    except ValueError as error:
        raise UsageError(str(error)) from None


def kinds_of(objects: str) -> list[Kind]:
    """Check ``--objects`` and return its kinds."""
    wanted = {kind.strip().lower() for kind in objects.split(",") if kind.strip()}
    for kind in sorted(wanted - set(KINDS)):
        raise UsageError(f"--objects {kind}: unknown; choose from {', '.join(KINDS)}")
    return [kind for kind in KINDS if kind in wanted]


def own_title(text: str) -> str:
    """Check ``--ae-title``."""
    with _usage():
        return ae_title(text)


def callers_of(allow: Sequence[str]) -> list[Caller]:
    """Check ``--allow`` and return who may send."""
    if not allow:
        raise UsageError("nobody may send; name who may with --allow AE or --allow AE@HOST, one for each")
    with _usage():
        return [Caller.parse(text) for text in allow]


def reporters_of(to: Sequence[str]) -> list[Caller]:
    """Return the archives of ``--to``, which may call back with what they have committed themselves to."""
    with _usage():
        peers = [Peer.parse(place) for place in to if not _is_url(place)]
    return [Caller(peer.title, peer.host) for peer in peers]


def destinations_of(
    to: Sequence[str], out: Path | None, title: str, commitment: bool, token_file: Path | None
) -> list[Destination]:
    """Check ``--to`` and ``--out`` and return where results go.

    Parameters
    ----------
    to : sequence of str
        ``AE@HOST:PORT``, or the address of a DICOMweb service.
    out : Path or None
        Folder for documents.
    title : str
        Our AE title.
    commitment : bool
        Whether archives are asked for storage commitment.
    token_file : Path or None
        Holds the token of DICOMweb services.

    Raises
    ------
    UsageError
        An address is none, a token would go there in the clear, or there is no destination.
    """
    found: list[Destination] = [] if out is None else [FolderDestination(out)]
    with _usage():
        for place in dict.fromkeys(to):
            if _is_url(place):
                # Once: the queue tries again, and meanwhile sends what else it has.
                archive = WebArchive(place, authorization_of(token_file, TOKEN_VARIABLE), attempts=1)
                found.append(WebDestination(archive))
            else:
                found.append(ArchiveDestination(Peer.parse(place), title, commit=commitment))
    if not found:
        raise UsageError("results would go nowhere; give --to AE@HOST:PORT, or --out DIR, or both")
    return found


def _is_url(place: str) -> bool:
    return "://" in place


def facts_of(settings: Settings, host: str, port: int, destinations: Sequence[Destination]) -> dict[str, Any]:
    """Return what ``--json`` prints when the node listens."""
    return {
        "intended_use": INTENDED_USE,
        "software": {"bacctl": __version__},
        "ae_title": settings.title,
        "host": host,
        "port": port,
        "queue": str(settings.folder),
        "callers": [str(caller) for caller in settings.callers],
        "destinations": [destination.name for destination in destinations],
    }


def how_to_call(facts: dict[str, Any]) -> str:
    """Put the same into lines."""
    return "\n".join(
        [
            f"{facts['ae_title']} listens on {facts['host']}:{facts['port']}; {facts['intended_use']}",
            f"  from     {', '.join(facts['callers'])}",
            f"  to       {', '.join(facts['destinations'])}",
            f"  queue    {facts['queue']}",
            "SIGTERM or Ctrl-C stops it",
        ]
    )
