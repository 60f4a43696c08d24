"""What C libraries print, for want of another way to hear of it."""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

_STDERR_LOCK = threading.Lock()


@contextmanager
def native_stderr() -> Iterator[BinaryIO]:
    """Keep what C libraries print to file descriptor 2, which Python's `sys.stderr` never sees."""
    with _STDERR_LOCK, tempfile.TemporaryFile() as messages:
        try:
            saved = os.dup(2)
        except OSError:  # a process without stderr
            yield messages
            return
        os.dup2(messages.fileno(), 2)
        try:
            yield messages
        finally:
            os.dup2(saved, 2)
            os.close(saved)
