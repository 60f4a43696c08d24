"""``bacctl serve`` and pipes with the real Triton: TLS, a model that dies, a reader that goes away."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import trustme
from tests.e2e.process_tree import command_line, descendants, is_alive

from bac_terms.errors import PermissionDeniedError
from bacctl import Client
from bacctl.client.canary import canary_image
from bacctl.keeper.ask import ask, count_answered
from bacctl.server.embedded import EmbeddedServer

BACCTL = str(Path(sys.executable).with_name("bacctl"))
SHARED_MEMORY = Path("/dev/shm")


@pytest.fixture
def films(tmp_path: Path) -> Path:
    folder = tmp_path / "films"
    folder.mkdir()
    for index in range(8):
        (folder / f"{index}.png").write_bytes(canary_image())
    return folder


@contextmanager
def served(log: Path, *args: object) -> Iterator[tuple[subprocess.Popen[str], dict[str, object]]]:
    """Run ``bacctl serve``, give what it says when it is ready, stop it and see that nothing is left."""
    with log.open("w") as stderr:
        process = subprocess.Popen(
            [BACCTL, "serve", "--port", "0", "--json", *map(str, args)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        )
    assert process.stdout is not None
    started: set[int] = set()
    try:
        text = ""
        while not text.endswith("\n}\n"):
            line = process.stdout.readline()
            assert line, log.read_text()
            text += line
        yield process, json.loads(text)
        started = descendants(process.pid)
        process.terminate()
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
    _wait_for(lambda: not any(is_alive(pid) for pid in started), 30)
    assert not list(SHARED_MEMORY.glob(f"bacctl_{process.pid}_*"))


def analyze(film: Path, *args: object) -> subprocess.CompletedProcess[str]:
    command = [BACCTL, "analyze", film, "--pixel-spacing", "0.2", "--quiet", "--max-retries", "0", *args]
    return subprocess.run(
        list(map(str, command)), capture_output=True, text=True, timeout=120, cwd=film.parent
    )


def test_calls_under_way_are_answered_before_it_ends(films: Path, tmp_path: Path) -> None:
    with (
        served(tmp_path / "talk") as (process, ready),
        Client(str(ready["url"]), max_retries=0) as client,
        ThreadPoolExecutor(4) as threads,
    ):
        calls = [threads.submit(client.analyze, film, 0.2) for film in sorted(films.iterdir())[:4]]
        wait(calls, return_when=FIRST_COMPLETED)
        process.terminate()
        assert [call.result().status for call in calls] == ["ok"] * 4


@pytest.mark.timeout(900)  # three new starts
@pytest.mark.full
def test_whatever_is_killed_costs_no_image(films: Path, tmp_path: Path) -> None:
    log = tmp_path / "talk"
    # Longer than by default: other tests may keep the machine busy.
    with served(log) as (process, ready), Client(str(ready["url"]), retry_for=240.0) as client:
        assert ready["tls"] == "none"
        for number, (victim, said) in enumerate(
            (
                ("bac_segment/1/model.py", "the process of bac_segment has died"),
                ("supervisor.py", "the server ended by itself"),
                ("bin/tritonserver", "the server ended by itself"),
            ),
            1,
        ):
            (pid,) = (pid for pid in descendants(process.pid) if victim in command_line(pid))
            results = client.analyze_many(sorted(films.iterdir())[:4], 0.2)
            assert next(results).status == "ok"
            os.kill(pid, signal.SIGKILL)
            assert [result.status for result in results] == ["ok"] * 3
            _wait_for(lambda n=number: log.read_text().count("answers again") == n, 120)  # type: ignore[misc]
            lines = [
                line
                for line in log.read_text().splitlines()
                if re.search("(starting it|answers) again", line)
            ]
            assert f"{said}: starting it again" in lines[-2]
            assert f"({number} of at most 8 in a row)" in lines[-2]
        assert len(lines) == 6
        # A step is loaded into the server that is there.
        assert sum("ended by itself" in line for line in lines) == 2


def test_mutual_tls(films: Path, tmp_path: Path) -> None:
    authority = trustme.CA()
    files = {"ca": tmp_path / "ca.pem"}
    authority.cert_pem.write_to_path(str(files["ca"]))
    for name, issued in (
        ("server", authority.issue_cert("localhost")),
        ("client", authority.issue_cert("reader@example.org")),
        ("stranger", trustme.CA().issue_cert("stranger@example.org")),
    ):
        files[name] = tmp_path / f"{name}.pem"
        files[f"{name} key"] = tmp_path / f"{name}.key"
        issued.cert_chain_pems[0].write_to_path(str(files[name]))
        issued.private_key_pem.write_to_path(str(files[f"{name} key"]))
    server = ("--tls-cert", files["server"], "--tls-key", files["server key"], "--tls-ca", files["ca"])
    log = tmp_path / "talk"
    with served(log, *server) as (_, ready):
        assert ready["tls"] == "mutual"
        film = films / "0.png"
        url = f"localhost:{str(ready['url']).rpartition(':')[2]}"
        trust = ("--url", url, "--tls-ca", files["ca"])
        own = ("--tls-cert", files["client"], "--tls-key", files["client key"])
        done = analyze(film, *trust, *own)
        assert done.returncode == 0, done.stderr
        number = ("--url", url.replace("localhost", "127.0.0.1"), "--tls-ca", files["ca"], *own)
        done = analyze(film, *number, "--tls-server-name", "localhost")
        assert done.returncode == 0, done.stderr
        for wrong in (
            number,
            ("--url", url),
            trust,
            (*trust, "--tls-cert", files["stranger"], "--tls-key", files["stranger key"]),
        ):
            done = analyze(film, *wrong)
            assert done.returncode == 1
            assert "BAC-SERVER-" in done.stderr
            assert len(done.stderr.splitlines()) == 1
        # Renewed while it runs: the certificate first, so that for a while it has no key.
        renewed = authority.issue_cert("localhost", "renewed.example.org")
        renewed.cert_chain_pems[0].write_to_path(str(files["server"]))
        _wait_for(lambda: "are not used" in log.read_text(), 60)
        assert str(files["server"]) in log.read_text()
        renewed.private_key_pem.write_to_path(str(files["server key"]))
        _wait_for(lambda: "answers again" in log.read_text(), 120)
        assert "its certificate files have changed: starting it again" in log.read_text()
        number = ("--url", url.replace("localhost", "127.0.0.1"), "--tls-ca", files["ca"], *own)
        done = analyze(film, *number, "--tls-server-name", "renewed.example.org")
        assert done.returncode == 0, done.stderr


def test_a_certificate_that_the_server_cannot_show_itself(tmp_path: Path) -> None:
    certificate = trustme.CA().issue_cert("localhost")
    certificate.cert_chain_pems[0].write_to_path(str(tmp_path / "cert.pem"))
    certificate.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    files = ("--tls-cert", "cert.pem", "--tls-key", "key.pem", "--tls-ca", "ca.pem")
    done = subprocess.run(
        [BACCTL, "serve", "--port", "0", *files], capture_output=True, text=True, cwd=tmp_path, timeout=120
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert "must be of that authority and good for servers and clients" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_configurations_that_this_server_does_not_have(tmp_path: Path) -> None:
    for name, said in (("gpuu", "the nearest is gpu"), ("gpu", "needs Triton's backend tensorrt")):
        command = [BACCTL, "serve", "--port", "0", "--model-config", name]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        assert (done.returncode, done.stdout) == (1, "")
        assert said in done.stderr
        assert len(done.stderr.splitlines()) == 1


def test_a_reader_that_goes_away_takes_the_server_along(films: Path) -> None:
    process = subprocess.Popen(
        [BACCTL, "analyze", films, "--pixel-spacing", "0.2", "--jsonl"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    assert json.loads(process.stdout.readline())["type"] == "image"
    started = descendants(process.pid)
    assert any("tritonserver" in command_line(pid) for pid in started)
    process.stdout.close()
    assert process.wait(60) == 141
    assert process.stderr.read() == b""
    process.stderr.close()
    assert not any(is_alive(pid) for pid in started)
    assert not list(SHARED_MEMORY.glob(f"bacctl_{process.pid}_*"))


def test_a_pipeline_of_a_shell(films: Path, server: EmbeddedServer) -> None:
    done = subprocess.run(
        f"set -o pipefail; find {films} | {BACCTL} analyze --files-from - --pixel-spacing 0.2 --jsonl "
        f"--url {server.url} | cut -c 1-27",
        shell=True,
        executable="/bin/bash",
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == ['{"schema": "bacctl.lines/1"'] * 9


def test_what_a_server_has_answered_is_counted_for_who_has_the_key(server: EmbeddedServer) -> None:
    before = count_answered(server, None)
    ask(server.url)
    # Triton counts an answer after it has sent it.
    _wait_for(lambda: count_answered(server, None) == before + 1, 10)
    stranger: Any = SimpleNamespace(url=server.url, key="guessed")
    with pytest.raises(PermissionDeniedError):
        count_answered(stranger, None)


def _wait_for(condition: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)
