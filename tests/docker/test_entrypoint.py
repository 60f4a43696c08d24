"""The container's entry point and health check, the latter on the real server."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from bacctl._triton_wheel import find_triton, link_backend

ROOT = Path(__file__).resolve().parents[2]
DOCKER = ROOT / "docker"
REPOSITORY = ROOT / "model_repository"


def test_lists_every_configuration(entrypoint: ModuleType) -> None:
    known = entrypoint.configurations(REPOSITORY)
    assert known.keys() >= {"default", "gpu", "onnx"}
    assert all(path.is_file() for path in known.values())


@pytest.mark.parametrize(("name", "engine"), [("default", False), ("onnx", False), ("gpu", True)])
def test_tells_which_configuration_takes_an_engine(entrypoint: ModuleType, name: str, engine: bool) -> None:
    assert entrypoint.needs_engine(entrypoint.configurations(REPOSITORY)[name]) is engine


def test_refuses_a_name_that_triton_would_serve_as_the_default(
    entrypoint: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = [f"--repository={REPOSITORY}", f"--scratch={tmp_path}", "--model-config=gpuu"]
    with pytest.raises(SystemExit, match="1"):
        entrypoint.main(options)
    line = capsys.readouterr().err
    assert line.startswith("BACCTL_MODEL_CONFIG=gpuu is no configuration")
    assert "gpu" in line
    assert line.count("\n") == 1


def test_refuses_too_little_shared_memory(
    entrypoint: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(entrypoint.shutil, "disk_usage", lambda _: SimpleNamespace(total=64 * 2**20))
    with pytest.raises(entrypoint.StartError, match=r"64 MB .* --shm-size=1g"):
        entrypoint.prepare("onnx", REPOSITORY, tmp_path, tmp_path)


def test_refuses_a_configuration_without_its_package(
    entrypoint: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(entrypoint, "find_spec", lambda _: None)
    with pytest.raises(entrypoint.StartError, match="needs the Python package openvino"):
        entrypoint.prepare("default", REPOSITORY, tmp_path, tmp_path)


def test_puts_the_kept_engine_into_the_mirror(
    entrypoint: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = tmp_path / "kept.plan"
    plan.write_bytes(b"engine")
    asked = []
    monkeypatch.setattr("bac_export.engine.keep_engine", lambda *args, **_: asked.append(args) or plan)
    for _ in range(2):  # a container may be started again on the same /tmp
        mirror = entrypoint.prepare("gpu", REPOSITORY, tmp_path / "engines", tmp_path)
        assert (mirror / "bac_segment" / "1" / "model.plan").read_bytes() == b"engine"
    assert asked[0] == (REPOSITORY / "bac_segment" / "1", tmp_path / "engines")
    assert not (REPOSITORY / "bac_segment" / "1" / "model.plan").exists()


def test_says_in_one_line_why_there_is_no_engine(
    entrypoint: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if entrypoint.find_spec("tensorrt") is not None:
        pytest.skip("TensorRT is installed here")
    options = [
        f"--repository={REPOSITORY}",
        f"--scratch={tmp_path}",
        f"--engines={tmp_path}",
        "--model-config=gpu",
    ]
    with pytest.raises(SystemExit, match="1"):
        entrypoint.main(options)
    assert capsys.readouterr().err.startswith("TensorRT is not installed")


def test_flags_are_those_of_the_oldest_triton(entrypoint: ModuleType, tmp_path: Path) -> None:
    wheel = find_triton()
    known = subprocess.run(
        [wheel.server, "--help"], env=wheel.environment, capture_output=True, text=True
    ).stderr
    for flag in entrypoint.command(tmp_path, "gpu", "key", [])[1:]:
        assert re.search(rf"^\s+{flag.split('=')[0]}\b", known, re.MULTILINE), flag


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimpleNamespace]:
    """The entry point as a container runs it, with the wheel's Triton in the place of NVIDIA's."""
    folder = tmp_path_factory.mktemp("container")
    wheel = find_triton()
    programs = folder / "bin"
    programs.mkdir()
    (programs / "tritonserver").symlink_to(wheel.server)
    ports = []
    for _ in range(2):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            ports.append(probe.getsockname()[1])
    call = [sys.executable, str(DOCKER / "entrypoint.py"), f"--repository={REPOSITORY}"]
    call += [f"--scratch={folder / 'scratch'}", f"--engines={folder}", "--"]
    call += [f"--backend-directory={link_backend(wheel, folder / 'backends')}", "--exit-timeout-secs=2"]
    call += ["--grpc-address=127.0.0.1", f"--grpc-port={ports[0]}"]
    call += ["--metrics-address=127.0.0.1", f"--metrics-port={ports[1]}"]
    call += ["--backend-config=python,shm-region-prefix-name=bacctl_container_test_"]
    environment = {**wheel.environment, "PATH": f"{programs}{os.pathsep}{wheel.environment['PATH']}"}
    environment.pop("BACCTL_MODEL_CONFIG", None)
    with open(folder / "log", "wb") as log:
        server = subprocess.Popen(call, env=environment, stdout=log, stderr=log)
        try:
            while b"Started GRPCInferenceService" not in (folder / "log").read_bytes():
                assert server.poll() is None, (folder / "log").read_text()
                time.sleep(0.2)
            yield SimpleNamespace(
                url=f"127.0.0.1:{ports[0]}", scratch=folder / "scratch", server=server, log=folder / "log"
            )
        finally:
            server.terminate()
            server.wait(30)


def check(served: SimpleNamespace, *more: str) -> subprocess.CompletedProcess[str]:
    call = [sys.executable, str(DOCKER / "healthcheck.py"), f"--url={served.url}", "--timeout=20"]
    call += [f"--scratch={served.scratch}", f"--repository={REPOSITORY}", *more]
    return subprocess.run(call, capture_output=True, text=True)


@pytest.mark.e2e
def test_serves_and_is_healthy(served: SimpleNamespace) -> None:
    done = check(served)
    assert done.returncode == 0, done.stdout + done.stderr + served.log.read_text()[-2000:]
    assert done.stdout.startswith("Triton 2.51.0 measured the test image; weights ")


@pytest.mark.e2e
def test_health_check_sees_another_configuration_than_chosen(served: SimpleNamespace) -> None:
    choice = served.scratch / "configuration"
    before = choice.read_text()
    try:
        choice.write_text("onnx")
        done = check(served)
    finally:
        choice.write_text(before)
    assert done.returncode == 1
    assert "bac_segment is 'python'; configuration onnx says otherwise" in done.stdout


@pytest.mark.e2e
def test_key_is_its_owner_s_alone(served: SimpleNamespace) -> None:
    assert (served.scratch / "key").stat().st_mode & 0o777 == 0o600


def test_health_check_says_in_one_line_that_nobody_answers(tmp_path: Path) -> None:
    nobody = SimpleNamespace(url="127.0.0.1:9", scratch=tmp_path)
    done = check(nobody, "--timeout=2")
    assert done.returncode == 1
    assert done.stdout.startswith("BAC-SERVER-UNAVAILABLE")
    assert not done.stderr
