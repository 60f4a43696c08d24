"""Where a node's results go: application entities, DICOMweb services, a folder."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from pydicom.uid import generate_uid

from bac_imaging.files import write_whole
from bac_terms.errors import FailedError
from bacctl.node.outbox import Outbox
from bacctl.node.records import Delivery, Kind
from bacctl.node.worker import LOOK_EVERY_S, backoff
from bacctl.pacs.commitment import Report, ask
from bacctl.pacs.peers import Peer
from bacctl.pacs.sending import read_item, send
from bacctl.pacs.web import WebArchive

_FIRST_DELAY_S, _LONGEST_DELAY_S = 5.0, 600.0
_REPORT_S = 600.0
_ASKED = 5
"""After so many requests for commitment without a report, the word of C-STORE is taken for it."""


class Destination(Protocol):
    """A place that results go to."""

    name: str
    kinds: frozenset[Kind]

    def deliver(self, owed: Sequence[Delivery], outbox: Outbox, tell: Callable[[str], None]) -> None:
        """Send results, and note in the outbox what became of each."""

    def confirm(self, stored: Sequence[Delivery], outbox: Outbox, tell: Callable[[str], None]) -> None:
        """Ask for commitment to results that were stored."""


class ArchiveDestination:
    """An application entity that takes results by C-STORE and, where it offers that, commits itself to them.

    Parameters
    ----------
    peer : Peer
        The archive.
    own_title : str
        Who we are.
    commit : bool
        Whether to ask for commitment.
    """

    kinds: frozenset[Kind] = frozenset({"dicom"})

    def __init__(self, peer: Peer, own_title: str, *, commit: bool) -> None:
        self.name = str(peer)
        self._peer, self._title, self._commit = peer, own_title, commit

    def deliver(self, owed: Sequence[Delivery], outbox: Outbox, tell: Callable[[str], None]) -> None:
        """Send by C-STORE, all of an exam in one association."""
        by_path = {delivery.path: delivery for delivery in owed}
        for sent in send([read_item(path) for path in by_path], self._peer, self._title):
            delivery = by_path[sent.path]
            if sent.outcome == "stored":
                outbox.delivered(delivery, "stored" if self._commit else "done")
            else:
                _note_failure(delivery, outbox, tell, sent.reason, final=sent.outcome == "refused")

    def confirm(self, stored: Sequence[Delivery], outbox: Outbox, tell: Callable[[str], None]) -> None:
        """Ask for storage commitment, all of an exam in one request."""
        transaction = str(generate_uid())
        # Noted before it is asked: the answer may come at once.
        outbox.asked(stored, transaction, _REPORT_S)

        def reported(report: Report) -> None:
            kept, lost = outbox.reported(report.transaction_uid, report.kept, report.lost)
            tell(f"{self.name}: keeps {kept} results for good, and has lost {lost}")

        objects = [(delivery.sop_class_uid, delivery.sop_instance_uid) for delivery in stored]
        try:
            answer = ask(self._peer, self._title, objects, transaction, reported)
        except FailedError as error:
            tell(f"{self.name}: not asked for commitment ({error.reason})")
            return
        if answer == "taken" and min(delivery.attempts for delivery in stored) < _ASKED:
            return
        if answer != "not offered":
            tell(
                f"{self.name}: {stored[0].study_instance_uid}: stored; commitment was asked for and not given"
            )
        for delivery in stored:
            outbox.delivered(delivery, "done")


class WebDestination:
    """A DICOMweb service that takes results by STOW-RS.

    Parameters
    ----------
    archive : WebArchive
        The service.
    """

    kinds: frozenset[Kind] = frozenset({"dicom"})

    def __init__(self, archive: WebArchive) -> None:
        self.name = archive.url
        self._archive = archive

    def deliver(self, owed: Sequence[Delivery], outbox: Outbox, tell: Callable[[str], None]) -> None:
        """Store one by one."""
        for delivery in owed:
            try:
                self._archive.store(delivery.path.read_bytes())
            except FailedError as error:
                final = error.code == "BAC-PACS-REFUSED"
                _note_failure(delivery, outbox, tell, str(error), final=final)
            else:
                outbox.delivered(delivery, "done")

    def confirm(self, stored: Sequence[Delivery], outbox: Outbox, tell: Callable[[str], None]) -> None:
        """Do nothing: DICOMweb has no storage commitment."""


class FolderDestination:
    """A folder that takes the JSON document of each exam, one file a measurement.

    Parameters
    ----------
    folder : Path
        Made where it is missing.
    """

    kinds: frozenset[Kind] = frozenset({"json"})

    def __init__(self, folder: Path) -> None:
        self.name = str(folder.absolute())
        self._folder = folder

    def deliver(self, owed: Sequence[Delivery], outbox: Outbox, tell: Callable[[str], None]) -> None:
        """Write ``STUDY.REVISION.json``; the study's UID was checked when its first image came."""
        for delivery in owed:
            name = f"{delivery.study_instance_uid}.{delivery.revision}.json"
            try:
                self._folder.mkdir(parents=True, exist_ok=True)
                write_whole(self._folder / name, delivery.path.read_bytes(), synced=True)
            except OSError as error:
                _note_failure(delivery, outbox, tell, f"cannot be written ({error.strerror})", final=False)
            else:
                outbox.delivered(delivery, "done")

    def confirm(self, stored: Sequence[Delivery], outbox: Outbox, tell: Callable[[str], None]) -> None:
        """Do nothing: a folder has no storage commitment."""


def courier(
    destination: Destination, outbox: Outbox, ended: threading.Event, tell: Callable[[str], None]
) -> None:
    """Carry results to one destination until `ended`. One that is away holds up no other."""
    while not ended.is_set():
        try:
            owed = outbox.owed(destination.name)
            if owed:
                destination.deliver(owed, outbox, tell)
            stored = [] if owed else outbox.owed(destination.name, "stored")
            if stored:
                destination.confirm(stored, outbox, tell)
            pause = 0.0 if owed or stored else LOOK_EVERY_S
        except Exception as error:  # the queue's disk, most likely
            tell(f"{destination.name}: {type(error).__name__} while results were carried; trying again")
            pause = _FIRST_DELAY_S
        ended.wait(pause)


def _note_failure(
    delivery: Delivery, outbox: Outbox, tell: Callable[[str], None], reason: str, *, final: bool
) -> None:
    where = f"{delivery.destination}: {delivery.sop_instance_uid or delivery.study_instance_uid}: {reason}"
    if final:
        outbox.delivered(delivery, "refused")
        tell(f"{where}; kept, and tried again at the next start")
    else:
        delay = backoff(delivery.attempts, _FIRST_DELAY_S, _LONGEST_DELAY_S)
        outbox.retry(delivery, delay)
        tell(f"{where}; again in {delay:.0f} s")
