"""A node put together: listener, queue, worker and one courier for each destination."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bacctl.node.destinations import Destination, courier
from bacctl.node.listener import Listener
from bacctl.node.outbox import Outbox
from bacctl.node.queue import Queue
from bacctl.node.records import Limits, Rules
from bacctl.node.store import Store
from bacctl.node.worker import Maker, Worker
from bacctl.pacs.peers import Caller

if TYPE_CHECKING:
    from bacctl.client.blocking import Client

_TIDY_EVERY_S = 60.0
_DRAIN_S = 30.0
"""How long callers that are there may go on after the node was asked to end, and then each of its threads."""


@dataclass(frozen=True)
class Settings:
    """What a node is told.

    Attributes
    ----------
    folder : Path
        Of the queue.
    title : str
        Its AE title.
    callers : sequence of Caller
        Who may send to it.
    reporters : sequence of Caller
        Who may report to it what it keeps: the archives that results go to.
    limits : Limits
        What the queue may take.
    rules : Rules
        When an exam is measured.
    keep_s : float
        How long images and results stay after they were delivered, so that a view that comes late still
        finds the others.
    most_associations : int
        How many callers at a time.
    min_probability : float or None
        The operating point.
    """

    folder: Path
    title: str
    callers: Sequence[Caller]
    limits: Limits
    rules: Rules
    keep_s: float
    most_associations: int
    min_probability: float | None = None
    reporters: Sequence[Caller] = ()


class Node:
    """A node of the imaging network.

    Parameters
    ----------
    settings : Settings
        What it is told.
    client : Client
        Who measures.
    make : Maker
        What is made of a result.
    destinations : sequence of Destination
        Where results go.
    tell : callable
        Takes lines for the log: UIDs and AE titles, never what names a patient.

    Raises
    ------
    BlockingIOError
        Another node has the queue open.
    FailedError
        The queue is of another release.
    OSError
        Its folder cannot be written.
    """

    def __init__(
        self,
        settings: Settings,
        client: Client,
        make: Maker,
        destinations: Sequence[Destination],
        tell: Callable[[str], None],
    ) -> None:
        self._store = Store(settings.folder, settings.limits)
        self.queue, self.outbox = Queue(self._store), Outbox(self._store)
        self._settings, self._tell, self._ended = settings, tell, threading.Event()
        self._destinations = destinations
        self._listener = Listener(
            self.queue,
            self.outbox,
            title=settings.title,
            callers=settings.callers,
            reporters=settings.reporters,
            most_associations=settings.most_associations,
            tell=tell,
        )
        worker = Worker(
            self.queue,
            client,
            settings.rules,
            make,
            {destination.name: destination.kinds for destination in destinations},
            min_probability=settings.min_probability,
            tell=tell,
        )
        self._threads = [
            threading.Thread(target=worker.run, args=(self._ended,), name="worker", daemon=True),
            threading.Thread(target=self._tidy, name="tidy", daemon=True),
            *(
                threading.Thread(
                    target=courier, args=(destination, self.outbox, self._ended, tell), daemon=True
                )
                for destination in destinations
            ),
        ]

    def start(self, host: str, port: int) -> int:
        """Listen, measure and deliver; return the port.

        Raises
        ------
        OSError
            The address cannot be listened on.
        """
        left = self.queue.counts()
        if left["exams"]:
            self._tell(
                f"the queue holds {left['exams']} exams, {left['due']} of them to be measured, and "
                f"{left['owed']} results to be delivered"
            )
        names = [destination.name for destination in self._destinations]
        for name, count in self.outbox.debts().items():
            if name not in names:
                self._tell(f"{count} results wait for {name}, which is no destination now; give it with --to")
        port = self._listener.start(host, port)
        for thread in self._threads:
            thread.start()
        return port

    def stop(self) -> None:
        """End in order: no new callers, then what is under way comes to its end; the rest is on the disk."""
        self._listener.stop(_DRAIN_S)
        self._ended.set()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(_DRAIN_S)
        self._store.close()

    def _tidy(self) -> None:
        while not self._ended.wait(_TIDY_EVERY_S):
            try:
                self.queue.remove_old(self._settings.keep_s)
            except Exception as error:
                self._tell(f"the queue cannot be tidied ({type(error).__name__}); trying again")
