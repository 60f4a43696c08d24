"""The plan of the house: who may import whom (`.importlinter`), and how many modules a folder holds."""

import re
import runpy
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


def test_the_pictures_show_what_is_there() -> None:
    pictures = runpy.run_path(str(ROOT / "scripts" / "design_pictures.py"))
    drawn = {
        name: set(re.findall(r">([^<>]+)</text>", (ROOT / "docs" / "images" / f"{name}.svg").read_text()))
        for name in ("rooms", "way")
    }
    rooms = {
        room for contract in pictures["ROOMS"] for layer in pictures["layers_of"](contract) for room in layer
    }
    assert rooms <= drawn["rooms"]
    files = {file for passed in pictures["WAY"].values() for file, _ in passed}
    assert files <= drawn["way"]
    assert not [file for file in files if not (ROOT / "imaging" / "bac_imaging" / file).exists()]
