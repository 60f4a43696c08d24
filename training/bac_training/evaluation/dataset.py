"""What is known about the images of a data set: masks, and as much more as its list tells."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any

from bac_training.errors import TrainingError
from bac_training.folder import read_list, spacing_pair

__all__ = ["Dataset", "View", "Woman", "read_dataset"]

_MOST_NAMED = 5


@dataclass(frozen=True)
class View:
    """Truth of one image.

    Attributes
    ----------
    path, mask : str
        Image and mask within the data set's folder.
    options : mapping or None
        Options of `bac_imaging.pipeline.prepare`.
    spacing_mm : tuple of float or None
        (between rows, between columns) at the detector, where the list gives it.
    laterality, view : str or None
        "L" or "R"; "CC", "MLO", ...
    mass_mg : float or None
        Calcium.
    magnification : float
        Of the arteries; 1 where it is not known.
    arteries : tuple of mapping
        Entries of single arteries, as the phantom writes them.
    look, density : str or None
        How the image is rendered; breast density class.
    thickness_mm : float or None
        Compressed thickness.
    hard_negatives : frozenset of str or None
        Kinds of things in the image that look like BAC; None where nothing is said about them.
    """

    path: str
    mask: str
    options: Mapping[str, Any] | None = None
    spacing_mm: tuple[float, float] | None = None
    laterality: str | None = None
    view: str | None = None
    mass_mg: float | None = None
    magnification: float = 1.0
    arteries: tuple[Mapping[str, Any], ...] = ()
    look: str | None = None
    density: str | None = None
    thickness_mm: float | None = None
    hard_negatives: frozenset[str] | None = None

    @property
    def width_mm(self) -> float | None:
        """Mean outer width of its arteries in the object's plane, by visible length; None if not known."""
        seen = [
            (float(artery["outer_width_mm"]), float(artery["visible_length_mm"]))
            for artery in self.arteries
            if artery.get("outer_width_mm") and artery.get("visible_length_mm")
        ]
        length = sum(mm for _, mm in seen)
        return sum(width * mm for width, mm in seen) / length if length else None


@dataclass(frozen=True)
class Woman:
    """One woman's exam.

    Attributes
    ----------
    name : str
        Study Instance UID, or another name that is unique in the data set.
    views : tuple of View
        Her images.
    mass_mg : float or None
        Calcium of both breasts.
    breasts_mg : mapping of str to float
        Calcium of each breast, by "L" and "R", where known.
    """

    name: str
    views: tuple[View, ...]
    mass_mg: float | None = None
    breasts_mg: Mapping[str, float] = field(default_factory=dict)


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
        Holds ``truth.json`` of `bac_phantom`, or ``images.csv`` (see `bac_training.folder.read_list`), which
        gives no masses; without its column ``woman`` every image stands for a woman of its own.

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
    seed, women = _women_of_truth(path, content) if path == truth else (None, _women_of_table(folder))
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


def _women_of_truth(path: Path, content: bytes) -> tuple[int | None, tuple[Woman, ...]]:
    try:
        truth = json.loads(content)
        women = tuple(
            Woman(
                name=str(woman["study_instance_uid"]),
                views=tuple(_view_of_truth(entry) for entry in woman["images"]),
                mass_mg=_number(woman.get("calcium_mass_mg")),
                breasts_mg={side: float(mass) for side, mass in (woman.get("breasts") or {}).items()},
            )
            for woman in truth["women"]
        )
        return truth.get("seed"), women
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise TrainingError(f"{path} is damaged ({error!r}); make the data set again") from None


def _view_of_truth(entry: Mapping[str, Any]) -> View:
    given = entry.get("pixel_spacing_mm")
    pitch = entry.get("detector_pitch_mm")
    arteries = tuple(entry.get("arteries") or ())
    magnifications = [float(artery["magnification"]) for artery in arteries if artery.get("magnification")]
    kinds = entry.get("hard_negatives", entry.get("other_calcifications"))
    look, style = entry.get("look"), entry.get("style")
    return View(
        path=str(entry["path"]),
        mask=str(entry["mask"]),
        options=None if given is None else {"pixel_spacing_mm": list(given)},
        spacing_mm=spacing_pair(given) or (None if pitch is None else (float(pitch), float(pitch))),
        laterality=entry.get("laterality"),
        view=entry.get("view"),
        mass_mg=_number(entry.get("calcium_mass_mg")),
        magnification=fmean(magnifications) if magnifications else 1.0,
        arteries=arteries,
        look=" ".join(str(word) for word in (look, style) if word) or None,
        density=None if entry.get("density") is None else str(entry["density"]),
        thickness_mm=_number(entry.get("thickness_mm")),
        hard_negatives=None if kinds is None else frozenset(map(str, kinds)),
    )


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


def _number(value: Any) -> float | None:
    return None if value is None else float(value)
