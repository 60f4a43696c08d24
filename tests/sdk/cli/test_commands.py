"""The command line as a whole: help, version, what is imported, what a missing extra says."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import typer.main

from bacctl import doctor
from bacctl.cli.app import app
from bacctl.cli.settings import option_keys

HEAVY = {
    "torch",
    "highdicom",
    "onnxruntime",
    "openvino",
    "matplotlib",
    "scipy",
    "skimage",
    "tritonclient",
    "grpc",
    "pydicom",
}
BACCTL = [sys.executable, "-m", "bacctl"]


def bacctl(*args: object, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*BACCTL, *map(str, args)],
        capture_output=True,
        text=True,
        timeout=120,
        stdin=subprocess.DEVNULL,
        env={**os.environ, **env},
    )


@functools.cache
def help_of(*command: str) -> subprocess.CompletedProcess[str]:
    return bacctl(*command, "--help")


def imported_by(code: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", code], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr[-500:]
    names = (line.rpartition("|")[2].strip() for line in done.stderr.splitlines())
    return {name.partition(".")[0] for name in names}


@pytest.mark.parametrize("code", ["import bacctl", "import bacctl.cli.app"])
def test_imports_stay_light(code: str) -> None:
    names = imported_by(code)
    assert "bacctl" in names
    assert names.isdisjoint(HEAVY | {"numpy"})


def test_import_of_every_public_name_brings_nothing_heavy() -> None:
    names = imported_by("from bacctl import *")
    assert names.isdisjoint({"torch", "highdicom", "onnxruntime", "openvino", "matplotlib"})


@pytest.mark.parametrize(
    "command",
    [
        (),
        ("analyze",),
        ("compare",),
        ("serve",),
        ("doctor",),
        ("config",),
        ("qa",),
        ("bench",),
        ("phantom",),
        ("train",),
        ("evaluate",),
        ("export",),
        ("export", "onnx"),
        ("export", "tensorrt"),
        ("demo",),
    ],
)
def test_every_command_has_help(command: tuple[str, ...]) -> None:
    done = help_of(*command)
    assert done.returncode == 0
    assert done.stdout.startswith("Usage: bacctl")
    assert done.stderr == ""


def test_every_command_says_research_use_only() -> None:
    for command in (
        "analyze",
        "serve",
        "doctor",
        "config",
        "qa",
        "bench",
        "phantom",
        "train",
        "evaluate",
        "demo",
    ):
        assert "esearch use only" in " ".join(help_of(command).stdout.split()), command


def test_completion_knows_commands_and_options_and_imports_nothing_heavy(tmp_path: Path) -> None:
    # A settings file with a fault in it must not get in the way.
    (tmp_path / "bacctl.toml").write_text("nonsense = ")

    def completed(words: str, position: int) -> list[str]:
        done = subprocess.run(
            [sys.executable, "-X", "importtime", "-m", "bacctl"],
            capture_output=True,
            text=True,
            timeout=120,
            cwd=tmp_path,
            env={
                **os.environ,
                "_BACCTL_COMPLETE": "complete_bash",
                "COMP_WORDS": words,
                "COMP_CWORD": str(position),
            },
        )
        assert done.returncode == 0
        imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}
        assert imported.isdisjoint(HEAVY | {"numpy"})
        return done.stdout.split()

    assert completed("bacctl an", 1) == ["analyze"]
    assert completed("bacctl analyze --files", 2) == ["--files-from"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(shell: str) -> None:
    done = bacctl(_BACCTL_COMPLETE=f"source_{shell}")
    assert done.returncode == 0
    assert "_BACCTL_COMPLETE" in done.stdout


def test_the_page_names_every_command_and_flag() -> None:
    page = (Path(__file__).parents[3] / "docs" / "cli.md").read_text()

    def missing(name: str, command: Any) -> list[str]:
        section = page.partition(f"\n## {name.split()[0]}\n")[2].partition("\n## ")[0] or page
        # What several commands take stands once, before them.
        place = section + page.partition("\n## analyze\n")[0]
        gone = [f"{name} --{key}" for key in option_keys(command) if f"--{key}" not in place]
        for below, subcommand in getattr(command, "commands", {}).items():
            gone += missing(f"{name} {below}", subcommand)
        return gone if f"bacctl {name}" in page or name == "export" else [name, *gone]

    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    assert [entry for name, command in commands.items() for entry in missing(name, command)] == []


def test_version() -> None:
    done = bacctl("--version")
    assert done.returncode == 0
    assert done.stdout.startswith("bacctl ")


def test_an_unknown_command_is_wrong_usage() -> None:
    done = bacctl("weigh")
    assert (done.returncode, done.stdout) == (2, "")


def test_a_missing_extra_is_one_line_that_names_it(tmp_path: Path) -> None:
    # A module of that name that cannot be imported stands in for one that is not installed.
    (tmp_path / "torch.py").write_text("raise ModuleNotFoundError('no torch', name='torch')\n")
    done = bacctl("train", tmp_path / "run", PYTHONPATH=str(tmp_path))
    assert done.returncode == 1
    assert done.stderr == 'torch is not installed; run: pip install "bacctl[train]"\n'


def test_phantom_refuses_a_folder_that_holds_something(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("x")
    done = bacctl("phantom", tmp_path)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1


def test_a_reader_that_goes_away_leaves_no_complaint() -> None:
    process = subprocess.Popen(
        [*BACCTL, "analyze", "nope", "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    error = process.stderr.read()
    process.wait(timeout=120)
    assert b"Traceback" not in error
    assert b"BrokenPipe" not in error


def test_doctor_finds_numpy_2_where_the_models_run(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = subprocess.CompletedProcess([], 0, stdout="2.1.0 /somewhere\n", stderr="")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: answer)
    check = doctor.check_numpy()
    assert not check.passed
    assert "numpy<2" in check.remedy


def test_doctor_finds_too_little_shared_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=64 * 2**20))
    check = doctor.check_shared_memory()
    assert not check.passed
    assert "--shm-size" in check.remedy


def test_doctor_goes_on_when_a_check_breaks(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> doctor.Check:
        raise RuntimeError("oh")

    for name in (
        "python",
        "numpy",
        "triton",
        "stub",
        "shared_memory",
        "ports",
        "codecs",
        "model",
        "inference",
    ):
        monkeypatch.setattr(doctor, f"check_{name}", broken)
    checks = list(doctor.run_checks())
    assert len(checks) == 9
    assert not any(check.passed for check in checks)
    assert all("RuntimeError: oh" in check.finding for check in checks)
