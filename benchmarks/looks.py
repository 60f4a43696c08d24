"""How often the network looks at a tile, on images with BAC and without: counted, not timed.

    python benchmarks/looks.py DATA

``DATA`` is a folder that `bacctl evaluate` takes, labelled images or a phantom data set. The network that
serves looks at each tile once, and again where it may have found something (`bac_imaging.vessels.votes`).
Research use only.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bac_evaluation.dataset import read_dataset
from bac_evaluation.run import served_model
from bac_evaluation.settings import Settings
from bac_imaging.pipeline import prepare
from bac_imaging.vessels.votes import vote
from bac_terms.errors import BacctlError
from bac_training.data.labelled import is_labelled, read_labelled
from bac_training.network.backends import load_segmenter

FloatArray = npt.NDArray[np.float32]


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path, help="labelled images or a phantom data set")
    data: Path = parser.parse_args().data
    segmenter = load_segmenter(served_model())
    demands = Settings.of(segmenter).parameters()
    counts: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for path, options, kind in _images(data):
        try:
            tiles = prepare((data / path).read_bytes(), options).tiles
        except BacctlError:
            continue
        sent: list[int] = []

        def counted(some: FloatArray, sent: list[int] = sent) -> FloatArray:
            sent.append(len(some))
            return segmenter.probability(some)

        vote(tiles, counted, demands.core, demands.seed)
        counts[kind].append((sum(sent), len(tiles)))
    print("| images | number | looked at once | looks at a tile | most |\n|---|---|---|---|---|")
    for kind, found in counts.items():
        looks, tiles_of = np.array(found).T
        once = 100 * float((looks == tiles_of).mean())
        print(
            f"| {kind} | {len(found)} | {once:.0f} % | {looks.sum() / tiles_of.sum():.2f} "
            f"| {(looks / tiles_of).max():.1f} |"
        )


def _images(data: Path) -> list[tuple[str, dict[str, Any] | None, str]]:
    """List the path, options and kind of each image."""
    if is_labelled(data):
        labelled = read_labelled(data).images
        return [
            (image.view.path, dict(image.view.options or {}), f"{image.group}, {image.label}")
            for image in labelled
        ]
    views = read_dataset(data).views
    return [
        (view.path, dict(view.options or {}), "with BAC" if view.arteries else "without BAC")
        for view in views
    ]


if __name__ == "__main__":
    main()
