"""How many cores a process may use, by its affinity and by the control groups it is in."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bacctl.service.cores import usable_cores

ALL = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def grouped(folder: Path, own: str, files: dict[str, str]) -> int:
    """Ask in control groups that are made here."""
    (folder / "own").write_text(own)
    for name, text in files.items():
        path = folder / "cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return usable_cores(folder / "own", folder / "cgroup")


@pytest.mark.parametrize(
    ("own", "files", "expected"),
    [
        ("0::/\n", {}, ALL),
        ("0::/\n", {"cpu.max": "max 100000\n"}, ALL),
        ("0::/\n", {"cpu.max": "50000 100000\n"}, 1),  # docker --cpus 0.5
        ("0::/\n", {"cpu.max": "100000000 100000\n"}, ALL),
        # Of a group above it; and a path of the host's, in a container that sees its own group as the root.
        ("0::/a/b\n", {"a/b/cpu.max": "max 100000\n", "a/cpu.max": "100000 100000\n"}, 1),
        ("0::/docker/0123\n", {"cpu.max": "100000 100000\n"}, 1),
        (
            "3:cpuset:/\n2:cpu,cpuacct:/a\n",
            {"cpu/a/cpu.cfs_quota_us": "50000", "cpu/a/cpu.cfs_period_us": "100000"},
            1,
        ),
        ("2:cpu:/\n0::/\n", {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, ALL),
        ("", {"cpu.max": "nonsense"}, ALL),
        ("0::/\n", {"cpu.max": "nonsense"}, ALL),
    ],
)
def test_the_least_of_what_is_allowed(own: str, files: dict[str, str], expected: int, tmp_path: Path) -> None:
    assert grouped(tmp_path, own, files) == expected


def test_in_a_real_group() -> None:
    """As root on Linux: half a core by the kernel's own files, of whichever version it has."""
    code = "from bacctl.service.cores import usable_cores; print(usable_cores())"
    for root, files, members in (
        (Path("/sys/fs/cgroup/cpu"), {"cpu.cfs_quota_us": "150000", "cpu.cfs_period_us": "100000"}, "tasks"),
        (Path("/sys/fs/cgroup"), {"cpu.max": "150000 100000"}, "cgroup.procs"),
    ):
        group = root / f"bacctl-test-{os.getpid()}"
        try:
            group.mkdir()
        except OSError:
            continue
        try:
            for name, text in files.items():
                (group / name).write_text(text)
            command = f'echo $$ > {group / members} && exec "{sys.executable}" -c "{code}"'
            told = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=120)
            if told.returncode != 0:  # it may be made, and nobody may enter it
                continue
            assert told.stdout.strip() == str(min(ALL, 2)), told.stderr
            (group / next(iter(files))).write_text("50000" if len(files) > 1 else "50000 100000")
            told = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=120)
            assert told.stdout.strip() == "1", told.stderr
            return
        except OSError:
            continue
        finally:
            group.rmdir()
    pytest.skip("no control group may be made here")


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no affinity here")
def test_cores_that_it_may_run_on() -> None:
    one = min(os.sched_getaffinity(0))
    here = f"import os; os.sched_setaffinity(0, {{{one}}})"
    code = f"{here}; from bacctl.service.cores import usable_cores; print(usable_cores())"
    told = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    assert told.stdout.strip() == "1"
