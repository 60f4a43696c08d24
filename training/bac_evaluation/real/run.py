"""Judging labelled images: measure each with the network that has not seen it, compute, write the report."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bac_evaluation.probability.judged import FILE, JudgedImage, JudgedSet, write_judged
from bac_evaluation.probability.judging import judge_probabilities
from bac_evaluation.real.figures import Case, group_images
from bac_evaluation.real.page import to_markdown
from bac_evaluation.real.pictures import draw_worst
from bac_evaluation.real.report import Network, RealReport
from bac_evaluation.real.rows import LabelledTask, RealRow
from bac_evaluation.run import served_model
from bac_evaluation.settings import Settings
from bac_evaluation.work import collect, over_views
from bac_training.data.folds import fold_models, read_folds
from bac_training.data.labelled import LabelledImage, LabelledSet, read_labelled
from bac_training.network.backends import Segmenter, load_segmenter

__all__ = ["Judge", "run_real"]

ROWS_SCHEMA = "bac_training.evaluation.real_rows/2"

_DRAWS = 1000
_SEED = 0
_CASES = 10

Judge = tuple[str | None, Path, Segmenter, Settings]


def run_real(
    data: Path,
    out: Path | None = None,
    model: Path | None = None,
    *,
    labels: Path | None = None,
    folds: Path | None = None,
    models: Sequence[str] = (),
    settings: Settings | None = None,
    threshold: float | None = None,
    processes: int | None = None,
    resume: bool = False,
    draws: int = _DRAWS,
    progress: Callable[[int, int], None] | None = None,
) -> RealReport:
    """Judge labelled images.

    Parameters
    ----------
    data : Path
        Folder; see `bac_training.data.labelled.read_labelled`.
    out : Path, optional
        Folder for ``report.json``, ``report.md``, ``rows.jsonl`` and ``pictures/worst-*.png``.
    model : Path, optional
        Checkpoint or ONNX file for all images; by default the one in the model repository.
    labels : Path, optional
        Readings that replace those of the list.
    folds : Path, optional
        Table of folds; each is judged by its own network.
    models : sequence of str
        ``FOLD=FILE``, one for each fold.
    settings, threshold, processes, resume, draws, progress
        As in `bac_evaluation.run.run`.

    Raises
    ------
    TrainingError
        When data, tables or networks are missing, damaged or contradict each other.
    """
    labelled = read_labelled(data, labels)
    fold_of: dict[str, str] = {}
    files: list[tuple[str | None, Path]] = [(None, model or served_model())]
    if folds is not None:
        fold_of, images = read_folds(folds, labelled.images)
        labelled = replace(labelled, images=images)
        files = [*fold_models(folds, models, fold_of).items()]
    judges = [_judge(fold, file, settings, threshold) for fold, file in files]
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as scratch:
        rows = collect(
            _header(labelled, fold_of, judges),
            [image.view.path for image in labelled.images],
            lambda todo: _measured(labelled, fold_of, judges, todo, processes or os.cpu_count() or 1),
            (out or Path(scratch)) / "rows.jsonl",
            resume=resume,
            progress=progress,
        )
    cases = [(image, RealRow.from_dict(rows[image.view.path])) for image in labelled.images]
    judged = _judged(labelled, cases, judges)
    # All folds have the settings of one choice, or each its network's own; what is judged by is the first's.
    report = summarise(labelled, cases, fold_of, judges, draws, judge_probabilities(judged, judges[0][3]))
    if out is not None:
        write_judged(out / FILE, judged)
        content = report.to_dict()
        (out / "report.json").write_text(json.dumps(content, indent=1, allow_nan=False) + "\n")
        (out / "report.md").write_text(to_markdown(content))
        by_fold = {fold: (segmenter, chosen) for fold, _, segmenter, chosen in judges}
        draw_worst(
            labelled,
            cases,
            lambda image: by_fold[fold_of.get(image.view.path)],
            out / "pictures",
            _CASES,
        )
    return report


def summarise(
    labelled: LabelledSet,
    cases: Sequence[Case],
    fold_of: Mapping[str, str],
    judges: Sequence[Judge],
    draws: int,
    probability: Mapping[str, Any],
) -> RealReport:
    """Compute every figure."""
    networks = []
    for fold, _, segmenter, settings in judges:
        own = [image for image, _ in cases if fold_of.get(image.view.path) == fold]
        networks.append(
            Network(
                fold=fold,
                sha256=segmenter.sha256,
                engine=segmenter.engine,
                **settings.to_dict(),
                views=len(own),
                patients=len({image.patient for image in own}),
            )
        )
    return RealReport(
        data={
            "name": labelled.folder.resolve().name,
            "sha256": labelled.sha256,
            "views": len(cases),
            "patients": len({image.patient for image, _ in cases}),
        },
        networks=networks,
        corrections=labelled.corrections,
        draws=draws,
        seed=_SEED,
        groups=group_images(cases, draws, _SEED),
        cases=cases,
        folds=fold_of,
        probability=probability,
    )


def _judged(labelled: LabelledSet, cases: Sequence[Case], judges: Sequence[Judge]) -> JudgedSet:
    images = [
        JudgedImage(f"real {image.group}", image.view.path, image.label == "positive", row.findings)
        for image, row in cases
        if image.label != "uncertain"
    ]
    networks = tuple(segmenter.sha256 for _, _, segmenter, _ in judges)
    settings = judges[0][3].to_dict()
    return JudgedSet(labelled.folder.resolve().name, labelled.sha256, networks, settings, tuple(images))


def _judge(fold: str | None, file: Path, settings: Settings | None, threshold: float | None) -> Judge:
    segmenter = load_segmenter(file)
    chosen = Settings.of(segmenter) if settings is None else settings
    return fold, file, segmenter, chosen if threshold is None else replace(chosen, threshold=threshold)


def _header(labelled: LabelledSet, fold_of: Mapping[str, str], judges: Sequence[Judge]) -> dict[str, Any]:
    text = json.dumps(sorted(fold_of.items()))
    return {
        "schema": ROWS_SCHEMA,
        "intended_use": "research use only",
        "data_sha256": labelled.sha256,
        "folds_sha256": hashlib.sha256(text.encode()).hexdigest(),
        "model_sha256": [[fold, segmenter.sha256] for fold, _, segmenter, _ in judges],
        "settings": [settings.to_dict() for *_, settings in judges],
    }


def _measured(
    labelled: LabelledSet,
    fold_of: Mapping[str, str],
    judges: Sequence[Judge],
    todo: Sequence[str],
    processes: int,
) -> Generator[dict[str, Any], None, None]:
    by_path: dict[str, LabelledImage] = {image.view.path: image for image in labelled.images}
    for fold, file, segmenter, settings in judges:
        own = [by_path[path] for path in todo if fold_of.get(path) == fold]
        task = LabelledTask({image.view.path: image for image in own}, labelled.lines)
        views = [image.view for image in own]
        yield from over_views(task, labelled.folder, views, file, segmenter, settings, processes)
