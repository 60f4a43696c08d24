"""Worker processes do not outlive the process that started them."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

CACHE = """
from bac_training.cache import _main
if __name__ == "__main__":
    _main([{out!r}, "--seeds", "0:4", "--processes", "2"])
"""
PHANTOM = """
from pathlib import Path
from bac_phantom import write_dataset
if __name__ == "__main__":
    write_dataset(Path({out!r}), 4, 0, processes=2)
"""


def until(true: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 60
    while not true() and time.monotonic() < deadline:
        time.sleep(0.1)
    return true()


def runs(process: Path) -> bool:
    try:
        state = (process / "stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("program", [CACHE, PHANTOM])
def test_a_killed_parent_takes_its_workers_along(program: str, tmp_path: Path) -> None:
    script = tmp_path / "made.py"
    script.write_text(program.format(out=str(tmp_path / "out")))
    with subprocess.Popen([sys.executable, str(script)]) as parent:
        listed = Path(f"/proc/{parent.pid}/task/{parent.pid}/children")
        # Two workers and multiprocessing's own tracker.
        assert until(lambda: len(listed.read_text().split()) == 3)
        children = [Path("/proc", pid) for pid in listed.read_text().split()]
        parent.kill()
    assert until(lambda: not any(runs(child) for child in children))
