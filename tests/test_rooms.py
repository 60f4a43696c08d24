"""The plan of the house: how many modules a folder holds, and its pictures. Imports are `make lint`'s."""

import re
import runpy
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[1]
ROOMS = ("sdk", "imaging", "phantom", "training", "export")
MOST_MODULES = 16


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
