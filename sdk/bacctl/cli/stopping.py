"""SIGTERM and SIGHUP stop a command as Ctrl-C does: what was done so far is kept.

``timeout``, schedulers and ``docker stop`` send SIGTERM; a terminal or a connection that is closed, SIGHUP.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

# Windows has no SIGHUP.
_OURS = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))
_OPEN_FILES = "/proc/self/fd"


class Stopped(KeyboardInterrupt):
    """A signal asked the process to end."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


def exit_code(stop: BaseException | None = None) -> int:
    """Return what a shell says of a program that a signal ended: 130 for Ctrl-C, 143 for SIGTERM."""
    return 128 + int(getattr(stop, "number", signal.SIGINT))


def listen() -> None:
    """Make both signals raise `Stopped`, unless whoever started the process has it ignore them, as nohup."""
    terminals = _terminals()

    def stop(number: int, _: FrameType | None) -> None:
        # A second one must not cost what is kept after the first. No SIG_IGN, which children inherit.
        for one in _OURS:
            signal.signal(one, lambda *_: None)
        _let_go_of(terminals)
        raise Stopped(number)

    for number in _OURS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, stop)


@contextmanager
def deferred() -> Iterator[None]:
    """Let a block come to its end before a signal that stops the command does its work.

    Raises
    ------
    KeyboardInterrupt
        At the end of the block: such a signal came meanwhile.
    """
    if threading.current_thread() is not threading.main_thread():  # no signal is handled here
        yield
        return
    noted: list[int] = []
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, *_OURS)}
    handlers = {number: handler for number, handler in before.items() if callable(handler)}
    for number in handlers:
        signal.signal(number, lambda number, _: noted.append(number))
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        if noted:
            handlers[signal.Signals(noted[0])](noted[0], None)


class Asked:
    """Whether a command was asked to end.

    Attributes
    ----------
    event : threading.Event
        Set from then on.
    number : int or None
        By which signal.
    """

    def __init__(self) -> None:
        self.event = threading.Event()
        self.number: int | None = None


@contextmanager
def asked_to_stop() -> Iterator[Asked]:
    """Note signals that ask a process to end, in place of interrupting it; a second one interrupts."""
    asked = Asked()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, *_OURS)}
    terminals = _terminals()

    def note(number: int, frame: FrameType | None) -> None:
        handler = before[signal.Signals(number)]
        if asked.event.is_set() and callable(handler):
            handler(number, frame)
        _let_go_of(terminals)
        asked.number = number
        asked.event.set()

    for number, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, note)
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _terminals() -> set[int]:
    """Name the terminals that this process reads from and writes to."""
    found = set()
    for stream in (0, 1, 2):
        with contextlib.suppress(OSError):
            if os.isatty(stream):
                found.add(os.fstat(stream).st_rdev)
    return found


def _let_go_of(terminals: set[int]) -> None:
    """Write to nowhere from now on what would go to a terminal that is gone: it would be one more fault."""
    with contextlib.suppress(OSError):
        streams = [int(name) for name in os.listdir(_OPEN_FILES)]
        nowhere = os.open(os.devnull, os.O_RDWR)
        for stream in streams:
            with contextlib.suppress(OSError):  # the one that the list was read from is closed by now
                if os.fstat(stream).st_rdev in terminals and not os.isatty(stream):
                    os.dup2(nowhere, stream)
        os.close(nowhere)
