"""A folder of exams with their truth, in the form that `bacctl evaluate` reads."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from bac_randfield.config import RandomFieldConfig
from bac_randfield.view import Woman
from bac_randfield.woman import store_exam, take_exam

# The form is that of the project's other phantom: what reads one reads the other.
_SCHEMA = "bac_phantom.truth/1"


def women_of(seed: int, config: RandomFieldConfig) -> Iterator[Woman]:
    """Yield the exams of one seed: one, or with look "paired" the same woman raw and for presentation."""
    exam = take_exam(seed, config)
    for look in ("raw", "presentation") if config.look == "paired" else (None,):
        yield store_exam(exam, config, look)


def _write(out: Path, config: RandomFieldConfig, seed: int) -> list[dict[str, Any]]:
    return [_write_woman(out, woman) for woman in women_of(seed, config)]


def _write_woman(out: Path, woman: Woman) -> dict[str, Any]:
    folder = out / woman.study_instance_uid
    folder.mkdir(parents=True, exist_ok=True)
    images = []
    for view in woman.views:
        path = folder / f"{view.sop_instance_uid}{view.suffix}"
        path.write_bytes(view.encode())
        mask = folder / f"{view.sop_instance_uid}.mask.png"
        Image.fromarray(view.mask.astype(np.uint8) * 255).save(mask, compress_level=1)
        names = {"path": path.relative_to(out).as_posix(), "mask": mask.relative_to(out).as_posix()}
        images.append({**names, **view.truth()})
    return {
        "seed": woman.seed,
        "study_instance_uid": woman.study_instance_uid,
        "calcium_mass_mg": round(woman.calcium_mass_mg, 4),
        "breasts": {side: round(mass, 4) for side, mass in woman.breasts.items()},
        "images": images,
    }


def write_dataset(
    out: Path,
    women: int,
    seed: int,
    config: RandomFieldConfig | None = None,
    progress: Callable[[int, int], None] | None = None,
    processes: int = 1,
) -> Path:
    """Write women of seeds `seed`, `seed` + 1, ... and ``truth.json``, which comes last.

    Parameters
    ----------
    out : Path
        Folder; made where it is missing.
    women, seed : int
        How many, and the first seed.
    config : RandomFieldConfig, optional
        What to draw from.
    progress : callable, optional
        Called with (done, women).
    processes : int, default 1
        How many women are made at a time; the files do not hang on it.

    Returns
    -------
    Path
        ``truth.json``.
    """
    config = config or RandomFieldConfig()
    out.mkdir(parents=True, exist_ok=True)
    entries: list[dict[str, Any]] = []
    seeds = range(seed, seed + women)

    def keep(made: Iterator[list[dict[str, Any]]]) -> None:
        for done, entry in enumerate(made, 1):
            entries.extend(entry)
            if progress is not None:
                progress(done, women)

    if processes > 1:
        with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
            keep(pool.map(_write, [out] * women, [config] * women, seeds))
    else:
        keep(_write(out, config, one) for one in seeds)
    truth = {
        "schema": _SCHEMA,
        "generator": "randfield",
        "intended_use": "research use only",
        "mass_reference": "calcium",
        "seed": seed,
        "config": dataclasses.asdict(config),
        "women": entries,
    }
    path = out / "truth.json"
    path.write_text(json.dumps(truth, indent=1) + "\n")
    return path
