"""What bacctl reports of the FOR PRESENTATION images of phantoms, beside the calcium that they hold."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import numpy.typing as npt

from bac_evaluation.dataset import Dataset, View, read_dataset
from bac_evaluation.served import Segmented, segment_view
from bac_evaluation.settings import Settings
from bac_evaluation.work import collect, over_views
from bac_imaging.pipeline import to_working_mask
from bac_terms.errors import FailedError, RefusedError
from bac_training.data.truth import Woman
from bac_training.errors import TrainingError
from bac_training.network.backends import Segmenter
from bacctl.exam.build import build_exam
from bacctl.results.image import ImageResult

__all__ = ["LEVELS", "Case", "Measured", "cases_of", "measure_folder"]

LEVELS = ("view", "breast", "woman")
_LOOK = "presentation"


@dataclass(frozen=True)
class Case:
    """A view, a breast or a woman with BAC: what was found, and the truth.

    Attributes
    ----------
    level : str
        "view", "breast" or "woman".
    woman : str
        Her study.
    generator, style : str
        What made her, and how her images were processed.
    true_mg : float
        Calcium, above 0.
    true_mm2 : float
        Area of calcified artery, by the rules of an exam.
    area_mm2, length_mm : float
        By the rules of an exam; 0 where nothing was found.
    contrast : float or None
        Mean brightness of what was found above its surroundings, in local standard deviations; None where
        nothing was found.
    """

    level: str
    woman: str
    generator: str
    style: str
    true_mg: float
    true_mm2: float
    area_mm2: float
    length_mm: float
    contrast: float | None


@dataclass(frozen=True)
class Measured:
    """What was measured on one data set.

    Attributes
    ----------
    cases : list of Case
        Views, breasts and women with BAC.
    name, generator : str
        Of the data set.
    seed : int or None
        Of its first woman.
    sha256 : str
        Of its list.
    spacing_mm : tuple of float
        Smallest and largest pixel of its images, at the detector.
    """

    cases: list[Case]
    name: str
    generator: str
    seed: int | None
    sha256: str
    spacing_mm: tuple[float, float]


def measure_folder(
    folder: Path,
    model: Path,
    segmenter: Segmenter,
    out: Path,
    *,
    processes: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> Measured:
    """Measure the FOR PRESENTATION images of the women with BAC of one data set.

    Parameters
    ----------
    folder : Path
        What ``bacctl phantom`` wrote.
    model : Path
        File of the network.
    segmenter : Segmenter
        The same, loaded.
    out : Path
        Folder of the rows; those that are there, of the same network and data, are kept.
    processes : int, default 1
        Worker processes.
    progress : callable, optional
        Called with the images done and their total.

    Returns
    -------
    Measured

    Raises
    ------
    TrainingError
        When the folder holds no such images, or its truth does not tell their processing.
    """
    dataset = read_dataset(folder)
    women = [
        woman
        for woman in dataset.women
        if woman.mass_mg and all((view.look or "").split(" ")[0] == _LOOK for view in woman.views)
    ]
    if not women:
        raise TrainingError(f"{folder} holds no woman with BAC whose images are all FOR PRESENTATION")
    rows = _measure_all(dataset, women, model, segmenter, out, processes, progress)
    generator = json.loads((folder / "truth.json").read_bytes()).get("generator", "phantom")
    spacings = [mm for row in rows.values() for mm in row["result"].get("pixel_spacing_mm", ())]
    if not spacings:
        raise TrainingError(f"{folder}: no image could be measured")
    return Measured(
        [case for woman in women for case in cases_of(woman, generator, rows)],
        folder.resolve().name,
        generator,
        dataset.seed,
        dataset.sha256,
        (min(spacings), max(spacings)),
    )


def _measure_all(
    dataset: Dataset,
    women: Sequence[Woman],
    model: Path,
    segmenter: Segmenter,
    out: Path,
    processes: int,
    progress: Callable[[int, int], None] | None,
) -> Mapping[str, Mapping[str, Any]]:
    settings = Settings.of(segmenter)
    views = {view.path: view for woman in women for view in woman.views}
    header = {
        "schema": "bac_training.evaluation.area/1",
        "intended_use": "research use only",
        "data_sha256": dataset.sha256,
        "model_sha256": segmenter.sha256,
        "settings": settings.to_dict(),
    }
    return collect(
        header,
        list(views),
        lambda todo: over_views(
            _measured, dataset.folder, [views[name] for name in todo], model, segmenter, settings, processes
        ),
        out / f"data-{dataset.sha256[:12]}-model-{segmenter.sha256[:12]}.jsonl",
        resume=True,
        progress=progress,
    )


def _measured(folder: Path, view: View, segmenter: Segmenter, settings: Settings) -> dict[str, Any]:
    try:
        parameters = settings.parameters()
        image = segment_view(folder, view, segmenter, parameters)
        result = image.quantify(parameters)
    except (RefusedError, FailedError) as error:
        refusal = {"status": error.status, "code": error.code, "reason": error.reason}
        return {"path": view.path, "result": refusal, "contrast": None}
    return {"path": view.path, "result": result.report.to_dict(), "contrast": _contrast(image, result.mask)}


def _contrast(image: Segmented, mask: npt.NDArray[np.bool_]) -> float | None:
    under = image.prepared.normalised[to_working_mask(mask, image.context)]
    return float(under.mean()) if under.size else None


def cases_of(woman: Woman, generator: str, rows: Mapping[str, Mapping[str, Any]]) -> list[Case]:
    """Hold a woman's views, breasts and herself against the truth.

    Parameters
    ----------
    woman : Woman
        Truth.
    generator : str
        What made her.
    rows : mapping of str to mapping
        ``result``, the report of an image, and ``contrast``, by its path.

    Returns
    -------
    list of Case
        Those that hold calcium. A breast or woman of whom an image was refused or failed is left out.
    """
    style = (woman.views[0].look or "").split(" ", 1)[-1]
    images = {
        view.path: ImageResult.from_report(
            {**rows[view.path]["result"], "study_instance_uid": woman.name},
        )
        for view in woman.views
    }

    def case(level: str, views: Sequence[View], true_mg: float, area_mm2: float | None) -> list[Case]:
        if true_mg <= 0.0 or area_mm2 is None or any(images[v.path].status != "ok" for v in views):
            return []
        true_mm2 = _by_breast(views, lambda v: v.area_mm2)
        length = _by_breast(views, lambda v: images[v.path].length_mm)
        seen = [
            (images[v.path].area_mm2 or 0.0, rows[v.path]["contrast"])
            for v in views
            if rows[v.path]["contrast"] is not None
        ]
        total = sum(area for area, _ in seen)
        contrast = sum(area * value for area, value in seen) / total if total else None
        return [Case(level, woman.name, generator, style, true_mg, true_mm2, area_mm2, length, contrast)]

    exam = build_exam(list(images.values()), woman.name)
    found = []
    for view in woman.views:
        found += case("view", [view], view.mass_mg or 0.0, images[view.path].area_mm2)
    for side, breast in exam.breasts.items():
        views = [view for view in woman.views if view.laterality == side]
        found += case("breast", views, woman.breasts_mg.get(side, 0.0), breast.area_mm2)
    return [*found, *case("woman", woman.views, woman.mass_mg or 0.0, exam.area_mm2)]


def _by_breast(views: Sequence[View], quantity: Callable[[View], float | None]) -> float:
    """Add up over breasts the mean of their views."""
    sides = {view.laterality for view in views}
    return sum(fmean(quantity(view) or 0.0 for view in views if view.laterality == side) for side in sides)
