"""The supervisor with a stand-in for the server: whatever ends first, nothing is left."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bacctl.server import supervisor

# Starts a child of its own that ignores SIGTERM, as a wedged stub does; itself deaf where it is told so.
SERVER = """
import signal, subprocess, sys, time
if "deaf" in sys.argv:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
wedged = "import signal, time; signal.signal(15, signal.SIG_IGN); print(1, flush=True); time.sleep(60)"
child = subprocess.Popen([sys.executable, "-c", wedged], stdout=subprocess.PIPE)
child.stdout.readline()
print(child.pid, flush=True)
if "quit" in sys.argv:
    sys.exit(7)
time.sleep(60)
"""


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def eventually(condition, timeout_s=10.0):
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return False


class Supervised:
    def __init__(self, tmp_path, *flags):
        self.folder = tmp_path / "folder"
        self.folder.mkdir()
        self.log = tmp_path / "log"
        prefix = f"bacctl_test_{os.getpid()}_{time.monotonic_ns()}_"
        self.region = supervisor.SHARED_MEMORY / f"{prefix}left_over"
        self.region.write_bytes(b"x")
        self.process = subprocess.Popen(
            [sys.executable, "-I", supervisor.__file__], stdin=subprocess.PIPE, start_new_session=True
        )
        orders = {
            "command": [sys.executable, "-c", SERVER, *flags],
            "environment": dict(os.environ),
            "folder": str(self.folder),
            "log": str(self.log),
            "shm_prefix": prefix,
            "grace_s": 0.5,
        }
        self.process.stdin.write(json.dumps(orders).encode() + b"\n")
        self.process.stdin.flush()
        assert eventually(lambda: self.log.exists() and self.log.read_text().strip())
        self.grandchild = int(self.log.read_text())

    def nothing_is_left(self):
        return not (alive(self.grandchild) or self.region.exists() or self.folder.exists())


@pytest.mark.parametrize("flags", [(), ("deaf",)])
def test_end_of_input_ends_everything(tmp_path, flags):
    supervised = Supervised(tmp_path, *flags)
    assert alive(supervised.grandchild)
    supervised.process.stdin.close()
    assert supervised.process.wait(10) != 0
    assert supervised.nothing_is_left()


def test_end_of_the_server_ends_its_children_too(tmp_path):
    supervised = Supervised(tmp_path, "quit")
    assert supervised.process.wait(10) == 7
    assert supervised.nothing_is_left()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_signals_end_everything(tmp_path, number):
    supervised = Supervised(tmp_path)
    supervised.process.send_signal(number)
    supervised.process.wait(10)
    assert supervised.nothing_is_left()


def test_killed_parent_whose_pipe_lives_on_in_a_fork(tmp_path):
    # The parent forks a child that inherits the pipe, starts the supervisor, and is killed.
    script = f"""
import os, sys, time
sys.path.insert(0, {str(Path(__file__).parent)!r})
from test_supervisor import Supervised
from pathlib import Path
s = Supervised(Path({str(tmp_path)!r}))
if os.fork() == 0:
    time.sleep(8)
    os._exit(0)
print(s.grandchild, s.region, s.process.pid, flush=True)
time.sleep(60)
"""
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    grandchild, region, supervisor = parent.stdout.readline().split()
    parent.kill()
    assert eventually(lambda: not alive(int(grandchild)) and not alive(int(supervisor)))
    assert not Path(region).exists()
    assert not (tmp_path / "folder").exists()
    parent.wait()
    parent.stdout.close()
