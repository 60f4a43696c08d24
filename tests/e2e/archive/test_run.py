"""Runs over an archive that are killed and resumed, on the real server: rows as of an undisturbed run."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path

import pytest
from tests.e2e.archive.small_archive import BACCTL, Run, end_at_random, make_archive, rows_of

from bacctl.server.embedded import EmbeddedServer

SEED = 18
KILLED, STOPPED = -signal.SIGKILL, 128 + signal.SIGTERM


def _killed_and_resumed(folder: Path, url: str, images: int, times: int, *options: object) -> None:
    manifest = make_archive(folder, images)
    undisturbed, disturbed = (Run(manifest, folder / name, url) for name in ("one", "two"))
    undisturbed.finish(*options)
    codes = end_at_random(disturbed, images, times, SEED, *options)
    assert codes == [STOPPED if turn % 2 else KILLED for turn in range(times)]
    assert disturbed.settled() < images
    assert f"{images} of {images} images, {images} ok" in disturbed.finish(*options)
    expected, found = rows_of(undisturbed.out), rows_of(disturbed.out)
    assert [row["row"] for row in found] == list(range(images))
    assert found == expected
    assert len({row["analysis"] for row in found}) == images, "two images have one result"


def test_killed_twice_and_resumed(server: EmbeddedServer, tmp_path: Path) -> None:
    _killed_and_resumed(tmp_path, server.url, 10, 2, "--part-rows", 4)
    told = subprocess.run(
        [BACCTL, "archive", "status", tmp_path / "two", "--json"],
        cwd=tmp_path,
        capture_output=True,
        check=True,
        timeout=240,
    )
    status = json.loads(told.stdout)
    assert (status["settled"], status["complete"]) == (10, True)
    assert status["shards"][0]["status"] == {"ok": 10}


@pytest.mark.full
@pytest.mark.timeout(4 * 3600)
def test_five_thousand_images_killed_five_times(server: EmbeddedServer, tmp_path: Path) -> None:
    _killed_and_resumed(tmp_path, server.url, 5000, 5)


def test_refusals_of_the_command_are_one_line(server: EmbeddedServer, tmp_path: Path) -> None:
    manifest = make_archive(tmp_path, 1)
    done = "shard-00000-of-00001: 1 of 1 images, 1 ok\n"
    assert Run(manifest, tmp_path / "out", server.url).finish() == done
    # No server is asked for what is complete.
    assert Run(manifest, tmp_path / "out", "127.0.0.1:9").finish() == done
    for arguments, said in (
        (
            [manifest, "--out", "out"],
            "BAC-ARCHIVE-OUTPUT: this shard of the output has results already; go on",
        ),
        (
            [manifest, "--out", "out", "--resume", "--shard", "0/2"],
            "has 1 shards and not 2; give --shard i/1",
        ),
        ([tmp_path / "none.parquet", "--out", "new"], "none.parquet"),
    ):
        ended = subprocess.run(
            [BACCTL, "archive", "run", *map(str, arguments), "--url", server.url],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=240,
        )
        assert ended.returncode in (1, 2), ended.stderr
        assert ended.stdout == ""
        assert said in ended.stderr
        assert len(ended.stderr.splitlines()) == 1
