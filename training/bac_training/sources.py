"""Where training cases come from: phantom women made on the fly, or folders of images with masks."""

from __future__ import annotations

import csv
import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt
from PIL import Image

from bac_training.errors import TrainingError

__all__ = ["FolderSource", "PhantomSource", "Sample", "Source", "read_mask"]

LookChoice = Literal["raw", "presentation", "film", "mixed"]
BoolArray = npt.NDArray[np.bool_]

_MOST_NAMED = 5


@dataclass(frozen=True)
class Sample:
    """One image with its truth.

    Attributes
    ----------
    name : str
        Name of the case, unique in its source and fit for a file name; holds nothing about a patient.
    data : bytes
        DICOM, PNG, TIFF or JPEG file.
    options : mapping or None
        Options of `bac_imaging.pipeline.prepare`, such as ``{"pixel_spacing_mm": [0.05, 0.05]}``.
    mask : ndarray of bool, shape (rows, columns)
        BAC in the stored matrix.
    """

    name: str
    data: bytes
    options: Mapping[str, Any] | None
    mask: BoolArray


class Source(Protocol):
    """A set of samples in units that are made together, such as the four views of one woman."""

    def describe(self) -> dict[str, Any]:
        """Return what the samples are made of, JSON-able, without what only says how many there are."""
        ...

    def units(self) -> Sequence[str]:
        """Return the names of all units, in order."""
        ...

    def load(self, unit: str) -> Iterator[Sample]:
        """Yield the samples of one unit."""
        ...


@dataclass(frozen=True)
class PhantomSource:
    """Phantom women by seed.

    Parameters
    ----------
    seeds : sequence of int
        One woman each.
    look : {"raw", "presentation", "film", "mixed"}
        How their images are stored; mixed gives a network that takes all three.
    """

    seeds: Sequence[int]
    look: LookChoice = "mixed"

    def describe(self) -> dict[str, Any]:
        """Return the configuration of the phantom."""
        from bac_phantom import PhantomConfig

        text = json.dumps(dataclasses.asdict(PhantomConfig(look=self.look)), sort_keys=True)
        return {"kind": "phantom", "config": json.loads(text)}

    def units(self) -> Sequence[str]:
        """Return one unit a woman, named by her seed."""
        return [f"woman-{seed}" for seed in self.seeds]

    def load(self, unit: str) -> Iterator[Sample]:
        """Make one woman and yield her four views."""
        from bac_phantom import PhantomConfig, make_woman

        woman = make_woman(int(unit.removeprefix("woman-")), PhantomConfig(look=self.look))
        for view in woman.views:
            spacing = view.pixel_spacing_mm
            options = None if spacing is None else {"pixel_spacing_mm": list(spacing)}
            name = f"{unit}-{view.laterality}{view.view}"
            yield Sample(name, view.encode(), options, np.asarray(view.mask, dtype=np.bool_))


@dataclass(frozen=True)
class _Entry:
    image: Path
    mask: Path
    spacing_mm: tuple[float, float] | None


class FolderSource:
    """Images and masks in a folder.

    The folder holds either ``truth.json`` of a phantom data set, or ``images.csv`` with the columns
    ``image`` and ``mask`` (paths within the folder; the mask an 8-bit image in the stored matrix, above
    127 = BAC) and, for images that carry no spacing, ``pixel_spacing_mm`` (one number, or row and column
    spacing with a space between).

    Parameters
    ----------
    folder : Path
        The folder.

    Raises
    ------
    TrainingError
        When the folder has no list, or names files that are not there, before anything is read.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        if (folder / "truth.json").is_file():
            self._entries = _entries_of_truth(folder)
        elif (folder / "images.csv").is_file():
            self._entries = _entries_of_csv(folder)
        else:
            raise TrainingError(
                f"{folder} has neither truth.json nor images.csv; write one with the masks' paths"
            )
        files = [path for e in self._entries for path in (e.image, e.mask)]
        missing = [str(path) for path in files if not (folder / path).is_file()]
        if missing:
            names = ", ".join(missing[:_MOST_NAMED]) + (", ..." if len(missing) > _MOST_NAMED else "")
            raise TrainingError(
                f"{len(missing)} files listed in {folder} are missing: {names}; add or unlist them"
            )
        if not self._entries:
            raise TrainingError(f"the list in {folder} names no image; add some")

    def describe(self) -> dict[str, Any]:
        """Return the folder's name."""
        return {"kind": "folder", "folder": self.folder.resolve().name}

    def units(self) -> Sequence[str]:
        """Return one unit an image, named by its path."""
        return [entry.image.as_posix() for entry in self._entries]

    def load(self, unit: str) -> Iterator[Sample]:
        """Read one image with its mask."""
        entry = next(e for e in self._entries if e.image.as_posix() == unit)
        options = None if entry.spacing_mm is None else {"pixel_spacing_mm": list(entry.spacing_mm)}
        name = "".join(c if c.isalnum() or c in "-." else "_" for c in entry.image.with_suffix("").as_posix())
        data = (self.folder / entry.image).read_bytes()
        yield Sample(name, data, options, read_mask(self.folder / entry.mask))


def read_mask(path: Path) -> BoolArray:
    """Read a mask image: bool, shape (rows, columns), True above half of the 8-bit range."""
    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("L")) > 127
    except OSError as error:
        raise TrainingError(f"cannot read the mask {path.name} ({error}); write it as 8-bit PNG") from None


def _entries_of_truth(folder: Path) -> list[_Entry]:
    try:
        truth = json.loads((folder / "truth.json").read_text())
        return [
            _Entry(Path(i["path"]), Path(i["mask"]), _pair(i.get("pixel_spacing_mm")))
            for woman in truth["women"]
            for i in woman["images"]
        ]
    except (ValueError, KeyError, TypeError) as error:
        raise TrainingError(
            f"truth.json in {folder} is damaged ({error!r}); make the data set again"
        ) from None


def _entries_of_csv(folder: Path) -> list[_Entry]:
    entries = []
    with (folder / "images.csv").open(newline="") as file:
        for number, row in enumerate(csv.DictReader(file), start=2):
            image, mask = (row.get("image") or "").strip(), (row.get("mask") or "").strip()
            if not image or not mask:
                raise TrainingError(
                    f"line {number} of images.csv has no image or no mask; every image needs a mask"
                )
            try:
                spacing = _pair([float(v) for v in (row.get("pixel_spacing_mm") or "").split()])
            except ValueError:
                raise TrainingError(f"line {number} of images.csv: pixel_spacing_mm is not in mm") from None
            entries.append(_Entry(Path(image), Path(mask), spacing))
    return entries


def _pair(values: Sequence[float] | None) -> tuple[float, float] | None:
    if not values:
        return None
    if len(values) > 2 or min(values) <= 0:
        raise ValueError("a spacing is one or two positive numbers")
    return float(values[0]), float(values[-1])
