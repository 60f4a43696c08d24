"""Two real servers: called in turn by the client itself, and behind HAProxy as `examples/fleet` sets it up.

One is added, one is killed, no image is lost, and each does its share.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest
import trustme
from tests.e2e.archive.small_archive import BACCTL, make_archive, rows_of

from bacctl import Client, ImageResult, PermissionDeniedError, ServerFaultError, Tls
from bacctl.client.canary import canary_image
from bacctl.server.embedded import EmbeddedServer
from bacctl.server.repository import default_repository

FLEET = Path(__file__).resolve().parents[2] / "examples" / "fleet"
CONFIGURATION, SBATCH = FLEET / "haproxy.cfg", FLEET / "archive.sbatch"
IMAGE, FILM_MM = canary_image(), (0.2, 0.2)
EVEN = 0.2  # how far off the mean a server's share may be


def unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Front:
    """A HAProxy with the example's configuration, but for the servers."""

    folder: Path
    port: int = field(default_factory=unused_port)
    token: str = field(default_factory=lambda: secrets.token_hex(16))
    process: subprocess.Popen[bytes] | None = None

    def start(self, *urls: str) -> Front:
        authority = trustme.CA()
        authority.cert_pem.write_to_path(str(self.folder / "ca.pem"))
        issued = authority.issue_cert("localhost")
        issued.private_key_and_cert_chain_pem.write_to_path(str(self.folder / "front.pem"))
        text = re.sub(r"(?m)^    server .*\n", "", CONFIGURATION.read_text())
        servers = "".join(f"    server s{number} {url}\n" for number, url in enumerate(urls))
        text = re.sub(r"(?m)(^    default-server .*\n)", rf"\1{servers}", text)
        (self.folder / "haproxy.cfg").write_text(text)
        environment = {
            **os.environ,
            "BACCTL_FRONT": f"127.0.0.1:{self.port}",
            "BACCTL_PEM": str(self.folder / "front.pem"),
            "BACCTL_TOKEN": self.token,
            "BACCTL_ADMIN": str(self.folder / "admin"),
        }
        self.process = subprocess.Popen(
            ["haproxy", "-db", "-f", str(self.folder / "haproxy.cfg")],
            env=environment,
            stdout=(self.folder / "log").open("wb"),
            stderr=subprocess.STDOUT,
        )
        until(lambda: (self.folder / "admin").exists(), self.process)
        return self

    def tell(self, command: str) -> str:
        with socket.socket(socket.AF_UNIX) as admin:
            admin.connect(str(self.folder / "admin"))
            admin.sendall(command.encode() + b"\n")
            return b"".join(iter(lambda: admin.recv(4096), b"")).decode()

    def add(self, name: str, url: str) -> None:
        """Put a server into an empty place."""
        host, port = url.split(":")
        self.tell(f"set server servers/{name} addr {host} port {port}")
        self.tell(f"set server servers/{name} state ready")
        until(lambda: self.state(name) == "UP")

    def state(self, name: str) -> str:
        rows = [line.split(",") for line in self.tell("show stat").splitlines() if line]
        column = rows[0].index("status")
        return next(row[column] for row in rows if row[:2] == ["servers", name]).split()[0]

    def client(self, **given: object) -> Client:
        tls = Tls(ca=self.folder / "ca.pem")
        return Client(f"localhost:{self.port}", tls=tls, token=self.token, **given)  # type: ignore[arg-type]

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()


def until(true: Callable[[], bool], process: subprocess.Popen[bytes] | None = None) -> None:
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline
        assert process is None or process.poll() is None, "HAProxy ended"
        time.sleep(0.05)


@pytest.fixture
def front(tmp_path: Path) -> Iterator[Front]:
    if shutil.which("haproxy") is None:
        pytest.skip("haproxy is not installed")
    front = Front(tmp_path)
    yield front
    front.stop()


@pytest.fixture
def other() -> Iterator[EmbeddedServer]:
    with EmbeddedServer(metrics_port=0) as server:
        yield server


def measured(server: EmbeddedServer) -> int:
    """Return how many images a server has measured, by its own count."""
    url = f"http://127.0.0.1:{server.ports['metrics']}/metrics"
    with urllib.request.urlopen(url, timeout=20) as answer:
        text = answer.read().decode()
    return int(
        sum(map(float, re.findall(r'^bacctl_images_total\{[^}]*status="ok"[^}]*\} (\S+)', text, re.M)))
    )


def kill(server: EmbeddedServer) -> None:
    assert server._supervisor is not None
    for child in psutil.Process(server._supervisor.pid).children():
        child.kill()


def shared_out(client: Client, images: int, servers: list[EmbeddedServer]) -> list[int]:
    """Measure images, and return how many each server did."""
    before = [measured(server) for server in servers]
    results = list(client.analyze_many([IMAGE] * images, FILM_MM, max_in_flight=4))
    assert [result.status for result in results] == ["ok"] * images
    assert len({result.weights_sha256 for result in results}) == 1
    assert not any(notice.code == "BAC-W-WEIGHTS-DIFFER" for result in results for notice in result.warnings)
    shares = [measured(server) - then for server, then in zip(servers, before, strict=True)]
    assert sum(shares) == images  # none twice either
    return shares


def even(shares: list[int]) -> bool:
    mean = sum(shares) / len(shares)
    return all(abs(share - mean) <= EVEN * mean for share in shares)


def with_a_death(clients: list[Client], images: int, dying: EmbeddedServer) -> list[list[ImageResult]]:
    """Measure images with several clients at a time, and kill a server in the midst of it."""

    def work(client: Client) -> list[ImageResult]:
        results = []
        for result in client.analyze_many([IMAGE] * images, FILM_MM, max_in_flight=4):
            results.append(result)
            if client is clients[0] and len(results) == images // 3:
                kill(dying)
        return results

    with ThreadPoolExecutor(len(clients)) as pool:
        return list(pool.map(work, clients))


def test_two_servers_one_added_one_killed(
    front: Front, server: EmbeddedServer, other: EmbeddedServer
) -> None:
    both = [server, other]
    front.start(server.url)
    with front.client() as behind, Client(f"{server.url}, {other.url}") as direct:
        assert shared_out(behind, 2, both) == [2, 0]
        front.add("spare1", other.url)
        assert even(shared_out(behind, 10, both))
        assert shared_out(direct, 4, both) == [2, 2]
        for results in with_a_death([behind, direct], 9, other):
            assert [result.status for result in results] == ["ok"] * 9
    stranger = Client(f"grpcs://localhost:{front.port}", tls=Tls(ca=front.folder / "ca.pem"))
    with stranger, pytest.raises(PermissionDeniedError):
        stranger.analyze(IMAGE, FILM_MM)


@pytest.mark.full
def test_two_servers_of_different_weights(front: Front, server: EmbeddedServer, tmp_path: Path) -> None:
    """The other's network is the same but for a word in its file, and so its digest."""
    onnx = pytest.importorskip("onnx")
    repository = tmp_path / "models"
    shutil.copytree(default_repository(), repository, ignore=shutil.ignore_patterns("__pycache__"))
    network = onnx.load(repository / "bac_segment" / "1" / "model.onnx")
    network.metadata_props.add(key="of", value="another fleet")
    onnx.save(network, repository / "bac_segment" / "1" / "model.onnx")
    digest = hashlib.sha256((repository / "bac_segment" / "1" / "model.onnx").read_bytes()).hexdigest()
    for card in repository.glob("*/1/model_card.json"):
        card.write_text(json.dumps({**json.loads(card.read_text()), "sha256": digest}))
    with EmbeddedServer(repository, metrics_port=0) as other:
        both = [server, other]
        front.start(*(one.url for one in both))
        for ways in (front.client, lambda **given: Client(f"{server.url},{other.url}", **given)):
            with ways() as any_weights:
                results = [any_weights.analyze(IMAGE, FILM_MM) for _ in range(4)]
            assert [image.weights_sha256 for image in results].count(digest) == 2
            codes = [[notice.code for notice in image.warnings] for image in results]
            assert all("BAC-W-WEIGHTS-DIFFER" in told for told in codes[1:])
            with ways(weights=digest[:8]) as held:
                results = [held.analyze(IMAGE, FILM_MM) for _ in range(4)]
            assert {(image.status, image.weights_sha256) for image in results} == {("ok", digest)}
            with ways(weights="0" * 64) as nowhere, pytest.raises(ServerFaultError, match="OTHER-WEIGHTS"):
                nowhere.analyze(IMAGE, FILM_MM)


@pytest.mark.full
def test_an_array_of_slurm(server: EmbeddedServer, tmp_path: Path) -> None:
    """Its script as Slurm would run it, with two shards: the real command, the real server."""
    manifest = make_archive(tmp_path, 4)
    script = tmp_path / "archive.sbatch"
    script.write_text(SBATCH.read_text().replace("SHARDS=16", "SHARDS=2"))
    environment = {
        **os.environ,
        "PATH": f"{Path(BACCTL).parent}:{os.environ['PATH']}",
        "BACCTL_URL": server.url,
        "MANIFEST": str(manifest),
        "OUT": str(tmp_path / "out"),
    }
    for task in ("0", "1", "1"):
        given = {**environment, "SLURM_ARRAY_TASK_ID": task}
        subprocess.run(["bash", script], env=given, cwd=tmp_path, check=True, timeout=300)
    assert [row["row"] for row in rows_of(tmp_path / "out")] == list(range(4))


@pytest.mark.full
@pytest.mark.timeout(3600)
def test_servers_that_come_and_go(front: Front, monkeypatch: pytest.MonkeyPatch) -> None:
    """For some rounds: one is killed, one drained and ended, each replaced, while images are measured.

    Connections end each 20 s besides, as they do each ten minutes otherwise.
    """
    monkeypatch.setattr("bacctl.server.flags.CONNECTION_AGE_MS", 20_000)
    rounds, images = 2, 30
    running = [EmbeddedServer(metrics_port=0).start() for _ in range(2)]
    names = ["s0", "s1"]
    front.start(*(server.url for server in running))
    try:
        with front.client() as behind:
            assert even(shared_out(behind, images, running))
            for number in range(rounds):
                with Client(", ".join(server.url for server in running)) as direct:
                    for results in with_a_death([behind, direct], images, running[0]):
                        assert [result.status for result in results] == ["ok"] * images
                with ThreadPoolExecutor(1) as pool:
                    work = pool.submit(lambda: list(behind.analyze_many([IMAGE] * images, FILM_MM, 4)))
                    replaced = [EmbeddedServer(metrics_port=0).start()]
                    front.add(f"spare{2 * number + 1}", replaced[0].url)
                    front.tell(f"set server servers/{names[1]} state drain")
                    running[1].stop(answer_first=True)
                    assert [result.status for result in work.result()] == ["ok"] * images
                replaced.append(EmbeddedServer(metrics_port=0).start())
                front.add(f"spare{2 * number + 2}", replaced[1].url)
                for name in names:
                    front.tell(f"set server servers/{name} state maint")
                running[0].stop()
                running, names = replaced, [f"spare{2 * number + 1}", f"spare{2 * number + 2}"]
                assert even(shared_out(behind, images, running))
    finally:
        for server in running:
            server.stop()
