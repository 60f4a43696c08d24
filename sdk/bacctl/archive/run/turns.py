"""Whose turn it is: the images in flight look for equal ones in the order of the manifest."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Turns:
    """Lets through what has the lowest number of all that entered and has not been through.

    Of equal files the first in the manifest is measured and the others take its result, however long each
    took to be read: so two runs come to the same rows.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: list[int] = []
        self._over = False

    def enter(self, number: int) -> None:
        """Announce a number, higher than all that were announced and have not left."""
        with self._changed:
            self._waiting.append(number)

    def leave(self, number: int) -> None:
        """Let those behind it through; may be called twice, and without a turn."""
        with self._changed:
            if number in self._waiting:
                self._waiting.remove(number)
                self._changed.notify_all()

    def end(self) -> None:
        """Let nobody through any more."""
        with self._changed:
            self._over = True
            self._changed.notify_all()

    @contextmanager
    def turn(self, number: int) -> Iterator[None]:
        """Wait until it is the lowest, hold the turn, and leave.

        Raises
        ------
        TurnsOverError
            Nobody is let through any more.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._over or self._waiting[0] == number)
            if self._over:
                raise TurnsOverError
        try:
            yield
        finally:
            self.leave(number)


class TurnsOverError(Exception):
    """The run ends; what was to be begun is not."""
