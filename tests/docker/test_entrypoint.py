"""The container's entry point and health check, both on the real server too."""

from __future__ import annotations

import os
import re
import runpy
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from bac_terms.errors import ServerUnavailableError, from_catalogue
from bacctl import Client
from bacctl.client.canary import canary_image
from bacctl.keeper import container as keeper
from bacctl.keeper import watch
from bacctl.keeper.watch import WatchRules
from bacctl.server.triton_wheel import find_triton, link_backend

ROOT = Path(__file__).resolve().parents[2]
DOCKER = ROOT / "docker"
REPOSITORY = ROOT / "model_repository"
SHARED_MEMORY = Path("/dev/shm")


def start(entrypoint: ModuleType, tmp_path: Path, name: str) -> int:
    return entrypoint.main(
        [
            f"--repository={REPOSITORY}",
            f"--scratch={tmp_path}",
            f"--engines={tmp_path}",
            f"--model-config={name}",
        ]
    )


def test_refuses_a_name_that_triton_would_serve_as_the_default(
    entrypoint: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert start(entrypoint, tmp_path, "gpuu") == 1
    line = capsys.readouterr().err
    assert "gpuu is unknown" in line
    assert "the nearest is gpu" in line
    assert line.count("\n") == 1


def no_engine() -> Path:
    raise AssertionError("this configuration takes no engine")


def test_refuses_too_little_shared_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(total=64 * 2**20))
    with pytest.raises(keeper.StartError, match=r"64 MB .* --shm-size=2g"):
        keeper.prepare("onnx", REPOSITORY, tmp_path, no_engine)


@pytest.mark.parametrize(
    ("name", "package"), [("cpu", "onnxruntime"), ("cpu", "openvino"), ("torch", "torch")]
)
def test_refuses_a_configuration_without_its_package(
    name: str, package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeper, "find_spec", lambda name: None if name == package else object())
    with pytest.raises(keeper.StartError, match=f"{name} needs the Python package {package}"):
        keeper.prepare(name, REPOSITORY, tmp_path, no_engine)


@pytest.mark.parametrize("name", ["gpu", "onnx", "cpu"])
def test_weights_are_verified_before_anything_loads_them(name: str, tmp_path: Path) -> None:
    repository = tmp_path / "repository"
    shutil.copytree(REPOSITORY, repository, ignore=shutil.ignore_patterns("__pycache__"))
    with (repository / "bac_segment" / "1" / "model.onnx").open("ab") as weights:
        weights.write(b"\0")
    with pytest.raises(keeper.StartError, match=r"does not match its model_card\.json"):
        keeper.prepare(name, repository, tmp_path / "scratch", no_engine)


@pytest.mark.parametrize("name", ["gpu", "onnx"])
@pytest.mark.parametrize("there", [True, False])
def test_votes_are_verified_where_no_python_counts_them(name: str, there: bool, tmp_path: Path) -> None:
    repository = tmp_path / "repository"
    shutil.copytree(REPOSITORY, repository, ignore=shutil.ignore_patterns("__pycache__"))
    voted = repository / "bac_segment" / "1" / "model_voted.onnx"
    voted.unlink()
    if there:
        voted.write_bytes(b"of another seed")
    with pytest.raises(keeper.StartError, match=r"model_voted\.onnx does not match its model_card\.json"):
        keeper.prepare(name, repository, tmp_path / "scratch", no_engine)
    keeper.prepare("cpu", repository, tmp_path / "scratch", no_engine)


def test_puts_the_kept_engine_into_the_mirror(
    entrypoint: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = tmp_path / "kept.plan"
    plan.write_bytes(b"engine")
    asked = []
    monkeypatch.setattr("bac_export.engine.keep_engine", lambda *args, **_: asked.append(args) or plan)
    for _ in range(2):  # a container may be started again on the same /tmp
        mirror = keeper.prepare(
            "gpu", REPOSITORY, tmp_path, lambda: entrypoint.engine(REPOSITORY, tmp_path / "engines")
        )
        assert (mirror / "bac_segment" / "1" / "model.plan").read_bytes() == b"engine"
    assert asked[0] == (REPOSITORY / "bac_segment" / "1", tmp_path / "engines")
    assert not (REPOSITORY / "bac_segment" / "1" / "model.plan").exists()
    # The choice is the only configuration of the mirror, so that no name can be taken for another.
    assert 'backend: "tensorrt"' in (mirror / "bac_segment" / "config.pbtxt").read_text()
    assert not list(mirror.glob("*/configs"))


def test_an_engine_that_lies_in_the_repository_is_not_served(tmp_path: Path) -> None:
    repository = tmp_path / "repository"
    shutil.copytree(REPOSITORY, repository, ignore=shutil.ignore_patterns("__pycache__"))
    (repository / "bac_segment" / "1" / "model.plan").write_bytes(b"of another machine")
    plan = tmp_path / "kept.plan"
    plan.write_bytes(b"engine")
    mirror = keeper.prepare("gpu", repository, tmp_path / "scratch", lambda: plan)
    assert (mirror / "bac_segment" / "1" / "model.plan").read_bytes() == b"engine"
    assert (repository / "bac_segment" / "1" / "model.plan").read_bytes() == b"of another machine"


def test_needs_no_engine_without_tensorrt(tmp_path: Path) -> None:
    mirror = keeper.prepare("onnx", REPOSITORY, tmp_path, no_engine)
    assert not (mirror / "bac_segment" / "1" / "model.plan").exists()


def test_says_in_one_line_why_there_is_no_engine(
    entrypoint: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if find_spec("tensorrt") is not None:
        pytest.skip("TensorRT is installed here")
    assert start(entrypoint, tmp_path, "gpu") == 1
    assert capsys.readouterr().err.startswith("TensorRT is not installed")


def test_flags_are_those_of_the_oldest_triton(tmp_path: Path) -> None:
    wheel = find_triton()
    call = [str(wheel.server), "--help"]
    known = subprocess.run(call, env=wheel.environment, capture_output=True, text=True).stderr
    for flag in keeper.command(tmp_path, "key", [])[1:]:
        assert re.search(rf"^\s+{flag.split('=')[0]}\b", known, re.MULTILINE), flag


def test_bindings_answer_to_the_name_that_the_export_asks_for(monkeypatch: pytest.MonkeyPatch) -> None:
    bindings = ModuleType("tensorrt_bindings")
    bindings.__version__, bindings.Builder = "11.4.0", object
    monkeypatch.setitem(sys.modules, "tensorrt_bindings", bindings)
    found = runpy.run_path(str(DOCKER / "tensorrt_module.py"))
    assert (found["__version__"], found["Builder"]) == ("11.4.0", object)


def attend(answers: list[bool], running: int) -> tuple[str | None, int]:
    """Let it look `running` times at a server that answers as told; its verdict, and how often it asked."""
    looks, asked = iter(range(running)), iter(answers)
    count = [0]

    def ask() -> str:
        count[0] += 1
        if not next(asked):
            raise ServerUnavailableError("BAC-SERVER-UNAVAILABLE", "no answer")
        return "ready"

    stop = SimpleNamespace(wait=lambda _: next(looks, None) is None, is_set=lambda: False)
    server = SimpleNamespace(pid=0, poll=lambda: None, returncode=None)
    rules = replace(keeper.RULES, every_s=0.0, again_s=0.0)
    return keeper.attend(server, ask, stop, rules=rules), count[0]


@pytest.mark.parametrize(
    ("answers", "asked", "ends"),
    [
        ([False] * 9, 9, False),  # it is still loading
        ([True] * 9, 9, False),
        ([True, False, False, True, False, False, True, True, True], 9, False),
        ([False, True, False, False, False, True], 5, True),
    ],
)
def test_ends_only_when_test_images_fail_in_a_row(answers: list[bool], asked: int, ends: bool) -> None:
    wrong, count = attend(answers, 9)
    assert (wrong == "Triton measures no test image any more") is ends
    assert count == asked


def test_a_test_image_that_is_cut_off_by_the_end_is_no_failure(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "LOOK_S", 0.0)
    stop, asked = threading.Event(), []

    def ask() -> str:
        asked.append(1)
        if len(asked) < 4:
            return "ready"
        stop.set()
        raise ServerUnavailableError("BAC-SERVER-UNAVAILABLE", "Triton is ending")

    server = SimpleNamespace(pid=0, poll=lambda: None, returncode=None)
    assert keeper.attend(server, ask, stop, rules=WatchRules(every_s=0.0, tolerated=1)) is None
    assert "failed" not in capsys.readouterr().err


def test_ends_when_triton_does() -> None:
    server = subprocess.Popen([sys.executable, "-c", "raise SystemExit(3)"])
    server.wait()
    found = keeper.attend(server, lambda: "ready", threading.Event())
    assert found == "Triton ended by itself (3); its messages above say why"


def test_ends_at_once_when_images_were_mixed_up() -> None:
    asked: list[int] = []
    server = SimpleNamespace(pid=0, poll=lambda: None, returncode=None)
    stop = threading.Event()
    found = keeper.attend(server, lambda: asked.append(1), stop, lambda: True)
    assert (found, asked) == ("Triton gave a request the answer to another", [])

    def ask() -> str:
        raise from_catalogue("BAC-SERVER-MIXED-UP")

    assert keeper.attend(server, ask, stop) == found


@pytest.fixture
def container(tmp_path: Path) -> Iterator[SimpleNamespace]:
    """The entry point as a container runs it, with the wheel's Triton in the place of NVIDIA's."""
    wheel = find_triton()
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "tritonserver").symlink_to(wheel.server)
    ports = []
    for _ in range(2):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            ports.append(probe.getsockname()[1])
    url, prefix = f"127.0.0.1:{ports[0]}", f"bacctl_{tmp_path.name}_"
    call = [sys.executable, str(DOCKER / "entrypoint.py"), f"--repository={REPOSITORY}", f"--url={url}"]
    call += [f"--scratch={tmp_path / 'scratch'}", f"--engines={tmp_path}", "--model-config=cpu", "--"]
    call += [f"--backend-directory={link_backend(wheel, tmp_path / 'backends')}", "--exit-timeout-secs=2"]
    call += ["--grpc-address=127.0.0.1", f"--grpc-port={ports[0]}"]
    call += ["--metrics-address=127.0.0.1", f"--metrics-port={ports[1]}"]
    call += [f"--backend-config=python,shm-region-prefix-name={prefix}"]
    environment = {**wheel.environment, "PATH": f"{programs}{os.pathsep}{wheel.environment['PATH']}"}
    log = tmp_path / "log"
    with open(log, "wb") as stream:
        process = subprocess.Popen(call, env=environment, stdout=stream, stderr=stream)
    try:
        while b"ready: " not in log.read_bytes():
            assert process.poll() is None, log.read_text()
            time.sleep(0.2)
        yield SimpleNamespace(url=url, process=process, log=log)
    finally:
        process.terminate()
        process.wait(30)
        for region in SHARED_MEMORY.glob(f"{prefix}*"):  # a container takes its own along
            region.unlink()


def check(url: str, timeout: float = 20.0) -> subprocess.CompletedProcess[str]:
    call = [sys.executable, str(DOCKER / "healthcheck.py"), f"--url={url}", f"--timeout={timeout}"]
    return subprocess.run(call, capture_output=True, text=True)


@pytest.mark.e2e
def test_serves_and_is_healthy_until_told_to_end(container: SimpleNamespace) -> None:
    done = check(container.url)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("Triton 2.51.0 measured the test image; weights ")
    with Client(container.url, max_retries=0) as client, ThreadPoolExecutor(4) as threads:
        calls = [threads.submit(client.analyze, canary_image(), 0.2) for _ in range(4)]
        wait(calls, return_when=FIRST_COMPLETED)
        container.process.send_signal(signal.SIGTERM)
        assert [call.result().status for call in calls] == ["ok"] * 4
    assert container.process.wait(30) == 0
    log = container.log.read_text()
    assert "starting Triton with configuration cpu" in log
    assert "research use only" in log


def test_health_check_says_in_one_line_that_nobody_answers() -> None:
    done = check("127.0.0.1:9", timeout=2)
    assert done.returncode == 1
    assert done.stdout.startswith("BAC-SERVER-UNAVAILABLE")
    assert not done.stderr


@pytest.mark.e2e
def test_ends_when_a_model_leaves_its_mark(container: SimpleNamespace) -> None:
    """The models learn from the environment where to leave it."""
    stubs = [
        path.parent
        for path in Path("/proc").glob("[0-9]*/cmdline")
        if b"python_backend_stub" in _read(path) and str(container.log.parent).encode() in _read(path)
    ]
    assert len(stubs) == 3
    (mark,) = {
        entry.partition(b"=")[2].decode()
        for stub in stubs
        for entry in _read(stub / "environ").split(b"\0")
        if entry.startswith(b"BACCTL_MIX_UP_FILE=")
    }
    Path(mark).touch()
    assert container.process.wait(60) == 1
    assert "Triton gave a request the answer to another; the container ends" in container.log.read_text()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:  # gone in between
        return b""
