"""Tickets: which images are on their way through the steps, and until when somebody waits for them.

The first step issues one for each image that it starts to work on, as an empty file in a folder that all
steps know. The step that an image ends in, measured or not, removes the file. So the first step sees, in
whichever process the others run, how much is under way.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bac_terms.errors import from_catalogue
from bacctl._claim import TICKETS

_NUMBER_BITS = 62  # so that int64 holds it
_TOO_LATE = "the server stopped work on the image, since the time that its caller gave was over"


@dataclass(frozen=True)
class Ticket:
    """Of one image on its way.

    Attributes
    ----------
    number : int
        Random; 0 where no tickets are kept.
    end_ns : int
        When nobody waits for the image any more, by the machine's monotonic clock; 0 for never.
    """

    number: int = 0
    end_ns: int = 0

    @classmethod
    def of(cls, rows: npt.NDArray[np.int64] | None) -> Ticket:
        """Read it from TICKET, int64 of shape (n, 2), n equal rows; a step called by itself gets none."""
        return cls() if rows is None else cls(int(rows[0, 0]), int(rows[0, 1]))

    def rows(self, count: int) -> npt.NDArray[np.int64]:
        """Write it as TICKET, int64 of shape (count, 2): one row a tile, as the network's step wants it."""
        return np.tile(np.array([[self.number, self.end_ns]], np.int64), (count, 1))

    def check(self, clock: Callable[[], int] = time.monotonic_ns) -> None:
        """See that somebody still waits for the image.

        Raises
        ------
        ServerTimeoutError
            BAC-SERVER-TIMEOUT: nobody does.
        """
        if self.end_ns and clock() > self.end_ns:
            raise from_catalogue("BAC-SERVER-TIMEOUT", _TOO_LATE)


class Tickets:
    """The tickets of a server.

    Parameters
    ----------
    folder : Path, optional
        Where they are. Default: the one that the environment names; without one, none are kept, and an image
        counts as under way only while the first step works on it.
    """

    def __init__(self, folder: Path | None = None) -> None:
        named = os.environ.get(TICKETS)
        self._folder = folder or (Path(named) if named else None)

    def issue(self, end_ns: int) -> Ticket:
        """Issue a ticket for an image that somebody waits for until then."""
        number = 1 + secrets.randbits(_NUMBER_BITS)
        file = self._file(number)
        try:
            if file is None:
                return Ticket(0, end_ns)
            file.touch(exist_ok=False)
        except OSError:  # a full disk: the image matters more than the count
            return Ticket(0, end_ns)
        return Ticket(number, end_ns)

    def clear(self) -> None:
        """Take all tickets back, as a step does that is loaded: what was in the one before it is lost."""
        with contextlib.suppress(OSError):
            for file in [] if self._folder is None else list(self._folder.iterdir()):
                file.unlink(missing_ok=True)

    def is_out(self, number: int) -> bool:
        """Tell whether an image is still under way."""
        file = self._file(number)
        return file is not None and file.exists()

    def give_back(self, number: int) -> None:
        """Say that an image is no longer under way. May be said twice."""
        file = self._file(number)
        if file is not None:
            with contextlib.suppress(OSError):  # counted as under way until its lease ends
                file.unlink()

    @contextmanager
    def lost_on_failure(self, number: int) -> Iterator[None]:
        """Give a ticket back where an image ends here because it fails."""
        try:
            yield
        except BaseException:
            self.give_back(number)
            raise

    def _file(self, number: int) -> Path | None:
        return None if self._folder is None or number <= 0 else self._folder / f"{number:016x}"
