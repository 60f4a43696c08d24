"""Several files that are written all or none."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path
from types import TracebackType

from bac_imaging.files import sync_folder


class Together:
    """Files that wait beside their places until all of them are written.

    `bac_imaging.files.whole_file` does it for one. Those that did not take their places are gone at the end
    of the block.

    Attributes
    ----------
    count : int
        How many there are.
    """

    def __init__(self) -> None:
        self._waiting: list[tuple[Path, Path]] = []

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self._waiting)

    def __enter__(self) -> Together:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        for partial, _ in self._waiting:
            with contextlib.suppress(OSError):
                partial.unlink(missing_ok=True)

    def add(self, path: Path, data: bytes) -> None:
        """Write a file beside its place.

        Raises
        ------
        OSError
            The folder cannot be written, or the disk is full.
        """
        partial = path.with_name(f".bacctl-{secrets.token_hex(8)}.part")
        self._waiting.append((partial, path))
        with partial.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())  # a crash of the machine must not leave an empty one in its place

    def take_their_places(self) -> int:
        """Move all files to their places; return how many of them were taken by older ones.

        Raises
        ------
        OSError
            A place is a folder. Files that were moved before stay.
        """
        replaced = 0
        for partial, path in self._waiting:
            replaced += os.path.lexists(path)
            os.replace(partial, path)
        for folder in {path.parent for _, path in self._waiting}:
            sync_folder(folder)
        return replaced
