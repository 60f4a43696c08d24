"""Storage commitment (PS3.4 annex J): the archive says that it keeps what it was sent."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydicom import Dataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import build_context, evt
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    StorageCommitmentPushModel,
    StorageCommitmentPushModelInstance,
    Verification,
)

from bacctl._discreet import discreet
from bacctl.pacs.peers import Peer
from bacctl.pacs.sending import association

# Some archives answer on the same association; most call back.
_SAME_ASSOCIATION_S = 2.0
_REQUEST = 1  # the only type of action, PS3.4 J.3.2.1
_CANNOT_PROCESS = 0x0110
_SYNTAXES: list[Any] = [ExplicitVRLittleEndian, ImplicitVRLittleEndian]

Answer = Literal["taken", "refused", "not offered"]


@dataclass(frozen=True)
class Report:
    """What an archive says of one request: SOP Instance UIDs that it keeps, and those that it does not."""

    transaction_uid: str
    kept: frozenset[str]
    lost: frozenset[str]


def read_report(event: Any) -> tuple[int, Report | None]:
    """Read an N-EVENT-REPORT; return the status to answer with, and what it says."""
    try:
        with discreet():
            told: Dataset = event.event_information
            report = Report(
                str(told.TransactionUID),
                frozenset(
                    str(item.ReferencedSOPInstanceUID) for item in told.get("ReferencedSOPSequence", [])
                ),
                frozenset(str(item.ReferencedSOPInstanceUID) for item in told.get("FailedSOPSequence", [])),
            )
    except Exception:  # pydicom raises whatever its parser stumbles over
        return _CANNOT_PROCESS, None
    return 0x0000, report


def ask(
    peer: Peer,
    own_title: str,
    objects: Sequence[tuple[str, str]],
    transaction_uid: str,
    on_report: Callable[[Report], None],
) -> Answer:
    """Ask a peer to commit itself to objects that it has stored.

    Parameters
    ----------
    peer : Peer
        The archive.
    own_title : str
        Who we are; the archive calls back by this title.
    objects : sequence of (str, str)
        SOP class and SOP instance of each.
    transaction_uid : str
        A new UID; the report carries it.
    on_report : callable
        Called where the answer comes on this association; another comes to whoever listens.

    Returns
    -------
    {"taken", "refused", "not offered"}
        What the peer says of the request.

    Raises
    ------
    FailedError
        The peer is away, or lets nobody in.
    """
    came = threading.Event()

    def reported(event: Any) -> tuple[int, None]:
        status, report = read_report(event)
        if report is not None:
            on_report(report)
        came.set()
        return status, None

    request = Dataset()
    request.TransactionUID = transaction_uid
    request.ReferencedSOPSequence = [_reference(*pair) for pair in objects]
    # With the echo, so that a peer without the service lets us in all the same, and is known from one away.
    offered = [
        build_context(Verification, _SYNTAXES),
        build_context(StorageCommitmentPushModel, _SYNTAXES),
    ]
    with association(peer, own_title, offered, [(evt.EVT_N_EVENT_REPORT, reported)]) as opened:
        if not any(cx.abstract_syntax == StorageCommitmentPushModel for cx in opened.accepted_contexts):
            return "not offered"
        answer, _ = opened.send_n_action(
            request, _REQUEST, StorageCommitmentPushModel, StorageCommitmentPushModelInstance
        )
        if getattr(answer, "Status", None) != 0x0000:
            return "refused"
        came.wait(_SAME_ASSOCIATION_S)
        return "taken"


def _reference(sop_class_uid: str, sop_instance_uid: str) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = sop_class_uid
    item.ReferencedSOPInstanceUID = sop_instance_uid
    return item
