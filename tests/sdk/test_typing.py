"""What users' type checkers say of a program that calls every public method."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import bacctl
from bacctl import AsyncClient, Client

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = Path(__file__).with_name("typing_program.py")
# Beside this interpreter too: an environment that is used need not be on the path. It weighs 300 MB and so is
# no part of the `dev` extra.
PYRIGHT = shutil.which("basedpyright", path=Path(sys.executable).parent) or shutil.which("basedpyright")


@pytest.mark.slow
def test_mypy_strict():
    # NumPy for later Pythons has stubs that hold on these alone. Else with the cache of `make types`.
    version = ["--python-version", "{}.{}".format(*sys.version_info)] if sys.version_info >= (3, 13) else []
    run = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", *version, str(PROGRAM)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.slow
@pytest.mark.skipif(PYRIGHT is None, reason="basedpyright is not installed")
def test_pyright():
    assert PYRIGHT is not None
    # Pyright's own strict mode, as `# pyright: strict` in the program asks for it.
    run = subprocess.run(
        [PYRIGHT, "--level", "error", "--pythonpath", sys.executable, str(PROGRAM)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout + run.stderr


def test_the_program_leaves_nothing_out():
    text = PROGRAM.read_text()
    used = set(re.findall(r"\w+", text))
    shown_otherwise = {
        "AreaEstimate",
        "Beam",
        "BreastComparison",
        "BreastResult",
        "Change",
        "Notice",
        "Vessel",
        "ViewResult",
    }
    assert set(bacctl.__all__) - used == shown_otherwise
    for kind in (Client, AsyncClient):
        methods = {name for name in vars(kind) if not name.startswith("_")}
        assert methods <= used, kind


def test_the_package_says_that_it_is_typed():
    assert Path(bacctl.__file__).with_name("py.typed").is_file()
