"""Where a network is wrong: false alarms of a trained network, for the next run to look at more often.

``python -m bac_training.mining CACHE... --model FILE`` runs a network over the cases of caches and writes
beside each case ``<case>.mined.npy``, int32 [n, 2] (row, column): points inside what the network takes for
BAC and is none (bootstrapping: Sung and Poggio 1998). Training draws ``patches.mined`` of its patches around
them.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from bac_imaging.files import whole_file
from bac_imaging.grid.tiles import cut_tiles, stitch_tiles
from bac_training.cache import BAC, BREAST, Case, decode_image, mined_path, read_cases
from bac_training.data.negatives import away_from
from bac_training.errors import TrainingError
from bac_training.network.backends import Segmenter, load_segmenter

__all__ = ["false_alarms", "mine"]

_LEAST_PROBABILITY = 0.3  # what is not yet an alarm, and nearly
_LEAST_PX = 50  # half a mm2: less is never reported
_POINTS = 48  # of each alarm, however large: a long wire is one mistake, as a short rod is

IntArray = npt.NDArray[np.int32]
BoolArray = npt.NDArray[np.bool_]


def false_alarms(probability: npt.NDArray[np.float32], bac: BoolArray, breast: BoolArray) -> IntArray:
    """Return points inside the pieces that are taken for BAC and lie away from any (`negatives.away_from`).

    Returns
    -------
    ndarray of int32, shape (n, 2)
        (row, column); at most 48 of each piece.
    """
    wrong = away_from(bac, breast) & (probability >= _LEAST_PROBABILITY)
    labels, _ = ndimage.label(wrong, np.ones((3, 3)))
    rng = np.random.default_rng(0)
    found = [np.empty((0, 2), dtype=np.int32)]
    for number, box in enumerate(ndimage.find_objects(labels), start=1):
        points = np.argwhere(labels[box] == number) + [part.start for part in box]
        if len(points) >= _LEAST_PX:
            found.append(rng.permutation(points)[:_POINTS].astype(np.int32))
    return np.concatenate(found)


def mine(
    folder: Path, segmenter: Segmenter, progress: Callable[[int, int], None] | None = None
) -> tuple[int, int]:
    """Write the false alarms of a network on every case of a cache, in place of those of an earlier one.

    `progress` is called with the cases done and their total. Returns the number of cases, and of those that
    have false alarms; an empty cache is a TrainingError.
    """
    cases = read_cases(folder)
    if not cases:
        raise TrainingError(f"{folder} holds no cases; make some with python -m bac_training.cache")
    with_alarms = 0
    for number, case in enumerate(cases, start=1):
        points = _mine_case(folder, case, segmenter)
        with_alarms += len(points) > 0
        with whole_file(mined_path(folder, case.name)) as file:
            np.save(file, points)
        if progress:
            progress(number, len(cases))
    return len(cases), with_alarms


def _mine_case(folder: Path, case: Case, segmenter: Segmenter) -> IntArray:
    codes, labels = np.load(folder / f"{case.name}.npy", allow_pickle=False)
    breast = (labels & BREAST) > 0
    tiles, origins = cut_tiles(decode_image(codes), breast)
    probability = stitch_tiles(segmenter.probability(tiles), origins, breast.shape)
    return false_alarms(probability, (labels & BAC) > 0, breast)


def _main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m bac_training.mining", description=__doc__.splitlines()[0]
    )
    parser.add_argument("caches", type=Path, nargs="+")
    parser.add_argument("--model", type=Path, required=True, help="checkpoint or ONNX file")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args(arguments)
    if options.threads < 1:
        parser.error("--threads: give 1 or more")

    def progress(done: int, total: int) -> None:
        if done == total or done % 100 == 0:
            print(f"{done}/{total} cases", file=sys.stderr, flush=True)

    try:
        segmenter = load_segmenter(options.model, options.threads)
        for folder in options.caches:
            cases, with_alarms = mine(folder, segmenter, progress)
            print(f"{folder}: {with_alarms} of {cases} cases with false alarms")
    except TrainingError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(_main())
