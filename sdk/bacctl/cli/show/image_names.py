"""Names of images for people: the shortest that tell the images of a run apart."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import PurePath

from bacctl.cli.sink import shortened
from bacctl.wording import escaped

# Where nothing else says how much room there is. Names of DICOM's UIDs have up to 68 characters.
_LONGEST = 40


def image_names(paths: Sequence[str], room: int | None = None) -> list[str]:
    """Name images by the name of the file, with as many of its folders as tell it from all others.

    What is longer than `room` characters loses its beginning or its middle, as far as the names stay
    different; no name is longer, even where two become alike for it.
    """
    names = [escaped(name) for name in _ends(paths)]
    longest = max(map(len, names), default=0)
    widths = range(_LONGEST, longest) if room is None else [room] if room < longest else []
    for width in widths:
        for cut in (shortened, _without_beginning):
            short = [cut(name, width) for name in names]
            if len(set(short)) == len(set(names)):
                return short
    return names if room is None else [shortened(name, room) for name in names]


def common_folder(paths: Sequence[str]) -> str:
    """Return the folder that all images lie in, at any depth; "" for the current one and the root."""
    try:
        folder = os.path.commonpath([os.path.dirname(path) for path in paths])
        return "" if folder == os.path.dirname(folder) else folder
    except ValueError:  # there are no paths, or absolute ones beside relative ones
        return ""


def _ends(paths: Sequence[str]) -> list[str]:
    """Take as many parts from the end of each path as no other path has alike."""
    parts = [PurePath(path).parts or (path,) for path in paths]
    ends = [part[-1] for part in parts]
    depth = 1
    while True:
        count = Counter(ends)
        depth += 1
        longer = [
            str(PurePath(*part[-depth:])) if count[end] > 1 and len(part) >= depth else end
            for part, end in zip(parts, ends, strict=True)
        ]
        if longer == ends:
            return ends
        ends = longer


def _without_beginning(name: str, width: int) -> str:
    return name if len(name) <= width else f"…{name[-(width - 1) :]}"
