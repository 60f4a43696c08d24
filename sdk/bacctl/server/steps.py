"""The processes of a Triton's Python models, watched: Triton itself stays "ready" when one has died."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable
from pathlib import Path

_PROC = Path("/proc")
_MODEL = re.compile(rb"\0(/[^\0]+)/[0-9]+/model\.py\0")
_GONE = (b"Z", b"X")


class Steps:
    """The steps of one server, as they were when they were looked for.

    Parameters
    ----------
    server : int
        Process id of the ``tritonserver``, whose models are loaded.
    """

    def __init__(self, server: int) -> None:
        self._server = server
        self._known = _models_below(server)

    def dead(self) -> list[str]:
        """Return the names of the models whose process has ended; none where all live or all are gone."""
        if _state(self._server) is None:
            return []
        return sorted({folder.name for folder in self._dead()})

    def _dead(self) -> set[Path]:
        return {folder for pid, folder in self._known.items() if _state(pid) is None}

    def processes(self) -> list[int]:
        """Return the processes of the server and of its models."""
        return [self._server, *self._known]

    def bring_back(self, load: Callable[[str], bool]) -> bool:
        """Have the steps loaded again whose processes have died; the others go on meanwhile.

        Parameters
        ----------
        load : callable
            Has Triton load a model, and says whether that came about.

        Returns
        -------
        bool
            False where a process is missing still: the server has to be started again.
        """
        dead = self._dead()
        for folder in dead:
            # A second time Triton 2.51 starts none, unless something in the folder has changed.
            try:
                (folder / "loaded-again").touch()
            except OSError:
                return False
            if not load(folder.name):
                return False
        self.look_again()
        return dead <= set(self._known.values())

    def look_again(self) -> None:
        """Take what runs now for the steps."""
        self._known = _models_below(self._server)


def children(pid: int) -> list[int]:
    """Return the processes that a process started and that it has not seen the end of."""
    found: list[int] = []
    with contextlib.suppress(OSError):
        for thread in (_PROC / str(pid) / "task").iterdir():
            with contextlib.suppress(OSError):
                found += map(int, (thread / "children").read_text().split())
    return found


def _models_below(server: int) -> dict[int, Path]:
    """Return the folder of its model for each process."""
    models = {}
    for pid in children(server):
        with contextlib.suppress(OSError):
            named = _MODEL.search((_PROC / str(pid) / "cmdline").read_bytes() + b"\0")
            if named and _state(pid) is not None:
                models[pid] = Path(os.fsdecode(named[1]))
    return models


def _state(pid: int) -> bytes | None:
    """Return the state of a process, such as ``b"S"``; None for one that has ended."""
    try:
        state = (_PROC / str(pid) / "stat").read_bytes().rpartition(b")")[2].split()[0]
    except (OSError, IndexError):
        return None
    return None if state in _GONE else state
