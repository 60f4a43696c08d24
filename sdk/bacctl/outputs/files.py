"""Names of the files an analysis leaves."""

from __future__ import annotations

import re

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
