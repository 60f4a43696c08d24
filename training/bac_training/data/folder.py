"""Folders of images with masks: the list in them, and the images as a source of cases."""

from __future__ import annotations

import difflib
import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from bac_training.data.sources import Sample, read_mask
from bac_training.data.tables import parse_table, read_text
from bac_training.data.truth import read_truth, spacing_pair
from bac_training.errors import TrainingError

__all__ = ["COLUMNS", "Entry", "FolderSource", "read_list"]

COLUMNS = ("image", "mask", "pixel_spacing_mm", "woman")
_HEADER = "image,mask,pixel_spacing_mm"


@dataclass(frozen=True)
class Entry:
    """One image of a list."""

    # paths within the folder
    image: Path
    mask: Path
    # distance between rows and between columns at the detector, where the list gives it
    spacing_mm: tuple[float, float] | None
    woman: str = ""  # whose image it is, where the list says so; else empty


@dataclass(frozen=True)
class FolderSource:
    """Images and masks in a folder, as a source of cases.

    Parameters
    ----------
    folder : Path
        The folder.
    entries : sequence of Entry
        Its images, from `read_list`.
    """

    folder: Path
    entries: Sequence[Entry]

    def describe(self) -> dict[str, Any]:
        """Return the folder's name."""
        return {"kind": "folder", "folder": self.folder.resolve().name}

    def units(self) -> Sequence[str]:
        """Return one unit an image: its path, and a mark that changes when its files or spacing do."""
        return list(self._by_unit)

    def load(self, unit: str) -> Iterator[Sample]:
        """Read one image with its mask."""
        entry = self._by_unit[unit]
        options = None if entry.spacing_mm is None else {"pixel_spacing_mm": list(entry.spacing_mm)}
        data = (self.folder / entry.image).read_bytes()
        yield Sample(self._name(entry), data, options, read_mask(self.folder / entry.mask))

    def image(self, unit: str) -> str:
        """Return the path of a unit's image, for messages."""
        return str(self.folder / self._by_unit[unit].image)

    @cached_property
    def _by_unit(self) -> dict[str, Entry]:
        return {f"{entry.image.as_posix()} {self._mark(entry)}": entry for entry in self.entries}

    def _mark(self, entry: Entry) -> str:
        states = [(self.folder / path).stat() for path in (entry.image, entry.mask)]
        text = repr([(s.st_size, s.st_mtime_ns) for s in states] + [entry.spacing_mm])
        return hashlib.sha256(text.encode()).hexdigest()[:8]

    @staticmethod
    def _name(entry: Entry) -> str:
        path = entry.image.as_posix()
        stem = entry.image.with_suffix("").as_posix()
        plain = "".join(c if c.isascii() and (c.isalnum() or c in "-.") else "_" for c in stem)
        # Paths that differ in what a file name cannot hold, or in their endings, stay apart by the digest.
        return f"{plain[-80:]}-{hashlib.sha256(path.encode()).hexdigest()[:6]}"


def read_list(folder: Path) -> tuple[list[Entry], list[str]]:
    """Read which images a folder has, and what is wrong with the list, one line each.

    The list is ``truth.json`` of a phantom data set, or ``images.csv`` in UTF-8 with the columns ``image``
    and ``mask`` (paths within the folder), for images that carry no spacing ``pixel_spacing_mm`` (one
    number, or row and column spacing with a space between), and optionally ``woman`` (any pseudonym).
    """
    if not folder.is_dir():
        return [], [f"{folder}: no such folder; give a cache or a folder of images with masks"]
    if (folder / "truth.json").is_file():
        return _of_truth(folder / "truth.json")
    path = folder / "images.csv"
    if not path.is_file():
        return [], [
            f"{folder}: has neither images.csv nor truth.json; write images.csv, first line {_HEADER}"
        ]
    try:
        text = read_text(path)
    except ValueError as error:
        return [], [str(error)]
    return _of_csv(path, text)


def _of_truth(path: Path) -> tuple[list[Entry], list[str]]:
    try:
        _, women = read_truth(path)
    except TrainingError as error:
        return [], [str(error)]
    return [
        Entry(
            Path(view.path),
            Path(view.mask),
            spacing_pair((view.options or {}).get("pixel_spacing_mm")),
            woman.name,
        )
        for woman in women
        for view in woman.views
    ], []


def _of_csv(path: Path, text: str) -> tuple[list[Entry], list[str]]:
    names, lines, problems = parse_table(path, text, _HEADER)
    if not names:
        return [], problems
    faults = [f"{path}: {fault}" for fault in _header_faults(names)]
    if faults:
        return [], faults
    if not lines and not problems:
        return [], [f"{path}: lists no image; add one line for each"]
    entries = []
    for number, fields in lines:
        missing = [name for name in ("image", "mask") if not fields.get(name)]
        if missing:
            problems.append(
                f"{path}: line {number} has no {' and no '.join(missing)}; every image needs a mask, "
                "black where there is no BAC"
            )
            continue
        try:
            spacing = spacing_pair([float(v) for v in fields.get("pixel_spacing_mm", "").split()])
        except ValueError:
            problems.append(
                f"{path}: line {number}: pixel_spacing_mm is {fields['pixel_spacing_mm']!r}; give one or two "
                "positive numbers in mm, with a point, such as 0.05"
            )
            continue
        entries.append(Entry(Path(fields["image"]), Path(fields["mask"]), spacing, fields.get("woman", "")))
    return entries, problems


def _header_faults(names: Sequence[str]) -> list[str]:
    if not {"image", "mask"} & set(names):
        return [f"has no header line with the columns image and mask; its first line must be {_HEADER}"]
    faults = [
        f"has no column {name}; its first line must be {_HEADER}"
        for name in ("image", "mask")
        if name not in names
    ]
    faults += [
        f"has the column {name} more than once; leave one"
        for name, count in Counter(names).items()
        if name and count > 1
    ]
    for name in names:
        close = difflib.get_close_matches(name.lower(), COLUMNS, n=1, cutoff=0.8)
        # A column of any other name is the group's own business.
        if close and close[0] not in names and close[0] not in ("image", "mask"):
            faults.append(f"has a column {name}; rename it to {close[0]}")
    return faults
