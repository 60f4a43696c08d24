"""Data sets to evaluate on: the women and images of a list, and a check that their files are there."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from bac_training.data.folder import read_list
from bac_training.data.truth import View, Woman, read_truth
from bac_training.errors import TrainingError

__all__ = ["Dataset", "View", "Woman", "read_dataset"]

_MOST_NAMED = 5


@dataclass(frozen=True)
class Dataset:
    """Images of known truth.

    Attributes
    ----------
    folder : Path
        Where they lie.
    women : tuple of Woman
        At least one, each with at least one view.
    seed : int or None
        Of a phantom data set's first woman.
    sha256 : str
        Of the list.
    """

    folder: Path
    women: tuple[Woman, ...]
    seed: int | None
    sha256: str

    @property
    def views(self) -> list[View]:
        """All images in order."""
        return [view for woman in self.women for view in woman.views]


def read_dataset(folder: Path) -> Dataset:
    """Read the list of a data set.

    Parameters
    ----------
    folder : Path
        Holds ``truth.json`` of `bac_phantom`, or ``images.csv`` (see `bac_training.data.folder.read_list`),
        which gives no masses; without its column ``woman`` every image stands for a woman of its own.

    Raises
    ------
    TrainingError
        When there is no list, it is damaged or empty, or files that it names are missing.
    """
    truth, table = folder / "truth.json", folder / "images.csv"
    path = truth if truth.is_file() else table
    if not path.is_file():
        raise TrainingError(
            f"{folder} has neither truth.json nor images.csv; make a data set with `bacctl phantom`"
        )
    content = path.read_bytes()
    seed, women = read_truth(path) if path == truth else (None, _women_of_table(folder))
    women = tuple(woman for woman in women if woman.views)
    if not women:
        raise TrainingError(f"{path} names no image; make a data set with `bacctl phantom`")
    dataset = Dataset(folder, women, seed, hashlib.sha256(content).hexdigest())
    _require_files(dataset, path)
    return dataset


def _require_files(dataset: Dataset, path: Path) -> None:
    named = [name for view in dataset.views for name in (view.path, view.mask)]
    missing = [name for name in named if not (dataset.folder / name).is_file()]
    if missing:
        names = ", ".join(missing[:_MOST_NAMED]) + (", ..." if len(missing) > _MOST_NAMED else "")
        raise TrainingError(
            f"{path} names {len(missing)} files that are missing: {names}; copy them there or unlist them"
        )
    paths = [view.path for view in dataset.views]
    twice = sorted({name for name in paths if paths.count(name) > 1}) if len(set(paths)) < len(paths) else []
    if twice:
        raise TrainingError(f"{path} names {twice[0]} more than once; name every image once")


def _women_of_table(folder: Path) -> tuple[Woman, ...]:
    entries, problems = read_list(folder)
    if problems:
        raise TrainingError("\n".join(problems))
    women: dict[str, list[View]] = {}
    for entry in entries:
        spacing = entry.spacing_mm
        options = None if spacing is None else {"pixel_spacing_mm": list(spacing)}
        view = View(entry.image.as_posix(), entry.mask.as_posix(), options, spacing)
        women.setdefault(entry.woman or view.path, []).append(view)
    return tuple(Woman(name, tuple(views)) for name, views in women.items())
