"""The plan of the house: who may import whom (`.importlinter`), and how many modules a folder holds."""

import subprocess
import sys
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[1]
ROOMS = ("sdk", "imaging", "phantom", "training", "export")
MOST_MODULES = 16


def test_imports_run_one_way() -> None:
    linter = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [linter, "--no-cache", "--no-logo", ROOT / ".importlinter"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout


def test_no_folder_holds_more_modules_than_one_can_look_through() -> None:
    count = Counter(module.parent for room in ROOMS for module in (ROOT / room).rglob("*.py"))
    assert max(count.values()) <= MOST_MODULES, count.most_common(3)
