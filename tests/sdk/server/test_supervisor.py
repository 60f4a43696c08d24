"""The supervisor with a stand-in for the server: whatever ends first, nothing is left."""

import json
import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bacctl.server import supervisor

# Starts a child of its own that ignores SIGTERM, as a wedged stub does; itself deaf where it is told so.
# "answering": says that all is answered, but only a while after SIGTERM, and never ends, as Triton does.
SERVER = """
import pathlib, signal, subprocess, sys, time
if "deaf" in sys.argv:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
def finish(*_):
    time.sleep(0.3)
    pathlib.Path(sys.argv[2]).touch()
    print("All models are stopped, unloading models", flush=True)
    time.sleep(60)
if "answering" in sys.argv:
    signal.signal(signal.SIGTERM, finish)
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
    def __init__(self, tmp_path, *flags, grace_s=0.5):
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
            "grace_s": grace_s,
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


def test_calls_under_way_are_answered_and_no_more_is_waited_for(tmp_path):
    answered = tmp_path / "answered"
    supervised = Supervised(tmp_path, "answering", str(answered), grace_s=60.0)
    supervised.process.stdin.write(supervisor.END)
    supervised.process.stdin.close()
    assert supervised.process.wait(30) != 0
    assert answered.exists()
    assert supervised.nothing_is_left()


def test_an_end_at_once_waits_for_no_call(tmp_path):
    answered = tmp_path / "answered"
    supervised = Supervised(tmp_path, "answering", str(answered), grace_s=60.0)
    supervised.process.stdin.write(supervisor.END_AT_ONCE)
    supervised.process.stdin.close()
    assert supervised.process.wait(30) != 0
    assert not answered.exists()
    assert supervised.nothing_is_left()


def test_the_order_is_enough_where_a_fork_holds_the_pipe_open(tmp_path):
    supervised = Supervised(tmp_path)
    held = os.dup(supervised.process.stdin.fileno())
    try:
        supervised.process.stdin.write(supervisor.END)
        supervised.process.stdin.close()
        supervised.process.wait(30)
    finally:
        os.close(held)
    assert supervised.nothing_is_left()


def test_the_folder_that_triton_leaves_is_removed_and_no_other(tmp_path, monkeypatch):
    monkeypatch.setattr(supervisor, "_TRITONS_FOLDERS", f"{tmp_path}/python_env_*")
    started = time.time() - 1.0
    names = ("of_ours", "in_use", "of_another_day")
    ours, in_use, old = (tmp_path / f"python_env_{name}" for name in names)
    for folder in (ours, in_use, old):
        folder.mkdir()
    (in_use / "an_environment").touch()
    os.utime(old, (started - 60.0, started - 60.0))
    supervisor.remove_tritons_folder(started)
    assert {path.name for path in tmp_path.iterdir()} == {in_use.name, old.name}


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


def test_what_it_makes_stays_its_own(tmp_path: Path) -> None:
    """As Triton makes shared memory: a mode for all, set once more after the making."""
    program = (
        "import os, runpy, sys\n"
        f"runpy.run_path({supervisor.__file__!r})['keep_private']()\n"
        "handle = os.open(sys.argv[1], os.O_CREAT | os.O_RDWR, 0o644)\n"
        "os.fchmod(handle, 0o644)\n"
        "os.write(handle, b'x')\n"
    )
    made = tmp_path / "region"
    subprocess.run([sys.executable, "-c", program, made], check=True, timeout=60)
    assert made.read_bytes() == b"x"
    assert stat.S_IMODE(made.stat().st_mode) == 0o600
