"""A small image costs no more than it did: instructions and allocations, counted (`benchmarks/work.py`)."""

import subprocess
import sys
from pathlib import Path

import pytest

WORK = Path(__file__).parents[1] / "benchmarks" / "work.py"
CANNOT = 3


@pytest.mark.slow
def test_an_image_costs_no_more_work_than_is_written_down() -> None:
    done = subprocess.run([sys.executable, WORK], capture_output=True, text=True)
    if done.returncode == CANNOT:
        pytest.skip(done.stdout.strip())
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("million") == 3
