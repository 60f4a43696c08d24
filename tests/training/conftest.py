from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

CASES = 3


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache in the documented format, written without the code under test: bright curves on noise."""
    folder = tmp_path_factory.mktemp("cache")
    rng = np.random.default_rng(5)
    lines = []
    for number in range(CASES):
        shape = (220, 180)
        rows = np.arange(shape[0])
        columns = (90 + 50 * np.sin(rows / 40 + number)).astype(int)
        bac = np.zeros(shape, dtype=bool)
        bac[rows, columns] = True
        bac = ndimage.binary_dilation(bac, iterations=4)
        breast = np.zeros(shape, dtype=bool)
        breast[5:-5, 5:-5] = True
        bac &= breast
        image = rng.normal(size=shape) + 5.0 * bac
        image[~breast] = 0
        planes = np.stack((np.clip(np.rint(image * 16) + 64, 0, 255), bac + 2 * breast)).astype(np.uint8)
        np.save(folder / f"case-{number}.npy", planes)
        hard = np.argwhere((image > 2) & ~bac)
        np.savez(
            folder / f"case-{number}.npz",
            positive=np.argwhere(bac)[:500],
            hard=hard[:100],
            lines=hard[100:200],
        )
        case = {"name": f"case-{number}", "shape": list(shape), "bac_px": int(bac.sum())}
        lines.append(json.dumps({"unit": f"case-{number}", "cases": [case], "skipped": []}) + "\n")
    (folder / "cases.jsonl").write_text("".join(lines))
    (folder / "cache.json").write_text(
        json.dumps({"schema": "bac_training.cache/2", "source": {"kind": "made"}})
    )
    return folder


@pytest.fixture
def tiny_config(tmp_path: Path) -> Path:
    """A run of eight steps of a tiny network."""
    path = tmp_path / "tiny.toml"
    path.write_text(
        "[run]\nsteps = 8\nthreads = 1\nprecision = 'fp32'\nvalidate_minutes = 0.0\n"
        "[network]\nwidths = [8, 8]\nblock = 'plain'\n[patches]\nside_px = 64\nbatch = 2\n"
    )
    return path
