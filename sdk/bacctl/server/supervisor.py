"""Keeps the embedded server from outliving its parent: started by `bacctl.server.embedded`.

Standard library only, so that it starts at once and has nothing that can fail. Reads its orders as one line
of JSON from standard input, starts the server, and waits for whichever comes first: the server's end, the
end of standard input (closed by the parent, or by the kernel when the parent is killed), or another parent.
Then it ends the server and all its children, removes their shared memory and the temporary folder, and
leaves with the server's exit status.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108  # where POSIX shared memory lives on Linux
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_PARENT_CHECK_S = 1.0


def main() -> int:
    """Run one server until it or the parent ends.

    Returns
    -------
    int
        The server's exit status, negative for a signal.
    """
    wake_up = _wake_up_on(signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    parent = os.getppid()
    # Stubs whose server has died become children of this process, which can then wait for their end.
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)
    orders: dict[str, Any] = json.loads(sys.stdin.buffer.readline())
    folder = Path(orders["folder"])
    try:
        server = _start(orders)
        try:
            _wait(server, wake_up, parent)
        finally:
            _end(server, orders["grace_s"])
    finally:
        for region in SHARED_MEMORY.glob(orders["shm_prefix"] + "*"):
            region.unlink(missing_ok=True)
        shutil.rmtree(folder, ignore_errors=True)
    return server.returncode


def _wake_up_on(*signals: signal.Signals) -> int:
    """Turn signals into bytes on a pipe that ``select`` can wait for."""
    readable, writable = os.pipe()
    os.set_blocking(readable, False)
    os.set_blocking(writable, False)
    signal.set_wakeup_fd(writable, warn_on_full_buffer=False)
    for number in signals:
        signal.signal(number, lambda *_: None)
    return readable


def _start(orders: dict[str, Any]) -> subprocess.Popen[bytes]:
    with open(orders["log"], "ab") as log:
        return subprocess.Popen(  # noqa: S603  # the parent's own orders
            orders["command"],
            env=orders["environment"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            # A session of its own: Ctrl-C in the terminal must reach only the parent, which then lets go.
            start_new_session=True,
            preexec_fn=_die_with_parent(),  # safe: this process has one thread
        )


def _die_with_parent() -> Callable[[], None]:
    """Second line, for the case that this supervisor itself is killed."""
    libc = ctypes.CDLL(None)  # loaded here, since little is safe between fork and exec

    def request() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)

    return request


def _wait(server: subprocess.Popen[bytes], wake_up: int, parent: int) -> None:
    # The parent check covers a parent whose end of the pipe lives on in a process that it forked.
    while server.poll() is None and os.getppid() == parent:
        ready, _, _ = select.select([sys.stdin, wake_up], [], [], _PARENT_CHECK_S)
        if sys.stdin in ready:
            return
        if wake_up in ready and set(os.read(wake_up, 64)) != {signal.SIGCHLD}:
            return


def _end(server: subprocess.Popen[bytes], grace_s: float) -> None:
    with contextlib.suppress(ProcessLookupError):
        server.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        server.wait(grace_s)
    # Whatever is left of the group: a server that hangs, stubs that lost their server.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(server.pid, signal.SIGKILL)
    server.wait()
    # Until killed stubs are gone, they may make shared memory anew.
    with contextlib.suppress(ChildProcessError):
        while True:
            os.waitpid(-server.pid, 0)


if __name__ == "__main__":
    sys.exit(main())
