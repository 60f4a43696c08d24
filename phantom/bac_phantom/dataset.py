"""A folder of phantom exams with their truth."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
import multiprocessing
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from bac_phantom.config import PhantomConfig
from bac_phantom.woman import Woman, make_woman

TRUTH_SCHEMA = "bac_phantom.truth/1"


def write_woman(out: Path, woman: Woman) -> dict[str, Any]:
    """Write one exam under ``out/<StudyInstanceUID>/`` and return its entry for ``truth.json``."""
    folder = out / woman.study_instance_uid
    folder.mkdir(parents=True, exist_ok=True)
    images = []
    for view in woman.views:
        path = folder / f"{view.sop_instance_uid}{view.suffix}"
        path.write_bytes(view.encode())
        mask = folder / f"{view.sop_instance_uid}.mask.png"
        Image.fromarray(view.mask.astype(np.uint8) * 255).save(mask, compress_level=1)
        images.append(
            {"path": str(path.relative_to(out)), "mask": str(mask.relative_to(out)), **view.truth()},
        )
    return {
        "seed": woman.seed,
        "study_instance_uid": woman.study_instance_uid,
        "calcium_mass_mg": round(woman.calcium_mass_mg, 4),
        "breasts": {side: round(mass, 4) for side, mass in woman.breasts.items()},
        "images": images,
    }


def _write_seed(out: Path, config: PhantomConfig | None, seed: int) -> dict[str, Any]:
    return write_woman(out, make_woman(seed, config))


def write_dataset(
    out: Path,
    women: int,
    seed: int,
    config: PhantomConfig | None = None,
    progress: Callable[[int, int], None] | None = None,
    processes: int = 1,
) -> Path:
    """Write ``women`` exams of seeds ``seed``, ``seed + 1``, ... and ``truth.json``.

    Parameters
    ----------
    out
        Folder to write into; made when it does not exist.
    women, seed
        How many exams and the first seed.
    config
        What to draw from.
    progress
        Called with (done, women) after each exam.
    processes
        How many exams are made at a time; the files do not hang on it.

    Returns
    -------
    Path
        ``out/truth.json``, written last: a folder without it was cut short.
    """
    out.mkdir(parents=True, exist_ok=True)
    write = functools.partial(_write_seed, out, config)
    entries = []
    with contextlib.ExitStack() as stack:
        # Spawned: a caller that has threads, as a progress display does, must not be forked.
        pool = (
            stack.enter_context(multiprocessing.get_context("spawn").Pool(processes, _end_with_parent))
            if processes > 1
            else None
        )
        made = pool.imap(write, range(seed, seed + women)) if pool else map(write, range(seed, seed + women))
        for entry in made:
            entries.append(entry)
            if progress is not None:
                progress(len(entries), women)
    truth = {
        "schema": TRUTH_SCHEMA,
        "intended_use": "research use only",
        "mass_reference": "calcium",
        "seed": seed,
        "config": dataclasses.asdict(config or PhantomConfig()),
        "women": entries,
    }
    path = out / "truth.json"
    path.write_text(json.dumps(truth, indent=1) + "\n")
    return path


def _end_with_parent() -> None:
    """End this worker when its parent is gone: a killed parent cannot tell it, and it would wait for ever."""
    # As in `bac_training.data.workers`: the phantom imports none of the packages that it tests.
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def wait() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
