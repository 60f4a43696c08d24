"""Measuring the images of a data set in worker processes, each result written to disk at once."""

from __future__ import annotations

import contextlib
import json
import signal
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from bac_evaluation.dataset import Dataset, View
from bac_evaluation.measure import Row, measure
from bac_evaluation.settings import Settings
from bac_training.data.workers import end_with_parent
from bac_training.errors import TrainingError
from bac_training.network.backends import Segmenter, load_segmenter

__all__ = ["ROWS_SCHEMA", "collect", "measure_all", "over_views"]

ROWS_SCHEMA = "bac_training.evaluation.rows/2"

_NAMED = {
    "data_sha256": "data set",
    "folds_sha256": "table of folds",
    "model_sha256": "model",
    "settings": "setting",
}

Task = Callable[[Path, View, Segmenter, Settings], dict[str, Any]]

_loaded: tuple[Segmenter, Path, Settings] | None = None


def measure_all(
    dataset: Dataset,
    model: Path,
    segmenter: Segmenter,
    settings: Settings,
    path: Path,
    *,
    processes: int = 1,
    resume: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Row]:
    """Measure every image of a data set that `path` does not hold yet.

    Parameters
    ----------
    dataset : Dataset
        Images and truth.
    model : Path
        File of the network.
    segmenter : Segmenter
        The same, loaded; used when there is one process.
    settings : Settings
        Threshold and post-processing.
    path : Path
        JSON lines: what was measured with what, then one row an image.
    processes : int, default 1
        Worker processes; each loads the network and computes with one thread.
    resume : bool, default False
        Keep the rows that are there; otherwise start anew.
    progress : callable, optional
        Called with the images done and their total.

    Returns
    -------
    dict of str to Row
        By the image's path.

    Raises
    ------
    TrainingError
        When the rows to go on with are of another model, data set or setting, or a mask does not fit.
    """
    header = {
        "schema": ROWS_SCHEMA,
        "intended_use": "research use only",
        "data_sha256": dataset.sha256,
        "model_sha256": segmenter.sha256,
        "settings": settings.to_dict(),
    }
    views = {view.path: view for view in dataset.views}
    rows = collect(
        header,
        list(views),
        lambda todo: over_views(
            _measured,
            dataset.folder,
            [views[name] for name in todo],
            model,
            segmenter,
            settings,
            processes,
        ),
        path,
        resume=resume,
        progress=progress,
    )
    return {name: Row.from_dict(rows[name]) for name in views}


def collect(
    header: Mapping[str, Any],
    names: Sequence[str],
    make: Callable[[Sequence[str]], Generator[dict[str, Any], None, None]],
    path: Path,
    *,
    resume: bool,
    progress: Callable[[int, int], None] | None,
) -> dict[str, dict[str, Any]]:
    """Make the rows that a file does not hold yet, each written as soon as it is made.

    Parameters
    ----------
    header : mapping
        What is measured with what; its first line.
    names : sequence of str
        The ``path`` of every row.
    make : callable
        From the names that are left to their rows, in any order.
    path : Path
        JSON lines.
    resume : bool
        Keep the rows that are there; otherwise start anew.
    progress : callable or None
        Called with the images done and their total.

    Returns
    -------
    dict of str to dict
        Row by path.

    Raises
    ------
    TrainingError
        When the rows to go on with have another header.
    """
    rows = _kept(path, header) if resume and path.exists() else None
    if rows is None:
        path.write_text(json.dumps(header) + "\n")
        rows = {}
    todo = [name for name in names if name not in rows]
    if progress:
        progress(len(names) - len(todo), len(names))
    with path.open("a") as log, contextlib.closing(make(todo)) as made:
        for row in made:
            log.write(json.dumps(row, allow_nan=False) + "\n")
            log.flush()
            rows[row["path"]] = row
            if progress:
                progress(len(rows), len(names))
    return rows


def _kept(path: Path, header: Mapping[str, Any]) -> dict[str, dict[str, Any]] | None:
    """Read the rows of an interrupted run, and cut off what it left unfinished."""
    content = path.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    if not whole:
        return None
    try:
        first, *lines = (json.loads(line) for line in whole.splitlines())
        rows = {line["path"]: line for line in lines}
        if not isinstance(first, dict):
            raise TypeError(first)
    except (ValueError, KeyError, TypeError):
        raise TrainingError(f"{path} is damaged; evaluate without --resume") from None
    if first != header:
        # A header that differs in nothing that has a name here is one of another version.
        other = [what for key, what in _NAMED.items() if first.get(key) != header.get(key)] or ["version"]
        raise TrainingError(
            f"{path} holds rows of another {' and another '.join(other)}; give --report another folder, or "
            "leave out --resume to start anew"
        )
    if len(whole) < len(content):
        path.write_bytes(whole)
    return rows


def over_views(
    task: Task,
    folder: Path,
    views: Sequence[View],
    model: Path,
    segmenter: Segmenter,
    settings: Settings,
    processes: int,
) -> Generator[dict[str, Any], None, None]:
    """Do the same with every view, in this process or in others.

    Parameters
    ----------
    task : callable
        From data set, view, network and settings to plain types; a function of a module.
    folder : Path
        Data set.
    views : sequence of View
        Its images.
    model : Path
        File of the network.
    segmenter : Segmenter
        The same, loaded; used when there is one process.
    settings : Settings
        Threshold and post-processing.
    processes : int
        Worker processes; each loads the network and computes with one thread.

    Yields
    ------
    dict
        What the task returned, in the order of completion.
    """
    if processes <= 1 or len(views) < 2:
        for view in views:
            yield task(folder, view, segmenter, settings)
        return
    with ProcessPoolExecutor(
        min(processes, len(views)),
        mp_context=get_context("spawn"),
        initializer=_load,
        initargs=(model, folder, settings),
    ) as pool:
        try:
            for future in as_completed([pool.submit(_do, task, view) for view in views]):
                yield future.result()
        except BrokenProcessPool:
            raise TrainingError(
                "a worker process was ended from outside, as when memory runs out; use fewer processes"
            ) from None
        finally:
            pool.shutdown(cancel_futures=True)


def _load(model: Path, folder: Path, settings: Settings) -> None:
    global _loaded
    # Ctrl-C reaches the whole process group; the parent ends the pool.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent()
    _loaded = load_segmenter(model, threads=1), folder, settings


def _do(task: Task, view: View) -> dict[str, Any]:
    assert _loaded is not None  # noqa: S101
    segmenter, folder, settings = _loaded
    return task(folder, view, segmenter, settings)


def _measured(folder: Path, view: View, segmenter: Segmenter, settings: Settings) -> dict[str, Any]:
    return measure(folder, view, segmenter, settings).to_dict()
