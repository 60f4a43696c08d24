"""Keeps the embedded server from outliving its parent: started by `bacctl.server.embedded`.

Standard library only, so that it starts at once and has nothing that can fail. Reads its orders as one line
of JSON from standard input, starts the server, and waits for whichever comes first: the server's end, an
order to end it, the end of standard input (closed by the kernel when the parent is killed), or another
parent. Then it ends the server and all its children, removes their shared memory and temporary folders, and
leaves with the server's exit status. Where it is killed itself, the kernel kills the server and its models
too, and the next start clears up (`bacctl.server.leftovers`).
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import glob
import json
import os
import select
import shutil
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108  # where POSIX shared memory lives on Linux
END, END_AT_ONCE = b"end\n", b"end at once\n"
"""What the parent writes to have the server ended: when the calls under way are answered, or without them."""
LOCK = "lock"
"""What the file that the supervisor holds locked is called, after the prefix of its shared memory."""
# Triton says so when no call is under way any more. It then waits, until its own timeout, for its Python
# models, which do not end once they have worked. So it is killed instead.
_ALL_ANSWERED = b"All models are stopped, unloading models"
_LAST_WORDS_S = 0.1  # for the last answers to be on their way
_LOOK_S = 0.02
# Triton's Python backend makes one in any case, and removes it only after the end that it does not come to.
_TRITONS_FOLDERS = "/tmp/python_env_*"  # noqa: S108  # Triton's own choice, whatever TMPDIR says
_FOLDER_MADE_WITHIN_S = 10.0
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_PARENT_CHECK_S = 1.0
_PR_SET_NO_NEW_PRIVS = 38
_SYS_SECCOMP, _SET_FILTER, _NO_SLOWER = 317, 1, 4
# Classic BPF, (code, jump if true, jump if false, value): on x86-64, fchmod (91) does nothing and succeeds.
_NO_FCHMOD = (
    (0x20, 0, 0, 4),
    (0x15, 0, 3, 0xC000003E),
    (0x20, 0, 0, 0),
    (0x15, 0, 1, 91),
    (0x06, 0, 0, 0x00050000),
    (0x06, 0, 0, 0x7FFF0000),
)


def main() -> int:
    """Run one server until it or the parent ends.

    Returns
    -------
    int
        The server's exit status, negative for a signal.
    """
    wake_up = _wake_up_on(signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    parent = os.getppid()
    keep_private()
    # Stubs whose server has died become children of this process, which can then wait for their end.
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)
    # Unbuffered: select() must see what comes after the first line.
    with open(0, "rb", buffering=0, closefd=False) as stream:
        orders: dict[str, Any] = json.loads(stream.readline())
    folder = Path(orders["folder"])
    started = time.time()
    try:
        with contextlib.suppress(OSError):  # without it the server runs too
            _take_lock(SHARED_MEMORY / f"{orders['shm_prefix']}{LOCK}", orders["folder"], started)
        server = _start(orders)
        at_once = False
        try:
            at_once = _wait(server, wake_up, parent)
        finally:
            _end(server, 0.0 if at_once else orders["grace_s"], Path(orders["log"]))
    finally:
        remove_tritons_folder(started)
        shutil.rmtree(folder, ignore_errors=True)
        remove_regions(orders["shm_prefix"])
    return server.returncode


def keep_private() -> None:
    """Let no other user read what this process and its children make, not even if they mean to.

    Triton's Python backend passes images through /dev/shm and opens each piece of it to every user of the
    machine, with fchmod, whatever the umask says. A change of mode afterwards would come too late for who
    has opened it by then, so that fchmod is made to do nothing. A kernel that has no such filters is let be.
    """
    os.umask(0o077)
    libc = ctypes.CDLL(None)
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in _NO_FCHMOD))
    program = ctypes.create_string_buffer(struct.pack("HP", len(_NO_FCHMOD), ctypes.addressof(code)))
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)  # without it, filters are for root
    libc.syscall(_SYS_SECCOMP, _SET_FILTER, _NO_SLOWER, program)


def _wake_up_on(*signals: signal.Signals) -> int:
    """Turn signals into bytes on a pipe that ``select`` can wait for."""
    readable, writable = os.pipe()
    os.set_blocking(readable, False)
    os.set_blocking(writable, False)
    signal.set_wakeup_fd(writable, warn_on_full_buffer=False)
    for number in signals:
        signal.signal(number, lambda *_: None)
    return readable


def _take_lock(path: Path, folder: str, started: float) -> None:
    """Make the file that says what this process will have to clear up, and hold its lock until the end."""
    # Nobody must find it before it is locked. The number is never closed, and no child inherits it.
    new = path.with_name(f".{path.name}")
    handle = os.open(new, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    fcntl.flock(handle, fcntl.LOCK_EX)
    os.write(handle, json.dumps({"folder": folder, "started": started}).encode())
    os.rename(new, path)


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
    """Second line, for the case that this supervisor itself is killed: no time for anything but the end."""
    libc = ctypes.CDLL(None)  # loaded here, since little is safe between fork and exec
    supervisor = os.getpid()

    def request() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != supervisor:  # killed before it was asked
            os.kill(os.getpid(), signal.SIGKILL)

    return request


def _wait(server: subprocess.Popen[bytes], wake_up: int, parent: int) -> bool:
    """Wait for a reason to end the server; return whether not even its calls are to be waited for."""
    # The parent check covers a parent whose end of the pipe lives on in a process that it forked.
    while server.poll() is None and os.getppid() == parent:
        ready, _, _ = select.select([0, wake_up], [], [], _PARENT_CHECK_S)
        if 0 in ready:
            return os.read(0, len(END_AT_ONCE)) == END_AT_ONCE
        if wake_up in ready and set(os.read(wake_up, 64)) != {signal.SIGCHLD}:
            break
    return False


def _end(server: subprocess.Popen[bytes], grace_s: float, log: Path) -> None:
    if grace_s > 0:
        told = log.stat().st_size if log.exists() else 0
        with contextlib.suppress(ProcessLookupError):
            server.terminate()
        deadline = time.monotonic() + grace_s
        while server.poll() is None and time.monotonic() < deadline:
            if _says(log, told, _ALL_ANSWERED):
                with contextlib.suppress(subprocess.TimeoutExpired):
                    server.wait(_LAST_WORDS_S)
                break
            time.sleep(_LOOK_S)
    # Whatever is left of the group: a server that hangs, stubs that lost their server.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(server.pid, signal.SIGKILL)
    server.wait()
    # Until killed stubs are gone, they may make shared memory anew.
    with contextlib.suppress(ChildProcessError):
        while True:
            os.waitpid(-server.pid, 0)


def _says(log: Path, start: int, words: bytes) -> bool:
    with contextlib.suppress(OSError), open(log, "rb") as stream:
        stream.seek(start)
        return words in stream.read()
    return False


def remove_tritons_folder(started: float, within_s: float = _FOLDER_MADE_WITHIN_S) -> None:
    """Remove the empty folder that the Python backend made while it was loaded, a moment after the start.

    Nothing says which one is this server's. One of another that was started in the same moments has been in
    use by now and is not empty, or never will be.
    """
    for name in glob.glob(_TRITONS_FOLDERS):
        with contextlib.suppress(OSError):
            found = os.stat(name)
            if found.st_uid == os.getuid() and 0 <= found.st_mtime - started <= within_s:
                os.rmdir(name)


def remove_regions(prefix: str) -> None:
    """Remove the shared memory of one server, the lock that tells of it last."""
    for region in sorted(SHARED_MEMORY.glob(prefix + "*"), key=lambda region: region.name.endswith(LOCK)):
        region.unlink(missing_ok=True)


if __name__ == "__main__":
    sys.exit(main())
