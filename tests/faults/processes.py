"""The processes of a server, by what they do, to be killed and stopped."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable

from tests.e2e.process_tree import command_line, descendants

STEPS = ("bac_preprocess", "bac_segment", "bac_quantify")


def of_server(root: int) -> list[int]:
    """Return the ``tritonserver`` below a process."""
    return [pid for pid in descendants(root) if "bin/tritonserver" in command_line(pid).split(" ")[0]]


def of_step(root: int, step: str) -> list[int]:
    """Return the Python stubs of a step below a process."""
    commands = {pid: command_line(pid) for pid in descendants(root)}
    return [pid for pid, command in commands.items() if "python_backend_stub" in command and step in command]


def of_supervisor(root: int) -> list[int]:
    """Return the supervisor below a process."""
    return [pid for pid in descendants(root) if "supervisor.py" in command_line(pid)]


def send(pids: list[int], number: signal.Signals) -> None:
    """Send a signal to processes, of which some may have ended."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def kill(find: Callable[[], list[int]]) -> None:
    """Kill what is found, once it is there."""
    send(_once_there(find), signal.SIGKILL)


def stall(find: Callable[[], list[int]], seconds: float | None) -> None:
    """Stop what is found for some seconds, or for good."""
    pids = _once_there(find)
    send(pids, signal.SIGSTOP)
    if seconds is not None:
        time.sleep(seconds)
        send(pids, signal.SIGCONT)


def _once_there(find: Callable[[], list[int]]) -> list[int]:
    deadline = time.monotonic() + 60.0
    while not (pids := find()):
        assert time.monotonic() < deadline, "there is no such process"
        time.sleep(0.05)
    return pids
