"""What the processes of a server take: processor time and memory, by their part in it. Linux only."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_PROC = Path("/proc")
_TICKS = os.sysconf("SC_CLK_TCK")
_STEP = re.compile(r"bac_(preprocess|segment|quantify)")
CLIENT = "client"


def family(pid: int) -> dict[int, str]:
    """Name a process and all that it started, by what they do.

    Parameters
    ----------
    pid : int
        The client, which started the server.

    Returns
    -------
    dict of int to str
        Process numbers to "client", "tritonserver", "supervisor" or the step that a stub runs.
    """
    children: dict[int, list[int]] = defaultdict(list)
    for entry in _PROC.iterdir():
        if entry.name.isdigit():
            with suppress(OSError):  # gone meanwhile
                children[int(_stat(int(entry.name))[1])].append(int(entry.name))
    found = {pid: CLIENT}
    waiting = list(children[pid])
    while waiting:
        child = waiting.pop()
        waiting += children[child]
        with suppress(OSError):
            found[child] = _role((_PROC / str(child) / "cmdline").read_bytes().decode(errors="replace"))
    return found


def _role(command: str) -> str:
    if "triton_python_backend_stub" in command and (step := _STEP.search(command.replace("\0", " "))):
        return step[0]
    return "tritonserver" if "tritonserver\0" in command else "supervisor"


def _stat(pid: int) -> list[str]:
    # The name, in brackets, may hold anything.
    return (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()


def processor_s(pids: dict[int, str]) -> dict[str, float]:
    """Return the processor time that each part has taken so far, user and system, in seconds."""
    spent: dict[str, float] = defaultdict(float)
    for pid, role in pids.items():
        with suppress(OSError):
            fields = _stat(pid)
            spent[role] += (int(fields[11]) + int(fields[12])) / _TICKS
    return dict(spent)


def memory_mb(pids: dict[int, str]) -> dict[str, float]:
    """Return the memory of each part in MB: what it has alone and its share of what it has with others."""
    used: dict[str, float] = defaultdict(float)
    for pid, role in pids.items():
        with suppress(OSError):
            used[role] += sum(_pss_kb(pid)) / 1024.0
    return dict(used)


def _pss_kb(pid: int) -> Iterator[int]:
    for line in (_PROC / str(pid) / "smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            yield int(line.split()[1])
