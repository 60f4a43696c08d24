"""The current folder is on no import path of the command, however Python was started."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import bacctl

PROGRAM = """
import json, os, sys
from bacctl._import_path import leave_out_current_folder
leave_out_current_folder()
print(json.dumps([sys.path, os.environ.get("PYTHONPATH"), os.environ["PYTHONSAFEPATH"]]))
"""
OWN = str(Path(bacctl.__file__).resolve().parents[1])


def run(folder: Path, python_path: str | None) -> tuple[list[str], str | None]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    if python_path is not None:
        environment["PYTHONPATH"] = python_path
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    path, variable, safe = json.loads(done.stdout)
    assert safe == "1"
    return path, variable


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "here").mkdir()
    return tmp_path / "here"


@pytest.mark.parametrize("variable", [None, "", ":", ".", "lib", "../here:", "/nowhere::lib", "{here}"])
def test_left_out(variable: str | None, folder: Path) -> None:
    given = None if variable is None else variable.replace("{here}", str(folder))
    path, left = run(folder, given)
    assert not [entry for entry in path if not entry or Path(folder, entry).is_relative_to(folder)]
    # What is absolute and another folder was asked for by name.
    assert left == ("/nowhere" if variable and "nowhere" in variable else None)
    assert OWN in path


def test_a_link_to_the_current_folder(folder: Path) -> None:
    (folder.parent / "link").symlink_to(folder)
    path, left = run(folder, str(folder.parent / "link"))
    assert str(folder.parent / "link") not in path
    assert left is None


def test_the_folder_of_the_package_stays() -> None:
    path, left = run(Path(OWN), ".")
    assert OWN in path
    assert left == OWN


def test_a_current_folder_that_is_gone(folder: Path) -> None:
    program = "import os; os.rmdir(os.getcwd())\n" + PROGRAM.replace('os.environ["PYTHONSAFEPATH"]', "1")
    subprocess.run([sys.executable, "-c", program], cwd=folder, check=True, stdout=subprocess.DEVNULL)


def test_importing_the_package_imports_nothing_else() -> None:
    """Under ``python -m bacctl`` it is imported while the current folder is still on the path."""
    program = "import sys; before = set(sys.modules); import bacctl.cli; print(*set(sys.modules) - before)"
    done = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, check=True)
    assert set(done.stdout.split()) == {"bacctl", "bacctl.cli"}
