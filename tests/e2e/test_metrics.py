"""A real Prometheus scrapes a real server, and knows of each image what became of it."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import yaml
from tritonclient import grpc
from tritonclient.utils import InferenceServerException

from bacctl import Client
from bacctl.keeper.ask import ask
from bacctl.server.embedded import EmbeddedServer

DOCKER = Path(__file__).resolve().parents[2] / "docker"
RECORD = Path(__file__).resolve().parents[1] / "docker" / "triton_metrics.txt"
Query = Callable[[str], dict[str, float]]


@pytest.fixture
def query(server: EmbeddedServer, tmp_path: Path) -> Iterator[Query]:
    """Run Prometheus with our rules on the server; give what asks it."""
    program = shutil.which("prometheus")
    if program is None:
        pytest.skip("prometheus is not installed (Debian: prometheus)")
    configuration = yaml.safe_load((DOCKER / "prometheus" / "prometheus.yaml").read_text())
    configuration["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    configuration["rule_files"] = [str(DOCKER / "prometheus" / "rules.yaml")]
    configuration["scrape_configs"][0]["static_configs"] = [
        {"targets": [f"127.0.0.1:{server.ports['metrics']}"]}
    ]
    path = tmp_path / "prometheus.yaml"
    path.write_text(yaml.safe_dump(configuration))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    process = subprocess.Popen(
        [
            program,
            f"--config.file={path}",
            f"--storage.tsdb.path={tmp_path / 'data'}",
            f"--web.listen-address={address}",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )

    def query(expression: str) -> dict[str, float]:
        asked = urllib.parse.urlencode({"query": expression})
        with urllib.request.urlopen(f"http://{address}/api/v1/query?{asked}", timeout=30) as answer:
            found = json.load(answer)["data"]["result"]
        return {" ".join(sorted(entry["metric"].values())): float(entry["value"][1]) for entry in found}

    try:
        yield query
    finally:
        process.terminate()
        process.wait(30)


def test_prometheus_counts_what_became_of_each_image(
    server: EmbeddedServer, client: Client, raw_mammogram: bytes, query: Query
) -> None:
    before = _ours(server)
    results = [client.analyze(raw_mammogram) for _ in range(2)]
    for _ in range(3):
        with pytest.raises(InferenceServerException, match="BAC-FILE-NOT-IMAGE"):
            _send(server.url, b"no image")
    ask(server.url)
    counts = {
        'bacctl_images_total{status="ok"}': 2,
        'bacctl_images_total{code="BAC-FILE-NOT-IMAGE",status="refused"}': 3,
        'bacctl_test_images_total{status="ok"}': 1,
        "bacctl_calcium_mass_mg_count": 2,
        'bacctl_step_seconds_count{step="quantify"}': 2,
    }
    expected = {name: _sum(before, name) + more for name, more in counts.items()}
    _wait_for(lambda: {name: sum(query(f"sum({name})").values()) for name in expected}, expected)
    mass = sum(query("sum(bacctl_calcium_mass_mg_sum)").values()) - _sum(before, "bacctl_calcium_mass_mg_sum")
    assert mass == pytest.approx(sum(result.calcium_mass_mg for result in results), rel=1e-6)
    (weights,) = query("count by (sha256) (bacctl_weights_info)")
    assert weights == client.server_info()["model"]
    (age,) = query("time() - max(bacctl_test_image_time_seconds)").values()
    assert 0 <= age < 600
    # None of the rules is broken here, and nothing is raised.
    (up,) = query("up").values()
    assert up == 1
    assert "BacctlMixedUp" not in " ".join(query("ALERTS"))


def test_no_metric_says_whose_image_it_was(
    server: EmbeddedServer, client: Client, raw_mammogram: bytes
) -> None:
    result = client.analyze(raw_mammogram)
    lines = [line for line in _text(server).splitlines() if line.startswith("bacctl_")]
    assert {re.split(r"[{ ]", line)[0] for line in lines} == {
        name for name in RECORD.read_text().split() if name.startswith("bacctl_")
    }
    labels = {name for line in lines for name in re.findall(r'(\w+)="', line)}
    assert labels == {"process", "status", "code", "step", "le", "sha256", "map_sha256", "version"}
    assert not any(str(result.sop_instance_uid) in line for line in lines)


def _text(server: EmbeddedServer) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{server.ports['metrics']}/metrics", timeout=30) as answer:
        return str(answer.read().decode())


def _ours(server: EmbeddedServer) -> list[str]:
    return [line for line in _text(server).splitlines() if line.startswith("bacctl_")]


def _sum(lines: list[str], name: str) -> float:
    """Add up what a server told, without Prometheus."""
    metric, _, labels = name.rstrip("}").partition("{")
    wanted = [label for label in labels.split(",") if label]
    return sum(
        float(line.rpartition(" ")[2])
        for line in lines
        if re.split(r"[{ ]", line)[0] == metric and all(label in line for label in wanted)
    )


def _send(url: str, data: bytes) -> None:
    tensor = grpc.InferInput("DICOM", [len(data)], "UINT8")
    tensor.set_data_from_numpy(np.frombuffer(data, np.uint8))
    grpc.InferenceServerClient(url).infer("bac", [tensor])


def _wait_for(seen: Callable[[], dict[str, float]], expected: dict[str, float]) -> None:
    deadline = time.monotonic() + 60.0
    while True:
        try:
            found: object = seen()
        except OSError as error:  # it starts
            found = error
        if found == expected:
            return
        assert time.monotonic() < deadline, found
        time.sleep(0.5)
