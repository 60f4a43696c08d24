"""Files that are written whole or not at all, and their digests."""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def whole_file(path: Path, *, synced: bool = False) -> Iterator[BinaryIO]:
    """Open a file for writing such that readers see the old one or the whole new one.

    Parameters
    ----------
    path : Path
        Where the file shall stand; its folder must exist.
    synced : bool, optional
        Whether it shall be on the disk when this ends, so that a crash of the machine does not lose it.

    Yields
    ------
    binary file
        A file beside it, which takes its place at the end. After an error it is gone.

    Raises
    ------
    OSError
        The folder cannot be written, or the disk is full.
    """
    # Containers that share a folder have the same process ids.
    partial = path.with_name(f".bacctl-{secrets.token_hex(8)}.part")
    try:
        with partial.open("xb") as file:
            yield file
            if synced:
                file.flush()
                os.fsync(file.fileno())
        os.replace(partial, path)
        if synced:
            sync_folder(path.parent)
    finally:
        partial.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Have the names in a folder on the disk, where its file system can be asked for that."""
    if sys.platform == "win32":  # which opens no folders
        return
    place = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(place)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(place)


def write_whole(path: Path, data: bytes, *, synced: bool = False) -> None:
    """Write a file as `whole_file` does."""
    with whole_file(path, synced=synced) as file:
        file.write(data)


def digest_of(data: bytes | Path) -> str:
    """Return the SHA-256 of some bytes or of a file's, in hexadecimal."""
    return hashlib.sha256(data.read_bytes() if isinstance(data, Path) else data).hexdigest()
