"""One network between several that were tuned from the same weights.

``python -m bac_training.average OUT CHECKPOINT CHECKPOINT... --shares S S...`` writes the mean of their
weights. Between weights and what they were tuned to lie networks that keep more of the old task at nearly
all of the new one (Wortsman et al., CVPR 2022); networks tuned on parts of the data make one that has seen
all of it (Wortsman et al., ICML 2022). Both hold for a common start only.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from bac_imaging.files import digest_of
from bac_training.errors import TrainingError
from bac_training.network.checkpoint import demand_network, load_checkpoint, save_checkpoint

__all__ = ["average"]


def average(paths: Sequence[Path], shares: Sequence[float]) -> dict[str, Any]:
    """Return the mean of the averaged weights of checkpoints, as the content of a checkpoint.

    Parameters
    ----------
    paths : sequence of Path
        Checkpoints of one network. The configuration is the last one's.
    shares : sequence of float
        Share of each; they sum to 1.

    Returns
    -------
    dict
        A model, not a run: nothing to resume. `data` lists what any of them was trained on, `averaged` the
        digests and shares; cases, steps and time are sums.

    Raises
    ------
    TrainingError
        When a file is no checkpoint or of another network, or the shares do not fit.
    """
    if len(paths) < 2 or len(paths) != len(shares):
        raise TrainingError(
            f"{len(paths)} checkpoints and {len(shares)} shares: give two or more, one share each"
        )
    if min(shares) < 0 or abs(sum(shares) - 1) > 1e-6:
        raise TrainingError(f"the shares {', '.join(f'{s:g}' for s in shares)} do not sum to 1; give such")
    contents = [load_checkpoint(path) for path in paths]
    last = contents[-1]
    network = {"block": "plain", **last["config"]["network"]}
    for path, content in zip(paths, contents, strict=True):
        demand_network(path, content, network)
    mean = {
        name: _mean([content["average"][name] for content in contents], shares) for name in last["average"]
    }
    data: list[Any] = []
    for content in contents:
        data += [entry for entry in content["data"] if entry not in data]
    return {
        "config": last["config"],
        "data": data,
        "averaged": [
            {"sha256": digest_of(path), "share": share} for path, share in zip(paths, shares, strict=True)
        ],
        "average": mean,
        **{key: sum(content[key] for content in contents) for key in ("cases", "step", "elapsed_s")},
    }


def _mean(values: Sequence[torch.Tensor], shares: Sequence[float]) -> torch.Tensor:
    if not values[-1].is_floating_point():
        return values[-1].clone()
    total = sum(share * value.double() for share, value in zip(shares, values, strict=True))
    return torch.as_tensor(total, dtype=values[-1].dtype)


def _main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m bac_training.average", description=__doc__.splitlines()[0]
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("checkpoints", type=Path, nargs="+")
    parser.add_argument("--shares", type=float, nargs="+", required=True, help="one each; they sum to 1")
    options = parser.parse_args(arguments)
    try:
        save_checkpoint(options.out, average(options.checkpoints, options.shares))
    except TrainingError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(_main())
