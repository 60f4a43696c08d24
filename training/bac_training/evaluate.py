"""Evaluation on a phantom data set: whole images through the pipeline that serves."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

import numpy as np

from bac_imaging.errors import ImagingError
from bac_training.backends import Segmenter, load_segmenter
from bac_training.errors import TrainingError
from bac_training.metrics import Agreement, Detection, Overlap, agreement
from bac_training.report import to_markdown
from bac_training.sources import read_mask

if TYPE_CHECKING:
    from bacctl.image_result import ImageResult

__all__ = ["EvaluationReport", "ImageRow", "WomanRow", "run"]

SCHEMA = "bac_training.evaluation/1"


@dataclass(frozen=True)
class ImageRow:
    """One image: truth and result. `code` names a refusal or failure, which counts as nothing found."""

    path: str
    look: str | None
    code: str | None
    true_bac: bool
    found_bac: bool
    dice: float
    true_area_mm2: float
    area_mm2: float | None
    true_mass_mg: float
    mass_mg: float | None


@dataclass(frozen=True)
class WomanRow:
    """One woman: true and measured mass (None where an image gives none) and category."""

    study_instance_uid: str
    true_mass_mg: float
    mass_mg: float | None
    true_category: str | None
    category: str | None


@dataclass(frozen=True)
class EvaluationReport:
    """Result of an evaluation.

    Attributes
    ----------
    model_sha256, engine, threshold
        What was evaluated.
    data : str
        Name of the data set's folder.
    data_seed : int or None
        Seed of its first woman.
    dice_on_positives : float or None
        Mean over the images with BAC of the Dice of the whole image.
    dice_pooled : float
        Dice over the pixels of all images together.
    detection : Detection
        Per image: BAC detected against BAC present.
    mass : Agreement or None
        Woman's mass, over all women with one.
    mass_of_positives : Agreement or None
        The same over the women with BAC.
    same_category : float or None
        Part of the women with a category whose category is the true one.
    images, women
        The single results.
    """

    model_sha256: str
    engine: str
    threshold: float
    data: str
    data_seed: int | None
    dice_on_positives: float | None
    dice_pooled: float
    detection: Detection
    mass: Agreement | None
    mass_of_positives: Agreement | None
    same_category: float | None
    images: tuple[ImageRow, ...]
    women: tuple[WomanRow, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain JSON types."""
        detection = asdict(self.detection) | {
            "sensitivity": self.detection.sensitivity,
            "specificity": self.detection.specificity,
            "f1": self.detection.f1,
        }
        head = {"schema": SCHEMA, "intended_use": "research use only"}
        return head | asdict(self) | {"detection": detection}


def run(
    data: Path,
    out: Path | None = None,
    model: Path | None = None,
    *,
    threshold: float | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> EvaluationReport:
    """Evaluate a model on a phantom data set.

    Parameters
    ----------
    data : Path
        Folder with ``truth.json``, as `bac_phantom.write_dataset` makes it.
    out : Path, optional
        Folder for ``evaluation.json`` and ``evaluation.md``.
    model : Path, optional
        Checkpoint or ONNX file; by default the one in the model repository.
    threshold : float, optional
        Probability from which a pixel counts as BAC, by default the model's own.
    progress : callable, optional
        Called with the images done and their total.

    Raises
    ------
    TrainingError
        When the data set, one of its files or the model is missing.
    """
    truth = _read_truth(data)
    segmenter = load_segmenter(_served_model() if model is None else model)
    level = segmenter.threshold if threshold is None else threshold
    total = sum(len(woman["images"]) for woman in truth["women"])
    images: list[ImageRow] = []
    women: list[WomanRow] = []
    pooled = Overlap(0, 0, 0)
    for woman in truth["women"]:
        results = []
        for entry in woman["images"]:
            row, result, overlap = _measure(data, entry, segmenter, level)
            images.append(row)
            results.append(result)
            pooled += overlap
            if progress:
                progress(len(images), total)
        women.append(_woman(woman, results))
    report = _summarise(segmenter, level, data, truth.get("seed"), images, women, pooled)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        (out / "evaluation.json").write_text(json.dumps(report.to_dict(), indent=1) + "\n")
        (out / "evaluation.md").write_text(to_markdown(report))
    return report


def _measure(
    data: Path, entry: dict[str, Any], segmenter: Segmenter, threshold: float
) -> tuple[ImageRow, ImageResult, Overlap]:
    from bac_imaging.pipeline import prepare, quantify
    from bacctl.image_result import ImageResult

    true = read_mask(data / entry["mask"])
    spacing = entry.get("pixel_spacing_mm")
    options = None if spacing is None else {"pixel_spacing_mm": spacing}
    code = None
    found = np.zeros_like(true)
    try:
        prepared = prepare((data / entry["path"]).read_bytes(), options)
        context = {**prepared.context, "threshold": threshold}
        quantified = quantify(segmenter.probability(prepared.tiles), prepared.signal, context)
        result, found = ImageResult.from_report(quantified.report), quantified.mask
    except ImagingError as error:
        code = error.code
        result = ImageResult("refused", error.code, error.reason)
    overlap = Overlap.of(found, true)
    row = ImageRow(
        path=entry["path"],
        look=entry.get("look"),
        code=code,
        true_bac=bool(true.any()),
        found_bac=bool(result.bac_detected),
        dice=overlap.dice,
        true_area_mm2=entry["area_mm2"],
        area_mm2=result.area_mm2,
        true_mass_mg=entry["calcium_mass_mg"],
        mass_mg=result.calcium_mass_mg,
    )
    return row, result, overlap


def _woman(woman: dict[str, Any], results: list[ImageResult]) -> WomanRow:
    from bacctl.exam import build_exam, mass_category

    exam = build_exam(results, woman["study_instance_uid"])
    true = float(woman["calcium_mass_mg"])
    return WomanRow(
        study_instance_uid=woman["study_instance_uid"],
        true_mass_mg=true,
        mass_mg=exam.calcium_mass_mg,
        true_category=mass_category(true, true > 0),
        category=exam.mass_category,
    )


def _summarise(
    segmenter: Segmenter,
    threshold: float,
    data: Path,
    seed: int | None,
    images: list[ImageRow],
    women: list[WomanRow],
    pooled: Overlap,
) -> EvaluationReport:
    positives = [row.dice for row in images if row.true_bac]
    weighed = [(w.mass_mg, w.true_mass_mg) for w in women if w.mass_mg is not None]
    with_bac = [pair for pair in weighed if pair[1] > 0]
    sorted_women = [w for w in women if w.category is not None]
    hits = sum(w.category == w.true_category for w in sorted_women)
    return EvaluationReport(
        model_sha256=segmenter.sha256,
        engine=segmenter.engine,
        threshold=threshold,
        data=data.resolve().name,
        data_seed=seed,
        dice_on_positives=fmean(positives) if positives else None,
        dice_pooled=pooled.dice,
        detection=Detection.of([(row.found_bac, row.true_bac) for row in images]),
        mass=agreement([m for m, _ in weighed], [t for _, t in weighed]),
        mass_of_positives=agreement([m for m, _ in with_bac], [t for _, t in with_bac]),
        same_category=hits / len(sorted_women) if sorted_women else None,
        images=tuple(images),
        women=tuple(women),
    )


def _read_truth(data: Path) -> dict[str, Any]:
    try:
        truth = json.loads((data / "truth.json").read_text())
        files = [data / e[key] for w in truth["women"] for e in w["images"] for key in ("path", "mask")]
    except (OSError, ValueError, KeyError, TypeError):
        raise TrainingError(
            f"{data} has no sound truth.json; make a data set with `bacctl phantom`"
        ) from None
    missing = [path for path in files if not path.is_file()]
    if missing:
        raise TrainingError(
            f"{len(missing)} files of {data} are missing, first {missing[0]}; make the set again"
        )
    if not files:
        raise TrainingError(f"{data} holds no image; make a data set with `bacctl phantom`")
    return dict(truth)


def _served_model() -> Path:
    from bacctl.repository import default_repository

    return default_repository() / "bac_segment" / "1" / "model.onnx"
