"""What lies in the folder that a program is called from is data: nothing of it is imported."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bacctl.client.canary import canary_image

BACCTL = [str(Path(sys.executable).with_name("bacctl"))]
MODULE = [sys.executable, "-m", "bacctl"]
# The standard library's, ours, and those that other people's libraries look for and usually do not find.
NAMES = (
    "scipy",
    "numpy",
    "statistics",
    "typing",
    "json",
    "dl",
    "pydicom",
    "onnxruntime",
    "openvino",
    "triton",
    "PIL",
)
PROGRAM = """
import pathlib, sys
from bacctl import Client
with Client.embedded(log=pathlib.Path("server.log")) as client:
    print(client.analyze(sys.argv[1], 0.2).status)
"""


def make_folder(parent: Path) -> Path:
    """Make a folder of files and folders called like modules; each leaves a mark where it is imported."""
    folder = parent / "study"
    folder.mkdir()
    for name in NAMES:
        mark = f"open({str(folder.parent / 'imported')!r}, 'a').write({name + ' '!r})\n"
        if name == "dl":
            (folder / name).mkdir()
            (folder / name / "__init__.py").write_text(mark)
        else:
            (folder / f"{name}.py").write_text(mark)
    (folder / "film.png").write_bytes(canary_image())
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_folder(tmp_path)


def call(
    command: list[str], folder: Path, python_path: str | None = None
) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    if python_path is not None:
        environment["PYTHONPATH"] = python_path
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=240,
    )
    mark = folder.parent / "imported"
    assert not mark.exists(), mark.read_text()
    return done


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> tuple[subprocess.CompletedProcess[str], Path]:
    """Run a program whose server has a log, named relatively as its image is; where it ran as well."""
    folder = make_folder(tmp_path_factory.mktemp("program"))
    return call([sys.executable, "-I", "-c", PROGRAM, "film.png"], folder), folder


@pytest.mark.parametrize(
    ("command", "python_path"), [(BACCTL, None), (MODULE, None), (MODULE, f".{os.pathsep}")]
)
def test_the_command_and_its_server(command: list[str], python_path: str | None, folder: Path) -> None:
    arguments = ["analyze", "film.png", "--pixel-spacing", "0.2", "--out", "results"]
    done = call([*command, *arguments], folder, python_path)
    assert done.returncode == 0, done.stderr
    assert (folder / "results" / "film.overlay.png").is_file()


def test_worker_processes(folder: Path) -> None:
    done = call([*MODULE, "phantom", "exams", "--women", "1", "--processes", "2"], folder)
    assert done.returncode == 0, done.stderr


def test_the_server_of_a_program(program: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    done, _ = program
    assert done.stdout == "ok\n", done.stderr


def test_the_checks_of_the_machine(folder: Path) -> None:
    done = call([*MODULE, "doctor"], folder)
    assert done.returncode == 0, done.stdout + done.stderr


def test_relative_files_are_those_of_the_caller(
    program: tuple[subprocess.CompletedProcess[str], Path],
) -> None:
    done, folder = program
    assert done.returncode == 0, done.stderr
    assert "Started GRPCInferenceService" in (folder / "server.log").read_text()
