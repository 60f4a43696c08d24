"""How far the shards of a run are."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from bacctl.archive import storage
from bacctl.archive.run.merge import open_journal, plan_of
from bacctl.archive.run.plan import Plan
from bacctl.archive.run.reading import Counts
from bacctl.archive.run.shards import Shard
from bacctl.archive.stores import local

if sys.platform != "win32":
    import fcntl


@dataclass(frozen=True, slots=True)
class ShardStatus:
    """One shard.

    Attributes
    ----------
    shard : Shard
        Which.
    counts : Counts or None
        None where it was never begun.
    running : bool or None
        Whether a process works on it; None where that cannot be told.
    """

    shard: Shard
    counts: Counts | None
    running: bool | None


def status_of(out: str) -> tuple[Plan, list[ShardStatus]]:
    """Look at all shards of a run, also while they are worked on.

    Raises
    ------
    RefusedError
        BAC-ARCHIVE-OUTPUT: there is no run, or none that this release reads.
    FailedError
        BAC-STORAGE-*, BAC-FILE-UNREADABLE.
    """
    plan = plan_of(out)
    found = []
    for number in range(plan.shards):
        shard = Shard(number, plan.shards)
        with open_journal(out, shard) as journal:
            counts = None if journal is None else journal.counts()
        found.append(ShardStatus(shard, counts, _is_running(out, shard)))
    return plan, found


def _is_running(out: str, shard: Shard) -> bool | None:
    if storage.is_remote(out) or sys.platform == "win32":
        return None
    path = Path(local.path_of(storage.join(out, shard.name, "lock")))
    try:
        handle = os.open(path, os.O_RDONLY)
    except OSError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return None
    finally:
        os.close(handle)
    return False
