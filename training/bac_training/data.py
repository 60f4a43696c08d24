"""The data of a run: caches, and whatever has to be turned into caches first."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bac_training.cache import build, is_cache, read_cases
from bac_training.config import DataConfig
from bac_training.errors import TrainingError
from bac_training.sources import FolderSource, PhantomSource

__all__ = ["TrainingData", "open_data"]


@dataclass(frozen=True)
class TrainingData:
    """Caches to train and to validate on."""

    training: tuple[Path, ...]
    validation: tuple[Path, ...]

    def describe(self) -> list[dict[str, Any]]:
        """Return what the training caches hold, for the model card."""
        described = []
        for folder in self.training:
            source = json.loads((folder / "cache.json").read_text())["source"]
            names = [case.name for case in read_cases(folder)]
            digest = hashlib.sha256("\n".join(names).encode()).hexdigest()
            described.append({"source": source, "cases": len(names), "names_sha256": digest})
        return described


def open_data(
    config: DataConfig, out: Path, training: Sequence[Path] = (), validation: Sequence[Path] = ()
) -> TrainingData:
    """Return the caches of a run, building those that are missing.

    Parameters
    ----------
    config : DataConfig
        Phantom women to make when no folder is given.
    out : Path
        Folder of the run; caches made here go into ``out/cache``.
    training, validation : sequence of Path
        Caches or folders of images with masks.

    Raises
    ------
    TrainingError
        When a folder does not exist, lists files that are missing, or serves both purposes.
    """
    for folder in (*training, *validation):
        if not folder.is_dir():
            raise TrainingError(f"{folder} is no folder; give a cache or a folder of images with masks")
    both = {f.resolve() for f in training} & {f.resolve() for f in validation}
    if both:
        raise TrainingError(f"{min(both)} is given for training and for validation; keep them apart")
    # Every folder is checked before the first one is prepared, which takes long.
    sources = {f: FolderSource(f) for f in (*training, *validation) if not is_cache(f)}
    caches = out / "cache"
    for folder, source in sources.items():
        build(source, _cache_of(caches, folder), processes=config.processes)
    if training:
        return TrainingData(
            tuple(_cache_of(caches, f) if f in sources else f for f in training),
            tuple(_cache_of(caches, f) if f in sources else f for f in validation),
        )
    first, count = config.phantom_seed, config.phantom_women
    seeds = {"training": range(first, first + count)}
    if config.validation_women:
        seeds["validation"] = range(first + count, first + count + config.validation_women)
    for name, women in seeds.items():
        build(PhantomSource(women, config.phantom_look), caches / name, processes=config.processes)
    return TrainingData((caches / "training",), (caches / "validation",) if "validation" in seeds else ())


def _cache_of(caches: Path, folder: Path) -> Path:
    digest = hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:8]
    return caches / f"{folder.resolve().name}-{digest}"
