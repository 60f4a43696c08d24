"""What is known about images and women, and the list in which a phantom data set tells it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any

from bac_training.errors import TrainingError

__all__ = ["View", "Woman", "read_truth", "spacing_pair"]


@dataclass(frozen=True)
class View:
    """Truth of one image."""

    # image and mask within the data set's folder
    path: str
    mask: str
    options: Mapping[str, Any] | None = None  # options of `bac_imaging.pipeline.prepare`
    # (between rows, between columns) at the detector, where the list gives it
    spacing_mm: tuple[float, float] | None = None
    # "L" or "R"; "CC", "MLO", ...
    laterality: str | None = None
    view: str | None = None
    mass_mg: float | None = None  # calcium
    area_mm2: float | None = None  # of calcified artery, in its plane
    magnification: float = 1.0  # of the arteries; 1 where it is not known
    arteries: tuple[Mapping[str, Any], ...] = ()  # entries of single arteries, as the phantom writes them
    # how the image is rendered; breast density class
    look: str | None = None
    density: str | None = None
    thickness_mm: float | None = None  # compressed thickness
    # kinds of things in the image that look like BAC; None where nothing is said about them
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
    """One woman's exam."""

    name: str  # Study Instance UID, or another name that is unique in the data set
    views: tuple[View, ...]  # her images
    mass_mg: float | None = None  # calcium of both breasts
    # calcium of each breast, by "L" and "R", where known
    breasts_mg: Mapping[str, float] = field(default_factory=dict)


def read_truth(path: Path) -> tuple[int | None, tuple[Woman, ...]]:
    """Read ``truth.json`` of a phantom data set: the seed of the first woman, if told, and all women.

    Raises
    ------
    TrainingError
        When it cannot be read or lacks what it must tell.
    """
    try:
        truth = json.loads(path.read_bytes())
        women = tuple(
            Woman(
                name=str(woman["study_instance_uid"]),
                views=tuple(_view(entry) for entry in woman["images"]),
                mass_mg=_number(woman.get("calcium_mass_mg")),
                breasts_mg={side: float(mass) for side, mass in (woman.get("breasts") or {}).items()},
            )
            for woman in truth["women"]
        )
        return truth.get("seed"), women
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise TrainingError(f"{path} is damaged ({error!r}); make the data set again") from None


def spacing_pair(values: Sequence[float] | None) -> tuple[float, float] | None:
    """Return (between rows, between columns) of one or two numbers, None of none; ValueError for others."""
    if not values:
        return None
    if len(values) > 2 or not min(values) > 0:
        raise ValueError("a spacing is one or two positive numbers")
    return float(values[0]), float(values[-1])


def _view(entry: Mapping[str, Any]) -> View:
    given = spacing_pair(entry.get("pixel_spacing_mm"))
    pitch = entry.get("detector_pitch_mm")
    arteries = tuple(entry.get("arteries") or ())
    magnifications = [float(artery["magnification"]) for artery in arteries if artery.get("magnification")]
    kinds = entry.get("hard_negatives", entry.get("other_calcifications"))
    look, style = entry.get("look"), entry.get("style")
    return View(
        path=str(entry["path"]),
        mask=str(entry["mask"]),
        options=None if given is None else {"pixel_spacing_mm": list(given)},
        spacing_mm=given or (None if pitch is None else (float(pitch), float(pitch))),
        laterality=entry.get("laterality"),
        view=entry.get("view"),
        mass_mg=_number(entry.get("calcium_mass_mg")),
        area_mm2=_number(entry.get("area_mm2")),
        magnification=fmean(magnifications) if magnifications else 1.0,
        arteries=arteries,
        look=" ".join(str(word) for word in (look, style) if word) or None,
        density=None if entry.get("density") is None else str(entry["density"]),
        thickness_mm=_number(entry.get("thickness_mm")),
        hard_negatives=None if kinds is None else frozenset(map(str, kinds)),
    )


def _number(value: Any) -> float | None:
    return None if value is None else float(value)
