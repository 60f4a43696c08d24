"""How many cores this process may use: of a container that may be less than the machine has."""

from __future__ import annotations

import math
import os
from pathlib import Path

_GROUPS = Path("/sys/fs/cgroup")


def usable_cores(own: Path = Path("/proc/self/cgroup"), groups: Path = _GROUPS) -> int:
    """Return how many cores this process may use, at least 1.

    The least of the cores that it may run on (``docker --cpuset-cpus``, ``taskset``) and of the processor
    time that it is given (``docker --cpus``, Kubernetes' ``limits.cpu``), rounded up.

    Parameters
    ----------
    own, groups : Path, optional
        Which control groups this process is in, and where they are mounted.
    """
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min([allowed, *(math.ceil(quota) for quota in _quotas(own, groups))]))


def _quotas(own: Path, groups: Path) -> list[float]:
    """Return what limits this process's time, in cores: of its control group and of those above it."""
    found = []
    for line in _read(own).splitlines():
        _, controllers, inside = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        root = groups if not controllers else groups / "cpu"
        group = root / inside.lstrip("/")
        # In a container the own group's path may be that of the host, and its root is what is mounted.
        for folder in (group, *group.parents):
            found.append(_quota_of(folder))
            if folder == root:
                break
    return [quota for quota in found if quota is not None]


def _quota_of(group: Path) -> float | None:
    words = _read(group / "cpu.max").split()  # version 2: quota and period in microseconds
    if not words:
        words = [_read(group / f"cpu.cfs_{name}_us").strip() for name in ("quota", "period")]
    try:
        quota, period = (float(word) for word in words)
    except ValueError:  # "max", or no such file
        return None
    return quota / period if quota > 0 and period > 0 else None


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
