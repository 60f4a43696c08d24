"""Names of the files an analysis leaves, and writing them so that no half of a file is ever seen."""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path

from bacctl.results import ImageResult

# File systems allow 255 bytes for a name; the rest is left for "-2", the kind and the extension.
_MAX_STEM_BYTES = 200


class NameTable:
    """Gives each image of one run a stem of its own.

    An image is called by its SOP Instance UID, or by the stem of its file where it has none; a stem taken
    twice in one run gets ``-2``, then ``-3``. All files of one image share its stem.
    """

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def stem(self, result: ImageResult) -> str:
        """Take a stem for an image.

        Parameters
        ----------
        result : ImageResult
            The image; its UID comes from a header, so it is not trusted as a file name.

        Returns
        -------
        str
            A name without folder, different from every other one this table gave.
        """
        own = result.sop_instance_uid or (result.path.stem if result.path is not None else "image")
        return self.take(own)

    def take(self, wanted: str) -> str:
        """Take the stem `wanted`, made safe as a file name and unique in this run."""
        stem = safe_name(wanted)
        candidate = stem
        copy = 2
        while candidate in self._taken:
            candidate = f"{stem}-{copy}"
            copy += 1
        self._taken.add(candidate)
        return candidate


def safe_name(text: str) -> str:
    """Turn any text into a file name without separators or leading dot, of at most 200 bytes."""
    name = re.sub(r"[^\w.+=@ ()\[\]-]", "_", text).strip().lstrip(".")
    name = name.encode("utf-8", "replace")[:_MAX_STEM_BYTES].decode("utf-8", "ignore")
    return name or "image"


def write_atomic(path: Path, data: bytes) -> None:
    """Write a file so that readers see the old one or the whole new one.

    Parameters
    ----------
    path : Path
        Where the file shall stand; its folder must exist.
    data : bytes
        What it shall hold.

    Raises
    ------
    OSError
        The folder cannot be written, or the disk is full. Nothing is left behind.
    """
    handle, temporary = tempfile.mkstemp(prefix=".bacctl-", suffix=".part", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
        # mkstemp makes files that only their owner can read; results follow the umask like any other file.
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(temporary, 0o666 & ~umask)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
