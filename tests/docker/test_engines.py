"""What runs a fleet or an archive on other people's engines: read, checked, and held against itself.

HAProxy's configuration is run by tests/e2e/test_fleet.py; Slurm and Nextflow were never there.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
FLEET = ROOT / "examples" / "fleet"
KUBERNETES = ROOT / "docker" / "kubernetes"
SBATCH = FLEET / "archive.sbatch"


def checked(token: str, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    tool = shutil.which("haproxy")
    if tool is None:
        pytest.skip("haproxy is not installed")
    trustme = pytest.importorskip("trustme")
    trustme.CA().issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "pem"))
    given = {"FRONT": ":8443", "PEM": str(tmp_path / "pem"), "TOKEN": token, "ADMIN": str(tmp_path / "admin")}
    environment = {**os.environ, **{f"BACCTL_{name}": value for name, value in given.items()}}
    return subprocess.run(
        [tool, "-c", "-f", FLEET / "haproxy.cfg"], env=environment, capture_output=True, text=True
    )


def test_haproxy_takes_its_configuration_without_a_warning(tmp_path: Path) -> None:
    done = checked("secret", tmp_path)
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stdout + done.stderr


def test_haproxy_does_not_start_without_a_token(tmp_path: Path) -> None:
    done = checked("", tmp_path)
    assert done.returncode != 0
    assert "everybody would be let in" in done.stderr


def test_haproxy_waits_longer_than_any_client() -> None:
    from bacctl.client.transports.transport import DEFAULT_TIMEOUT_S

    text = (FLEET / "haproxy.cfg").read_text()
    for side in ("server", "client"):
        (seconds,) = re.findall(rf"(?m)^    timeout {side} (\d+)s$", text)
        assert float(seconds) > DEFAULT_TIMEOUT_S


def slurm(tmp_path: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the script as Slurm would, with a bacctl that says what it was called with."""
    stub = tmp_path / "bacctl"
    stub.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    stub.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", **variables}
    return subprocess.run(["bash", SBATCH], env=environment, capture_output=True, text=True)


def test_a_task_of_slurm_is_a_shard(tmp_path: Path) -> None:
    # A part of the array, sent again: its count is not the number of shards.
    given = {"SLURM_ARRAY_TASK_ID": "7", "SLURM_ARRAY_TASK_COUNT": "2"}
    done = slurm(tmp_path, MANIFEST="/a b/manifest.parquet", OUT="/a b/out", **given)
    assert done.stdout.splitlines() == [
        *("archive", "run", "/a b/manifest.parquet", "--out", "/a b/out", "--shard", "7/16", "--resume")
    ]
    first, last = re.findall(r"(?m)^#SBATCH --array=(\d+)-(\d+)", SBATCH.read_text())[0]
    (shards,) = re.findall(r"(?m)^SHARDS=(\d+)$", SBATCH.read_text())
    assert (int(first), int(last)) == (0, int(shards) - 1)


@pytest.mark.parametrize("missing", ["MANIFEST", "OUT", "SLURM_ARRAY_TASK_ID"])
def test_a_task_of_slurm_that_lacks_something_says_so(tmp_path: Path, missing: str) -> None:
    given = {"MANIFEST": "m", "OUT": "o", "SLURM_ARRAY_TASK_ID": "0"}
    done = slurm(tmp_path, **{name: value for name, value in given.items() if name != missing})
    assert done.returncode != 0
    assert missing in done.stderr
    assert not done.stdout


def test_shellcheck() -> None:
    tool = shutil.which("shellcheck")
    if tool is None:
        pytest.skip("shellcheck is not installed")
    done = subprocess.run([tool, SBATCH], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("command", ["run", "merge"])
def test_only_flags_that_there_are(command: str) -> None:
    from typer.main import get_command

    from bacctl.cli.app import app

    commands: Any = get_command(app)
    known = {flag for option in commands.commands["archive"].commands[command].params for flag in option.opts}
    (container,) = read("archive/job.yaml")["spec"]["template"]["spec"]["containers"]
    lines = (SBATCH.read_text() + (FLEET / "archive.nf").read_text()).splitlines()
    given = [line for line in lines if re.match(rf"\s*(exec )?bacctl archive {command} ", line)]
    given += [" ".join(container["args"])] if command == "run" else []
    flags = set(re.findall(r"--[a-z-]+", " ".join(given)))
    assert flags
    assert flags <= known


def read(path: str) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((KUBERNETES / path).read_text())
    return content


def test_pods_of_the_job_are_its_shards_and_reach_the_servers() -> None:
    spec = read("archive/job.yaml")["spec"]
    (container,) = spec["template"]["spec"]["containers"]
    assert f"--shard=$(JOB_COMPLETION_INDEX)/{spec['completions']}" in container["args"]
    assert spec["completionMode"] == "Indexed"
    (policy,) = [
        rule for rule in read("base/network.yaml")["spec"]["ingress"] if {"port": "grpc"} in rule["ports"]
    ]
    (caller,) = policy["from"]
    assert caller["podSelector"]["matchLabels"].items() <= spec["template"]["metadata"]["labels"].items()
    service = read("base/service.yaml")
    (port,) = [port["port"] for port in service["spec"]["ports"] if port["name"] == "grpc"]
    assert {"name": "BACCTL_URL", "value": f"{service['metadata']['name']}:{port}"} in container["env"]
    (rule, _) = spec["podFailurePolicy"]["rules"]
    assert rule["onExitCodes"]["containerName"] == container["name"]


def test_keda_scales_what_the_autoscaler_did() -> None:
    scaled, autoscaler = read("keda/scaledobject.yaml")["spec"], read("base/autoscaler.yaml")["spec"]
    assert scaled["scaleTargetRef"]["name"] == autoscaler["scaleTargetRef"]["name"]
    behaviour = scaled["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
    assert behaviour == autoscaler["behavior"]
    assert (scaled["minReplicaCount"], scaled["maxReplicaCount"]) == (
        autoscaler["minReplicas"],
        autoscaler["maxReplicas"],
    )


def test_promtool_reads_the_queries_of_keda(tmp_path: Path) -> None:
    tool = shutil.which("promtool")
    if tool is None:
        pytest.skip("promtool is not installed")
    triggers = read("keda/scaledobject.yaml")["spec"]["triggers"]
    rules = [{"record": "keda:query", "expr": trigger["metadata"]["query"]} for trigger in triggers]
    path = tmp_path / "rules.yaml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "keda", "rules": rules}]}))
    done = subprocess.run([tool, "check", "rules", path], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
