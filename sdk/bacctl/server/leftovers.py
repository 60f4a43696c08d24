"""What a server that was killed together with its supervisor has left: cleared by the next start.

Every supervisor holds the lock on a file of its own in /dev/shm for as long as it lives; the kernel lets go
of it. Whoever gets the lock knows that nobody clears up any more, whatever container or number the process
had.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import signal
import stat
import time
from pathlib import Path

from bacctl.server import supervisor as _supervisor

_ENDING_S = 5.0
_LOOK_S = 0.02
_PROC = Path("/proc")


def clear_leftovers() -> None:
    """End what is left of this user's servers whose supervisor is gone, and remove what they left.

    Never raises: a start does not depend on it.
    """
    with contextlib.suppress(OSError):
        for path in _supervisor.SHARED_MEMORY.glob(f"bacctl_*{_supervisor.LOCK}"):
            with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
                _clear(path)


def _clear(path: Path) -> None:
    # Everybody may write to /dev/shm: neither links nor files of others are believed.
    handle = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    with os.fdopen(handle, "rb") as file:
        found = os.fstat(handle)
        if found.st_uid != os.geteuid() or not stat.S_ISREG(found.st_mode):
            return
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)  # BlockingIOError: its supervisor lives
        orders = json.loads(file.read())
        prefix = path.name.removesuffix(_supervisor.LOCK)
        _end_processes(prefix)
        folder = Path(orders["folder"])
        if folder.name.startswith("bacctl-") and folder.is_dir() and folder.stat().st_uid == os.geteuid():
            shutil.rmtree(folder, ignore_errors=True)
        _supervisor.remove_tritons_folder(float(orders["started"]))
        _supervisor.remove_regions(prefix)


def _end_processes(prefix: str) -> None:
    """Kill the server and the models whose shared memory has this prefix, and wait until they are gone."""
    deadline = time.monotonic() + _ENDING_S
    while (living := _processes_of(prefix)) and time.monotonic() < deadline:
        for pid in living:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(_LOOK_S)


def _processes_of(prefix: str) -> list[int]:
    # It is in the command lines of all of them, and holds a random number.
    sign = prefix.strip("_").encode()
    found = []
    for folder in _PROC.glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if folder.stat().st_uid == os.geteuid() and sign in (folder / "cmdline").read_bytes():
                found.append(int(folder.name))
    return [pid for pid in found if pid != os.getpid()]
