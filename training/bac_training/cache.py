"""Prepared training cases on disk.

Preparing a mammogram takes longer than training on it, and a phantom longer still, so each case is prepared
once, by the pipeline that serves, and stored cropped to the breast. A cache is a folder::

    cache.json      what the cases are made of
    cases.jsonl     one line a finished unit (a woman, or an image) with its cases
    <case>.npy      uint8 [2, h, w]: normalised image (code = 16 x value + 64); labels (bit 0 BAC,
                    bit 1 breast)
    <case>.npz      int32 [n, 2] (row, column): samples of BAC pixels (`positive`), and outside BAC of the
                    brightest pixels (`hard`) and of bright lines such as plain vessels (`lines`)
    <case>.mined.npy    where a network was wrong, if `bac_training.mining` was run

Lines are appended whole, so a builder can be stopped and started at any time, and a training run that is
under way reads new cases as they come. ``python -m bac_training.cache OUT --seeds 0:100`` builds one of
phantom women; ``--generator randfield`` one of the random-field phantom's.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bac_imaging.files import whole_file, write_whole
from bac_terms.errors import BacctlError
from bac_training.data import negatives
from bac_training.data.sources import PhantomSource, RandomFieldSource, Sample, Source
from bac_training.data.workers import end_with_parent
from bac_training.errors import TrainingError, refusal

__all__ = ["BAC", "BREAST", "Case", "build", "decode_image", "is_cache", "mined_path", "read_cases"]

SCHEMA = "bac_training.cache/2"
BAC, BREAST = 1, 2
_SCALE, _ZERO = 16.0, 64
_MARGIN_PX = 8
_MOST_POINTS = 4096

UInt8Array = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Case:
    """One prepared image."""

    name: str  # stem of its two files
    shape: tuple[int, int]  # rows and columns of the crop, pixels of 0.1 mm
    bac_px: int  # number of BAC pixels


def is_cache(folder: Path) -> bool:
    """Say whether `folder` is a cache."""
    return (folder / "cache.json").is_file()


def read_cases(folder: Path) -> list[Case]:
    """Return the finished cases of a cache, in the order of the names."""
    cases = [
        Case(c["name"], tuple(c["shape"]), c["bac_px"]) for line in _lines(folder) for c in line["cases"]
    ]
    return sorted(cases, key=lambda case: case.name)


def mined_path(folder: Path, name: str) -> Path:
    """Return where the false alarms on a case are kept."""
    return folder / f"{name}.mined.npy"


def decode_image(codes: UInt8Array) -> npt.NDArray[np.float32]:
    """Return the normalised image (float32) of stored codes, exactly 0 where it was 0."""
    return (codes.astype(np.float32) - _ZERO) / np.float32(_SCALE)


def build(
    source: Source,
    folder: Path,
    *,
    processes: int = 1,
    progress: Callable[[int, int], None] | None = None,
    exact: bool = False,
    refused: list[tuple[str, str]] | None = None,
) -> list[Case]:
    """Prepare every unit of `source` that `folder` does not hold yet.

    Parameters
    ----------
    source : Source
        Where the samples come from.
    folder : Path
        The cache; made where it is missing.
    processes : int, default 1
        Number of processes that prepare units.
    progress : callable, optional
        Called with the units done and their total after each unit.
    exact : bool, default False
        The cache holds what the source lists now and nothing else: units that are no longer listed are
        dropped. Otherwise it only grows, so that it can be made in parts.
    refused : list, optional
        With it, a unit that cannot be prepared is added here (unit, reason) and tried again next time.
        Without it such units are passed over for good.

    Returns
    -------
    list of Case
        All cases of the cache.

    Raises
    ------
    TrainingError
        When the folder is a cache of another source or, without `refused`, no case could be made at all.
    """
    folder.mkdir(parents=True, exist_ok=True)
    header = {"schema": SCHEMA, "source": source.describe()}
    path = folder / "cache.json"
    if path.exists():
        if json.loads(path.read_text()) != header:
            raise TrainingError(f"{folder} holds cases of another source; choose another folder or delete it")
    else:
        path.write_text(json.dumps(header, indent=1, sort_keys=True) + "\n")
    units = source.units()
    if exact:
        _drop_others(folder, set(units))
    done = {line["unit"] for line in _lines(folder)}
    todo = [unit for unit in units if unit not in done]
    finished = len(units) - len(todo)
    _close_last_line(folder / "cases.jsonl")
    with (
        (folder / "cases.jsonl").open("a") as log,
        contextlib.closing(_made(source, todo, folder, processes)) as made,
    ):
        for line in made:
            if refused is not None and line["skipped"]:
                refused += [(line["unit"], reason) for reason in line["skipped"]]
            else:
                log.write(json.dumps(line) + "\n")
                log.flush()
            finished += 1
            if progress:
                progress(finished, len(units))
    cases = read_cases(folder)
    if not cases and refused is None:
        reasons = [f"{line['unit']}: {reason}" for line in _lines(folder) for reason in line["skipped"]]
        raise TrainingError(
            f"no image of the source could be prepared: {reasons[0] if reasons else 'it is empty'}"
        )
    return cases


def _drop_others(folder: Path, units: set[str]) -> None:
    """Take units that are not listed out of a cache."""
    kept: list[dict[str, Any]] = []
    stale: list[dict[str, Any]] = []
    for line in _lines(folder):
        (kept if line["unit"] in units else stale).append(line)
    if not stale:
        return
    text = "".join(json.dumps(line) + "\n" for line in kept)
    write_whole(folder / "cases.jsonl", text.encode())
    for case in (case for line in stale for case in line["cases"]):
        for ending in (".npy", ".npz"):
            (folder / f"{case['name']}{ending}").unlink(missing_ok=True)
        mined_path(folder, case["name"]).unlink(missing_ok=True)


def _made(
    source: Source, units: Sequence[str], folder: Path, processes: int
) -> Generator[dict[str, Any], None, None]:
    if processes <= 1:
        yield from (_make_unit(source, unit, folder) for unit in units)
        return
    spawn = get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=spawn, initializer=end_with_parent) as pool:
        try:
            for future in as_completed([pool.submit(_make_unit, source, unit, folder) for unit in units]):
                yield future.result()
        finally:
            pool.shutdown(cancel_futures=True)


def _make_unit(source: Source, unit: str, folder: Path) -> dict[str, Any]:
    cases: list[dict[str, Any]] = []
    skipped: list[str] = []
    for sample in source.load(unit):
        try:
            cases.append(asdict(_make_case(sample, folder)))
        except BacctlError as error:
            skipped.append(refusal(error))
        except _MaskError as error:
            skipped.append(str(error))
    return {"unit": unit, "cases": cases, "skipped": skipped}


class _MaskError(Exception):
    """A mask does not fit its image."""


def _make_case(sample: Sample, folder: Path) -> Case:
    from bac_imaging.pipeline import prepare, to_working_mask

    prepared = prepare(sample.data, sample.options)
    stored = prepared.context.shape
    if sample.mask.shape != stored:
        sizes = "{} x {} pixels, its image {} x {}".format(*sample.mask.shape, *stored)
        raise _MaskError(f"the mask is {sizes}; draw it on the stored image")
    mask = to_working_mask(sample.mask, prepared.context)
    marked = int(mask.sum())
    mask &= prepared.breast
    if 2 * int(mask.sum()) < marked:
        raise _MaskError("most of the mask lies outside the breast; see that it is this image's, unmirrored")
    rows, columns = (np.flatnonzero(prepared.breast.any(axis=axis)) for axis in (1, 0))
    crop = tuple(slice(max(int(i[0]) - _MARGIN_PX, 0), int(i[-1]) + 1 + _MARGIN_PX) for i in (rows, columns))
    normalised, breast, mask = prepared.normalised[crop], prepared.breast[crop], mask[crop]
    planes = np.empty((2, *mask.shape), dtype=np.uint8)
    planes[0] = np.clip(np.rint(normalised * _SCALE) + _ZERO, 0, 255)
    planes[1] = mask * np.uint8(BAC) + breast * np.uint8(BREAST)
    other = negatives.away_from(mask, breast)
    points = {
        "positive": _sample(mask),
        "hard": _sample(negatives.brightest(normalised, other)),
        "lines": _sample(negatives.lines(normalised, other)),
    }
    with whole_file(folder / f"{sample.name}.npy") as file:
        np.save(file, planes)
    with whole_file(folder / f"{sample.name}.npz") as file:
        np.savez(file, **points)
    return Case(sample.name, (int(mask.shape[0]), int(mask.shape[1])), int(mask.sum()))


def _sample(mask: npt.NDArray[Any]) -> npt.NDArray[np.int32]:
    points = np.argwhere(mask)
    # A fixed seed: the same case gives the same file.
    chosen = np.random.default_rng(0).permutation(len(points))[:_MOST_POINTS]
    return points[chosen].astype(np.int32)


def _close_last_line(path: Path) -> None:
    """End a line that a killed builder left open, so that the next one does not run into it."""
    if path.exists() and not path.read_bytes().endswith(b"\n"):
        with path.open("a") as file:
            file.write("\n")


def _lines(folder: Path) -> Iterator[dict[str, Any]]:
    path = folder / "cases.jsonl"
    if not path.exists():
        return
    for text in path.read_text().splitlines(keepends=True):
        # A builder that was killed, or is writing just now, leaves a last line without its end.
        if text.endswith("\n"):
            with contextlib.suppress(ValueError):
                yield json.loads(text)


def _seeds(text: str) -> range:
    first, end = map(int, text.split(":"))
    return range(first, end)


def _main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bac_training.cache", description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=_seeds, required=True, help="FIRST:END, half-open")
    parser.add_argument("--generator", choices=("phantom", "randfield"), default="phantom")
    parser.add_argument("--look", choices=("raw", "presentation", "film", "mixed"), default="mixed")
    parser.add_argument("--processes", type=int, default=1)
    options = parser.parse_args(arguments)

    def progress(done: int, total: int) -> None:
        print(f"{done}/{total} women", file=sys.stderr, flush=True)

    try:
        kind = RandomFieldSource if options.generator == "randfield" else PhantomSource
        source: Source = kind(options.seeds, options.look)
        build(source, options.folder, processes=options.processes, progress=progress)
    except TrainingError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(_main())
