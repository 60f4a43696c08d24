"""The processes that a process started, which come and go while they are looked for."""

from __future__ import annotations

import psutil


def descendants(pid: int) -> list[int]:
    """Return the numbers of all processes below one; none when it is gone."""
    try:
        return [child.pid for child in psutil.Process(pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def command_line(pid: int) -> str:
    """Return the command line of a process, "" when it is gone or only its parent has not looked yet."""
    try:
        return " ".join(psutil.Process(pid).cmdline())
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return ""


def is_alive(pid: int) -> bool:
    """Say whether a process is there and is more than a zombie."""
    return bool(command_line(pid))
