"""How often the network looks at a tile, on images with BAC and without: counted, not timed.

    python benchmarks/looks.py DATA [--labels CORRECTIONS]

``DATA`` is a folder that `bacctl evaluate` takes, labelled images or a phantom data set. The network that
serves looks at each tile once, and again where it may have found something (`bac_imaging.vessels.votes`).
Research use only.
"""

from __future__ import annotations

import argparse
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bac_evaluation.dataset import read_dataset
from bac_evaluation.real.rows import quantify_labelled
from bac_evaluation.run import served_model
from bac_evaluation.served import segment_view
from bac_evaluation.settings import Settings
from bac_terms.errors import BacctlError
from bac_training.data.labelled import is_labelled, read_labelled
from bac_training.network.backends import Segmenter, load_segmenter

FloatArray = npt.NDArray[np.float32]


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path, help="labelled images or a phantom data set")
    parser.add_argument("--labels", type=Path, help="corrected readings of labelled images")
    options = parser.parse_args()
    segmenter = load_segmenter(served_model())
    sent: list[int] = []

    def counted(tiles: FloatArray) -> FloatArray:
        sent.append(len(tiles))
        return segmenter.probability(tiles)

    counts: dict[str, list[tuple[int, int]]] = defaultdict(list)
    left_out: Counter[str] = Counter()
    for kind, measure in _images(options.data, options.labels, replace(segmenter, probability=counted)):
        sent.clear()
        try:
            measure()
        except BacctlError as error:
            left_out[error.code] += 1
            continue
        counts[kind].append((sum(sent), sent[0]))
    print("| images | number | looked at once | looks at a tile | most of an image |\n|---|---|---|---|---|")
    for kind, found in sorted(counts.items()):
        looks, tiles = np.array(found).T
        once = 100 * float((looks == tiles).mean())
        most = float((looks / tiles).max())
        print(f"| {kind} | {len(found)} | {once:.0f} % | {looks.sum() / tiles.sum():.2f} | {most:.1f} |")
    for code, number in left_out.items():
        print(f"\n{code}: {number} left out")


def _images(
    data: Path, labels: Path | None, segmenter: Segmenter
) -> Iterator[tuple[str, Callable[[], object]]]:
    """Give each image's kind, and what lets the network look at it as serving does."""
    settings = Settings.of(segmenter)
    if is_labelled(data):
        for image in read_labelled(data, labels).images:
            kind = f"{image.group}, {image.label}"
            yield kind, partial(quantify_labelled, data, image, None, segmenter, settings)
        return
    for view in read_dataset(data).views:
        kind = "with BAC" if view.arteries else "without BAC"
        yield kind, partial(segment_view, data, view, segmenter, settings.parameters())


if __name__ == "__main__":
    main()
