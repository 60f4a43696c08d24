"""A step does not outlive its server, whoever killed that.

Triton's stub notices the end of its server only between requests, and not at all while it stands still.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import threading
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_LOOK_S = 0.05
_LOOKS = 2400  # two minutes of loading


def end_with_server() -> None:
    """Have this process killed when the one that started it ends.

    By the kernel, which even ends a process that was stopped, and by a thread that waits for the same.
    """
    server = os.getppid()
    with contextlib.suppress(OSError, AttributeError):  # an old kernel: Triton's own look is left
        ended = os.pidfd_open(server)
        if os.getppid() != server:
            os.kill(os.getpid(), signal.SIGKILL)
        threading.Thread(target=_wait, args=(server, ended), name="bacctl-life", daemon=True).start()


def _wait(server: int, ended: int) -> None:
    libc = ctypes.CDLL(None)
    poll = select.poll()
    poll.register(ended, select.POLLIN)
    looks = 0
    while True:
        # The kernel's signal comes at the end of the *thread* that forked, which Triton ends after loading.
        # Then the main thread takes its place, which is there until the end.
        asked = looks >= _LOOKS or _is_child_of_main_thread(server)
        if asked and looks < _LOOKS:
            libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)  # counts for as long as this thread is there
        if poll.poll(None if asked else _LOOK_S * 1000.0):
            os.kill(os.getpid(), signal.SIGKILL)
        looks += 1


def _is_child_of_main_thread(server: int) -> bool:
    with contextlib.suppress(OSError):
        children = Path(f"/proc/{server}/task/{server}/children").read_text()
        return str(os.getpid()) in children.split()
    return False
