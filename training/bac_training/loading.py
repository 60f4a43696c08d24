"""The data of a run: caches, and whatever has to be turned into caches first."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bac_training.cache import build, is_cache, read_cases
from bac_training.config import DataConfig
from bac_training.data.check import Checked, check_apart, check_folder
from bac_training.data.folder import FolderSource, read_list
from bac_training.data.sources import PhantomSource
from bac_training.errors import DataSetError, TrainingError

__all__ = ["TrainingData", "open_data"]

_TELL_S = 10.0


@dataclass(frozen=True)
class TrainingData:
    """Caches to train and to validate on."""

    training: tuple[Path, ...]
    validation: tuple[Path, ...]

    def describe(self) -> list[dict[str, Any]]:
        """Return what the training caches hold, for the model card."""
        described = []
        for folder in self.training:
            names = [case.name for case in read_cases(folder)]
            digest = hashlib.sha256("\n".join(names).encode()).hexdigest()
            described.append({"source": _source(folder), "cases": len(names), "names_sha256": digest})
        return described


def open_data(
    config: DataConfig,
    out: Path,
    training: Sequence[Path] = (),
    validation: Sequence[Path] = (),
    notice: Callable[[str], None] | None = None,
) -> TrainingData:
    """Return the caches of a run, building those that are missing.

    Folders are looked at twice: first at all lists, headers and masks, which is quick, then each image is
    prepared. Every fault of either kind is collected, so that all of them are told at once, and nothing is
    trained before there is none. Images once prepared stay so.

    Parameters
    ----------
    config : DataConfig
        Phantom women to make when no folder is given.
    out : Path
        Folder of the run; caches made here go into ``out/cache``.
    training, validation : sequence of Path
        Caches or folders of images with masks.
    notice : callable, optional
        Called with lines that say how far the preparation is and what is unwise, but possible.

    Raises
    ------
    DataSetError
        With every fault of the data.
    TrainingError
        When a folder, or a phantom woman of two caches, serves both purposes, or there is only validation
        data.
    """
    notice = notice or (lambda text: None)
    both = {f.resolve() for f in training} & {f.resolve() for f in validation}
    if both:
        raise TrainingError(f"{min(both)} is given for training and for validation; keep them apart")
    if not training:
        if validation:
            raise TrainingError("validation data are given without training data; give both")
        return _phantoms(config, out / "cache", notice)
    women = _phantom_women(training) & _phantom_women(validation)
    if women:
        raise TrainingError(
            f"caches for training and for validation share {len(women)} phantom women, such as {min(women)}; "
            "make one of them with other seeds"
        )
    checked = {f: _look(f) for f in (*training, *validation) if not is_cache(f)}
    problems = [problem for found in checked.values() for problem in found.problems]
    sides = ({f: checked[f] for f in side if f in checked} for side in (training, validation))
    problems += check_apart(*sides)
    for side, folders in (("training", training), ("validation", validation)):
        problems += _one_class(side, folders, checked, notice)
    if not validation:
        notice("no validation data: nothing will tell when the network only learns these images by heart")
    if problems:
        notice(
            f"{len(problems)} problems so far; the images are read before all are told, Ctrl-C tells these"
        )
    try:
        for folder, found in checked.items():
            source = FolderSource(folder, found.usable)
            refused: list[tuple[str, str]] = []
            build(
                source,
                _cache_of(out / "cache", folder),
                processes=config.processes,
                progress=_teller(notice, f"images of {folder}"),
                exact=True,
                refused=refused,
            )
            problems += [f"{source.image(unit)}: {reason}" for unit, reason in refused]
    except KeyboardInterrupt:
        if not problems:
            raise
    if problems:
        raise DataSetError(problems)
    return TrainingData(
        *(
            tuple(_cache_of(out / "cache", f) if f in checked else f for f in s)
            for s in (training, validation)
        )
    )


def _phantoms(config: DataConfig, caches: Path, notice: Callable[[str], None]) -> TrainingData:
    first, count = config.phantom_seed, config.phantom_women
    seeds = {"training": range(first, first + count)}
    if config.validation_women:
        seeds["validation"] = range(first + count, first + count + config.validation_women)
    for name, women in seeds.items():
        # Exact: with more training women than last time, those validated on then are trained on now.
        build(
            PhantomSource(women, config.phantom_look),
            caches / name,
            processes=config.processes,
            progress=_teller(notice, f"phantom women for {name}"),
            exact=True,
        )
    return TrainingData((caches / "training",), (caches / "validation",) if "validation" in seeds else ())


def _phantom_women(folders: Sequence[Path]) -> set[str]:
    """Return the women of phantom caches; their cases are named woman-SEED-VIEW."""
    made = [f for f in folders if is_cache(f) and _source(f).get("kind") == "phantom"]
    return {case.name.rpartition("-")[0] for folder in made for case in read_cases(folder)}


def _source(cache: Path) -> dict[str, Any]:
    return dict(json.loads((cache / "cache.json").read_text())["source"])


def _look(folder: Path) -> Checked:
    entries, problems = read_list(folder)
    checked = check_folder(folder, entries)
    checked.problems[:0] = problems
    return checked


def _one_class(
    side: str, folders: Sequence[Path], checked: Mapping[Path, Checked], notice: Callable[[str], None]
) -> list[str]:
    """Name a side without any BAC, which nothing can be learnt from; warn of one with nothing but BAC.

    An image with BAC holds far more tissue without, so it teaches both; but how often a breast without BAC
    raises a false alarm, only such breasts tell.
    """
    cached = [case.bac_px > 0 for f in folders if f not in checked for case in read_cases(f)]
    found = [checked[f] for f in folders if f in checked]
    positive = sum(cached) + sum(c.with_bac for c in found)
    negative = len(cached) - sum(cached) + sum(c.without_bac for c in found)
    names = ", ".join(map(str, folders))
    if negative and not positive:
        return [
            f"{names}: none of the {negative} {side} images has BAC; add some, with masks that mark it as 255"
        ]
    if positive and not negative:
        notice(f"all {side} images have BAC: add some without (black masks), or false alarms go unnoticed")
    return []


def _teller(notice: Callable[[str], None], what: str) -> Callable[[int, int], None]:
    """Return a progress callback that speaks at most every `_TELL_S` seconds."""
    last = time.monotonic()

    def tell(done: int, total: int) -> None:
        nonlocal last
        if time.monotonic() - last > _TELL_S:
            last = time.monotonic()
            notice(f"prepared {done} of {total} {what}")

    return tell


def _cache_of(caches: Path, folder: Path) -> Path:
    digest = hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:8]
    return caches / f"{folder.resolve().name}-{digest}"
