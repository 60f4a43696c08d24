"""As many headers as an archive of a year has, in one pass."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("pyarrow", reason="needs bacctl[archive]")

BENCHMARK = Path(__file__).parents[4] / "benchmarks" / "archive_scan.py"


def scanned(folder: Path, images: int) -> dict[str, float]:
    for what in (["make", "--images", str(images)], ["scan"]):
        done = subprocess.run(
            [sys.executable, str(BENCHMARK), what[0], str(folder), *what[1:]],
            capture_output=True,
            text=True,
            timeout=250,
        )
        assert done.returncode == 0, done.stderr
    told = (part.rpartition(" ") for part in done.stdout.strip().split(", "))
    return {name: float(value) for name, _, value in told}


@pytest.mark.full
@pytest.mark.timeout(900)
def test_memory_is_flat(tmp_path: Path) -> None:
    small, large = scanned(tmp_path / "small", 2_000), scanned(tmp_path / "large", 20_000)
    assert (small["images"], large["images"]) == (2_000, 20_000)
    # Answers that are kept and SQLite's pages come to some 40 MB; the rows as objects would be as much again.
    assert large["MB"] - small["MB"] < 60
