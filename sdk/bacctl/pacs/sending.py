"""Sends DICOM files to an application entity, each as it is, and tells what became of each."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pynetdicom import AE, _config
from pynetdicom.association import Association

from bac_imaging.read.dataset import parse_meta
from bac_terms.errors import FailedError
from bacctl._discreet import discreet
from bacctl.pacs.contexts import offers
from bacctl.pacs.peers import Peer

Outcome = Literal["stored", "refused", "failed"]
CONNECT_S = 10.0
ANSWER_S = 60.0
_HEAD_BYTES = 1 << 20  # where the file meta information stands
_SUCCESS, _WARNINGS = 0x0000, range(0xB000, 0xC000)
_OUT_OF_RESOURCES = range(0xA700, 0xA800)
_NO_ANSWER = "the peer did not answer"
_COMMENT_CHARS = 64  # PS3.7 C.1, LO


@dataclass(frozen=True)
class Item:
    """A file to be sent, and what its header says of it."""

    path: Path
    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str


@dataclass(frozen=True)
class Sent:
    """What became of one file.

    Attributes
    ----------
    outcome : {"stored", "refused", "failed"}
        ``refused``: the peer will say the same again. ``failed``: it may take the file another time.
    status : int or None
        The DIMSE status; None where none came.
    reason : str
        Why it was not stored, one line.
    """

    path: Path
    outcome: Outcome
    status: int | None = None
    reason: str = ""


def own_process() -> None:
    """Set up pynetdicom for a process that speaks DICOM for bacctl alone.

    Files are sent as their bytes stand, not parsed and written anew, and never held in memory. What
    pynetdicom logs may quote headers: nothing of it is shown.
    """
    _config.STORE_SEND_CHUNKED_DATASET = True
    logging.getLogger("pynetdicom").setLevel(logging.CRITICAL + 1)


def read_item(path: Path) -> Item:
    """Read what has to be known of a file before it can be sent.

    Raises
    ------
    FailedError
        BAC-FILE-UNREADABLE: it is no DICOM file with file meta information.
    """
    try:
        with discreet():
            with path.open("rb") as file:
                head = file.read(_HEAD_BYTES)
            if not head.startswith(b"DICM", 128):
                raise ValueError("no preamble")
            meta, _ = parse_meta(head)
            found = (meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID, meta.TransferSyntaxUID)
    except OSError as error:
        raise FailedError("BAC-FILE-UNREADABLE", f"the file cannot be read ({error.strerror})") from None
    except Exception:  # pydicom raises whatever its parser stumbles over
        raise FailedError(
            "BAC-FILE-UNREADABLE", "it is no DICOM file with file meta information", "send DICOM files"
        ) from None
    return Item(path, *map(str, found))


@contextmanager
def association(
    peer: Peer, own_title: str, contexts: Sequence[Any], handlers: Sequence[Any] = ()
) -> Iterator[Association]:
    """Open an association, and release it at the end.

    Raises
    ------
    FailedError
        BAC-PACS-UNREACHABLE or BAC-PACS-REFUSED: the peer is away, or does not let us in.
    """
    entity = AE(ae_title=own_title)
    entity.connection_timeout = CONNECT_S
    entity.acse_timeout = entity.network_timeout = entity.dimse_timeout = ANSWER_S
    opened = entity.associate(
        peer.host, peer.port, contexts=list(contexts), ae_title=peer.title, evt_handlers=list(handlers)
    )
    if not opened.is_established:
        if opened.is_rejected:
            raise FailedError("BAC-PACS-REFUSED", f"{peer} does not let {own_title} in")
        raise FailedError(
            "BAC-PACS-UNREACHABLE", f"{peer} does not answer, or takes nothing of what is offered"
        )
    try:
        yield opened
    finally:
        if opened.is_established:
            opened.release()


def echo(peer: Peer, own_title: str) -> None:
    """Ask a peer whether it is there (C-ECHO).

    Raises
    ------
    FailedError
        As for `association`, or it answers with a fault.
    """
    from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]

    with association(peer, own_title, next(offers([(str(Verification), "1.2.840.10008.1.2")]))) as opened:
        answer = opened.send_c_echo()
    if getattr(answer, "Status", None) != _SUCCESS:
        raise FailedError("BAC-PACS-REFUSED", f"{peer} answers the echo with a fault")


def send(
    items: Sequence[Item], peer: Peer, own_title: str, tell: Callable[[Sent], None] = lambda sent: None
) -> list[Sent]:
    """Send files by C-STORE.

    Parameters
    ----------
    items : sequence of Item
        From `read_item`.
    peer : Peer
        Where to.
    own_title : str
        Who we are.
    tell : callable, optional
        Called with what became of each file, as soon as it is known.

    Returns
    -------
    list of Sent
        One a file, in the order of the associations. Never raises for a peer that is away, refuses or
        vanishes.
    """
    results: list[Sent] = []

    def note(sent: Sent) -> None:
        results.append(sent)
        tell(sent)

    for contexts in offers((item.sop_class_uid, item.transfer_syntax_uid) for item in items):
        pairs = {(str(context.abstract_syntax), str(context.transfer_syntax[0])) for context in contexts}
        batch = [item for item in items if (item.sop_class_uid, item.transfer_syntax_uid) in pairs]
        try:
            with association(peer, own_title, contexts) as opened:
                for item in batch:
                    note(_store(opened, item))
        except FailedError as error:
            for item in batch:
                note(Sent(item.path, "failed", None, str(error)))
    return results


def _store(opened: Association, item: Item) -> Sent:
    if not opened.is_established:
        return Sent(item.path, "failed", None, "BAC-PACS-UNREACHABLE: the peer went away in between")
    taken = {(str(cx.abstract_syntax), str(cx.transfer_syntax[0])) for cx in opened.accepted_contexts}
    if (item.sop_class_uid, item.transfer_syntax_uid) not in taken:
        return Sent(
            item.path,
            "refused",
            None,
            "BAC-PACS-REFUSED: the peer takes no objects of this kind and encoding",
        )
    try:
        answer = opened.send_c_store(item.path)
    except (OSError, ValueError, AttributeError, RuntimeError) as error:
        return Sent(item.path, "failed", None, f"it could not be sent ({type(error).__name__})")
    status = getattr(answer, "Status", None)
    if status is None:
        return Sent(item.path, "failed", None, f"BAC-PACS-UNREACHABLE: {_NO_ANSWER}")
    if status == _SUCCESS or status in _WARNINGS:
        return Sent(item.path, "stored", status)
    again = status in _OUT_OF_RESOURCES
    said = str(getattr(answer, "ErrorComment", "") or "")[:_COMMENT_CHARS]
    what = "has no room" if again else "does not take it"
    reason = f"BAC-PACS-REFUSED: the peer {what} (status {status:04X}H{': ' + said if said else ''})"
    return Sent(item.path, "failed" if again else "refused", status, reason)
