"""A step ends with its server, even one that stands still, and not with the thread that started it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

STEP = """
import time
from bacctl.service.life import end_with_server
end_with_server()
print("tied", flush=True)
time.sleep(60)
"""
# As Triton does: the thread that starts a step ends when the step has been loaded.
SERVER = f"""
import subprocess, sys, threading, time
steps = []
def load():
    steps.append(subprocess.Popen([sys.executable, "-c", {STEP!r}], stdout=subprocess.PIPE))
    steps[0].stdout.readline()
thread = threading.Thread(target=load)
thread.start()
thread.join()
print(steps[0].pid, flush=True)
time.sleep(60)
"""


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_step_that_stands_still_ends_with_its_server() -> None:
    server = subprocess.Popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    step = int(server.stdout.readline())
    time.sleep(2.0)  # for the step to find that the thread has ended
    assert is_alive(step)
    os.kill(step, signal.SIGSTOP)
    server.kill()
    server.wait()
    server.stdout.close()
    deadline = time.monotonic() + 20
    while is_alive(step):
        assert time.monotonic() < deadline, "the step lives on"
        time.sleep(0.05)
