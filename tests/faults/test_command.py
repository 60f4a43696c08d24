"""Faults of a run of ``bacctl analyze``: no room, no descriptors, told to end, killed, taken up again."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.faults.images import fingerprint_of
from tests.faults.outcome import Outcome, judge

BACCTL = str(Path(sys.executable).with_name("bacctl"))
pytestmark = [pytest.mark.full, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def records(images: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What the command itself writes of each image, undisturbed: its documents hold no arrays."""
    document = _run(_command(images, tmp_path_factory.mktemp("undisturbed")), 0)
    return {str(record["path"]): fingerprint_of(record) for record in _images(document)}


def _command(images: Mapping[str, str], out: Path, *args: str) -> list[str]:
    folder = str(Path(next(iter(images))).parent)
    return [BACCTL, "analyze", folder, "--json", "--out", str(out), "--save", "json,mask", *args]


def _run(command: list[str], *codes: int) -> dict[str, Any]:
    done = subprocess.run(command, capture_output=True, text=True, timeout=1500, stdin=subprocess.DEVNULL)
    assert done.returncode in codes, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def _images(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    images: list[dict[str, Any]] = document["images"]
    return images


def _judged(fault: str, document: Mapping[str, Any], records: Mapping[str, str]) -> Outcome:
    seen = [
        (str(image["path"]), image["status"], image["code"], fingerprint_of(image))
        for image in _images(document)
    ]
    outcome = judge(fault, "command", seen, records)
    outcome.write()
    return outcome


def _in_rooms(command: list[str], setup: str) -> list[str]:
    """Run a command with file systems of its own, which it fills alone."""
    if os.getuid() != 0 or shutil.which("unshare") is None:
        pytest.skip("needs root and unshare, for small file systems of its own")
    script = f"{setup} && exec {shlex.join(command)}"
    call = ["unshare", "--mount", "sh", "-c", script]
    probe = subprocess.run(
        ["unshare", "--mount", "sh", "-c", "mount -t tmpfs none /mnt"], capture_output=True
    )
    if probe.returncode != 0:
        pytest.skip("no file system may be mounted here")
    return call


def test_full_disk_for_results(images: Mapping[str, str], records: Mapping[str, str], tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    command = _in_rooms(_command(images, out), f"mount -t tmpfs -o size=24k none {shlex.quote(str(out))}")
    # What could not be written costs the exit status, not the results.
    _judged("full disk for --out", _run(command, 1), records).check_all_measured()


def test_full_temporary_folder(images: Mapping[str, str], records: Mapping[str, str], tmp_path: Path) -> None:
    folder = tmp_path / "tmp"
    folder.mkdir()
    at = shlex.quote(str(folder))
    fill = f"head -c 2m /dev/zero > {at}/fill 2>/dev/null; export TMPDIR={at}"
    setup = f"mount -t tmpfs -o size=1m none {at} && {{ {fill}; }}"
    done = subprocess.run(
        _in_rooms(_command(images, tmp_path / "out"), setup), capture_output=True, text=True, timeout=300
    )
    # Python takes /tmp where the folder that it is given has no room.
    _measured_or_says_why("full TMPDIR", done, records)


def test_small_shared_memory(images: Mapping[str, str], records: Mapping[str, str], tmp_path: Path) -> None:
    command = _command(images, tmp_path / "out")
    done = subprocess.run(
        _in_rooms(command, "mount -t tmpfs -o size=64m none /dev/shm"),
        capture_output=True,
        text=True,
        timeout=300,
    )
    _says_why_in_one_line(done)
    enough = _in_rooms(command, "mount -t tmpfs -o size=600m none /dev/shm")
    _judged("600 MB of /dev/shm", _run(enough, 0), records).check_all_measured()


def test_shared_memory_that_fills(
    images: Mapping[str, str], records: Mapping[str, str], tmp_path: Path
) -> None:
    # Others take what was free, for five seconds in the middle of the run.
    fills = "( sleep 15; head -c 4g /dev/zero > /dev/shm/fill 2>/dev/null; sleep 5; rm /dev/shm/fill ) &"
    command = _in_rooms(
        _command(images, tmp_path / "out"), f"mount -t tmpfs -o size=600m none /dev/shm && {{ {fills} }}"
    )
    _judged("/dev/shm fills for 5 s", _run(command, 0, 1), records).check_all_measured()


@pytest.mark.parametrize("most", [24, 48, 128])
def test_few_descriptors(
    most: int, images: Mapping[str, str], records: Mapping[str, str], tmp_path: Path
) -> None:
    script = f"ulimit -n {most} && exec {shlex.join(_command(images, tmp_path / 'out'))}"
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, timeout=1500)
    _measured_or_says_why(f"{most} descriptors", done, records)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGKILL])
def test_ended_and_taken_up_again(
    number: signal.Signals, images: Mapping[str, str], records: Mapping[str, str], tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    command = _command(images, tmp_path / "out", "--cache", str(cache))
    first = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    _wait_for_masks(tmp_path / "out", len(images) // 4, first)
    first.send_signal(number)
    text, _ = first.communicate(timeout=120)
    if number is not signal.SIGKILL:
        kept = _images(json.loads(text))
        assert len(kept) >= len(images) // 4
        assert all(
            fingerprint_of(image) == records[image["path"]] for image in kept if image["status"] == "ok"
        )
    outcome = _judged(f"{number.name} and taken up again", _run(command, 0), records)
    outcome.check_all_measured()


def _wait_for_masks(out: Path, count: int, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 900
    while len(list(out.rglob("*mask*"))) < count:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.1)


def _measured_or_says_why(
    fault: str, done: subprocess.CompletedProcess[str], records: Mapping[str, str]
) -> None:
    if done.returncode == 0:
        _judged(fault, json.loads(done.stdout), records).check_all_measured()
    else:
        _says_why_in_one_line(done)


def _says_why_in_one_line(done: subprocess.CompletedProcess[str]) -> None:
    """See that a run that cannot be begins not at all, with a code and what to do."""
    assert done.returncode in (1, 2), done.stderr
    assert "Traceback" not in done.stderr
    assert "BAC-INTERNAL" not in done.stderr + done.stdout
    assert "BAC-" in done.stderr + done.stdout, done.stderr
