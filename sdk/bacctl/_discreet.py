"""Reading headers without a word: what pydicom says of odd values quotes them, in warnings and in its log."""

from __future__ import annotations

import logging
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

_turn = threading.Lock()


class _NotFrom(logging.Filter):
    """Lets pass what other threads say."""

    def __init__(self, thread: int) -> None:
        super().__init__()
        self._thread = thread

    def filter(self, record: logging.LogRecord) -> bool:
        return threading.get_ident() != self._thread


@contextmanager
def discreet() -> Iterator[None]:
    """Keep what pydicom says in this thread out of the program's warnings and logs.

    They are the program's own otherwise: whoever reads DICOM beside bacctl goes on hearing of it.
    """
    logger = logging.getLogger("pydicom")
    mute = _NotFrom(threading.get_ident())
    # Filters of warnings are the process's, so that two threads must not change them at a time.
    with _turn, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logger.addFilter(mute)
        try:
            yield
        finally:
            logger.removeFilter(mute)
