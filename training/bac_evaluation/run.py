"""Evaluating a model: measure every image, compute the figures, write the report."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bac_evaluation import figures as figure
from bac_evaluation import pictures, plots
from bac_evaluation.dataset import Dataset, read_dataset
from bac_evaluation.figures import FIGURES, estimate
from bac_evaluation.measure import Row
from bac_evaluation.page import to_markdown
from bac_evaluation.probability.judged import FILE, JudgedImage, JudgedSet, write_judged
from bac_evaluation.probability.judging import judge_probabilities
from bac_evaluation.report import Report, write_women
from bac_evaluation.sample import Sample, tabulate
from bac_evaluation.settings import Settings
from bac_evaluation.strata import stratify
from bac_evaluation.work import measure_all
from bac_training.network.backends import Segmenter, load_segmenter
from bacctl.server.repository import default_repository

__all__ = ["run", "served_model"]

_DRAWS = 1000
_SEED = 0
_CASES = 10
_PICTURES = ("scatter.png", "bland_altman.png", "froc.png", "reliability.png", "best-*.png", "worst-*.png")


def run(
    data: Path,
    out: Path | None = None,
    model: Path | None = None,
    *,
    settings: Settings | None = None,
    threshold: float | None = None,
    processes: int | None = None,
    resume: bool = False,
    draws: int = _DRAWS,
    progress: Callable[[int, int], None] | None = None,
) -> Report:
    """Evaluate a model on data of known truth.

    Parameters
    ----------
    data : Path
        Folder with ``truth.json`` or ``images.csv``; see `bac_evaluation.dataset.read_dataset`.
    out : Path, optional
        Folder for ``report.json``, ``report.md``, ``rows.jsonl``, ``women.csv`` and pictures.
    model : Path, optional
        Checkpoint or ONNX file; by default the one in the model repository.
    settings : Settings, optional
        Threshold and post-processing, by default the model's own.
    threshold : float, optional
        Outline in place of theirs; their core stays, or is raised to it.
    processes : int, optional
        Worker processes, by default one for each core; each computes with one thread.
    resume : bool, default False
        Go on with the rows that are in `out`.
    draws : int, default 1000
        Bootstrap samples.
    progress : callable, optional
        Called with the images done and their total.

    Raises
    ------
    TrainingError
        When the data set, one of its files or the model is missing or damaged.
    """
    dataset = read_dataset(data)
    path = served_model() if model is None else model
    segmenter = load_segmenter(path)
    chosen = Settings.of(segmenter) if settings is None else settings
    if threshold is not None:
        chosen = replace(chosen, threshold=threshold)
    workers = processes or os.cpu_count() or 1
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as scratch:
        rows = measure_all(
            dataset,
            path,
            segmenter,
            chosen,
            (out or Path(scratch)) / "rows.jsonl",
            processes=workers,
            resume=resume,
            progress=progress,
        )
    sample = tabulate(dataset.women, rows)
    judged = _judged(dataset, rows, segmenter, chosen)
    report = summarise(dataset, sample, rows, segmenter, chosen, draws, judge_probabilities(judged, chosen))
    if out is not None:
        write_judged(out / FILE, judged)
        _write(out, report, dataset, sample, rows, segmenter, chosen)
    return report


def served_model() -> Path:
    """Return the network of this installation's model repository."""
    return default_repository() / "bac_segment" / "1" / "model.onnx"


def summarise(
    dataset: Dataset,
    sample: Sample,
    rows: Mapping[str, Row],
    segmenter: Segmenter,
    settings: Settings,
    draws: int,
    probability: Mapping[str, Any],
) -> Report:
    """Compute every figure of an evaluation."""
    codes: dict[str, Counter[str]] = {"refused": Counter(), "failed": Counter()}
    for row in rows.values():
        if row.result["status"] in codes:
            codes[row.result["status"]][row.result["code"]] += 1
    curve = figure.curve(sample)
    return Report(
        model={
            "sha256": segmenter.sha256,
            "engine": segmenter.engine,
            **settings.to_dict(),
        },
        data={
            "name": dataset.folder.resolve().name,
            "seed": dataset.seed,
            "sha256": dataset.sha256,
            "women": len(dataset.women),
            "views": len(dataset.views),
            "positive_views": sum(row.is_true for row in rows.values()),
            **{kind: dict(counted) for kind, counted in codes.items()},
        },
        draws=draws,
        seed=_SEED,
        figures={group: estimate(sample, of, draws, _SEED) for group, of in FIGURES.items()},
        confusion=figure.confusion(sample).tolist(),
        froc=[]
        if curve is None
        else [
            (float(alarms), float(found))
            for alarms, found in zip(curve.false_per_view, curve.sensitivity, strict=True)
        ],
        strata=stratify(dataset, sample, draws, _SEED),
        probability=probability,
    )


def _judged(dataset: Dataset, rows: Mapping[str, Row], segmenter: Segmenter, settings: Settings) -> JudgedSet:
    name = dataset.folder.resolve().name
    images = [
        JudgedImage(name, view.path, rows[view.path].is_true, rows[view.path].findings)
        for view in dataset.views
    ]
    return JudgedSet(name, dataset.sha256, (segmenter.sha256,), settings.to_dict(), tuple(images))


def _write(
    out: Path,
    report: Report,
    dataset: Dataset,
    sample: Sample,
    rows: Mapping[str, Row],
    segmenter: Segmenter,
    settings: Settings,
) -> None:
    folder = out / "pictures"
    folder.mkdir(exist_ok=True)
    # Only what an earlier evaluation drew: the folder may hold pictures of others.
    for name in _PICTURES:
        for old in folder.glob(name):
            old.unlink()
    shown = _plot(folder, report, sample)
    best, worst = pictures.choose(dataset, rows, _CASES)
    for kind, cases in (("worst", worst), ("best", best)):
        drawn = pictures.draw(dataset, cases, segmenter, settings, _numbered(folder, kind))
        shown[kind] = [f"pictures/{path.name}" for path in drawn]
    write_women(out / "women.csv", dataset, sample)
    (out / "report.md").write_text(to_markdown(report, shown))
    (out / "report.json").write_text(json.dumps(report.to_dict(), indent=1, allow_nan=False) + "\n")


def _numbered(folder: Path, kind: str) -> Callable[[int], Path]:
    return lambda number: folder / f"{kind}-{number:02d}.png"


def _plot(folder: Path, report: Report, sample: Sample) -> dict[str, list[str]]:
    shown: dict[str, list[str]] = {}
    weighed = figure.weighed(sample.women)
    if weighed.any():
        true, measured = sample.women["true_mg"][weighed], sample.women["mg"][weighed]
        value = {name: found.value for name, found in report.figures["mass"].items()}
        plots.scatter(true, measured, _nan(value["woman_slope"]), _nan(value["woman_intercept_mg"])).savefig(
            folder / "scatter.png"
        )
        limits = _nan(value["woman_lower_limit_mg"]), _nan(value["woman_upper_limit_mg"])
        plots.bland_altman(true, measured, _nan(value["woman_mean_difference_mg"]), limits).savefig(
            folder / "bland_altman.png"
        )
        shown |= {name: [f"pictures/{name}.png"] for name in ("scatter", "bland_altman")}
    bins = report.probability["image"]["bins"]
    if bins:
        plots.reliability([(entry["mean"], entry["observed"]) for entry in bins]).savefig(
            folder / "reliability.png"
        )
        shown["reliability"] = ["pictures/reliability.png"]
    curve = figure.curve(sample)
    if curve is not None:
        served = report.figures["vessels"]
        point = _nan(served["false_per_view"].value), _nan(served["sensitivity"].value)
        plots.froc_curve(curve.false_per_view, curve.sensitivity, point).savefig(folder / "froc.png")
        shown["froc"] = ["pictures/froc.png"]
    return shown


def _nan(value: float | None) -> float:
    return float("nan") if value is None else value
