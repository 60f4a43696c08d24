"""Runs that write into one folder, and what those before them left there when they were killed."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from pathlib import Path

if sys.platform != "win32":  # which has no such locks
    import fcntl

# Of `bac_imaging.files`, `bacctl.cli.saving.together` and `bacctl.cli.saving.spool`.
_UNFINISHED = (".bacctl-*.part", ".bacctl-*.spool")


class FolderClaim:
    """Says to other runs, for as long as it is held, that this one writes into a folder.

    Files that were being written when a run was killed are removed where no other run holds a claim. The
    lock lies on the folder itself, and the kernel lets go of it with the process. Where a file system knows
    no such locks, nothing is removed.

    Parameters
    ----------
    folder : Path
        It exists.
    """

    def __init__(self, folder: Path) -> None:
        self._handle: int | None = None
        if sys.platform == "win32":
            return
        with contextlib.suppress(OSError):
            self._handle = os.open(folder, os.O_RDONLY)
            try:
                fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                pass
            else:
                _remove_unfinished(folder)
            fcntl.flock(self._handle, fcntl.LOCK_SH)

    def let_go(self) -> None:
        """Write no more into the folder."""
        handle, self._handle = self._handle, None
        if handle is not None:
            os.close(handle)


def _remove_unfinished(folder: Path) -> None:
    for pattern in _UNFINISHED:
        for path in folder.glob(pattern):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                with contextlib.suppress(OSError):
                    path.unlink()
