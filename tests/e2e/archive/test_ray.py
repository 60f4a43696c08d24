"""Runs on Ray with real servers: one for all workers; one with each of two nodes, of which one is lost."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.archive.small_archive import BACCTL, Run, make_archive, rows_of
from tests.sdk.archive.run.ray_nodes import add_node

from bacctl.server.embedded import EmbeddedServer

ray_cluster = pytest.importorskip("ray.cluster_utils", reason="needs bacctl[archive]")

IMAGES = 64
_TURNS = 3
_NODE: dict[str, Any] = {"num_cpus": 1, "object_store_memory": 80 * 2**20}


def _start(manifest: Path, out: Path, *options: object) -> subprocess.Popen[str]:
    command = [BACCTL, "archive", "run", manifest, "--out", out, "--resume", *options]
    return subprocess.Popen(
        [*map(str, command)], cwd=manifest.parent, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def _comes_to(run: Run, images: int, process: subprocess.Popen[str]) -> bool:
    """Wait until so many images have a result; tell whether the process is still there then."""
    while run.settled() < images and process.poll() is None:
        time.sleep(0.1)
    return process.poll() is None


@pytest.mark.full
@pytest.mark.timeout(3600)
def test_a_node_with_its_server_is_lost_and_the_run_is_stopped_and_resumed(
    server: EmbeddedServer, tmp_path: Path
) -> None:
    manifest = make_archive(tmp_path, IMAGES)
    plain, on_ray = (Run(manifest, tmp_path / name, server.url) for name in ("plain", "ray"))
    plain.finish()

    # One that is there for all, stopped midway.
    shared = "--ray", "local", "--url", server.url
    for _ in range(_TURNS):
        process = _start(manifest, on_ray.out, *shared)
        if _comes_to(on_ray, 1, process):
            break
        _, err = process.communicate()
        assert "Ray did not start here" in err, err  # within half a minute, on a machine that is busy
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 128 + signal.SIGTERM, err
    assert 1 <= on_ray.settled() < IMAGES
    assert "--resume goes on" in err.splitlines()[-1]

    # One with each node.
    cluster = ray_cluster.Cluster()
    try:
        add_node(cluster, **_NODE, include_dashboard=False)
        second = add_node(cluster, **_NODE)
        process = _start(manifest, on_ray.out, "--ray", cluster.address, "--ray-cpus", 1)
        assert _comes_to(on_ray, on_ray.settled() + 1, process), process.communicate()
        cluster.remove_node(second, allow_graceful=False)
        out, err = process.communicate(timeout=1800)
    finally:
        cluster.shutdown()
    assert process.returncode == 0, err
    assert f"{IMAGES} of {IMAGES} images, {IMAGES} ok" in out
    assert rows_of(on_ray.out) == rows_of(plain.out)


def test_faults_of_the_cluster_are_one_line(tmp_path: Path) -> None:
    manifest = make_archive(tmp_path, 1)
    for options, said in (
        (("--ray", "127.0.0.1:9"), "BAC-ARCHIVE-CLUSTER: no Ray cluster at 127.0.0.1:9"),
        (("--ray-workers", "2"), "--ray-workers and --ray-cpus are of --ray"),
    ):
        process = _start(manifest, tmp_path / "out", *options)
        out, err = process.communicate(timeout=300)
        assert (process.returncode in (1, 2), out) == (True, ""), err
        assert said in err
        assert len(err.splitlines()) == 1, err
