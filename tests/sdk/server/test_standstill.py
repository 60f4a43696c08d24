"""A server that hangs is stopped; one that works, waits for a disk or is paused with its machine is not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from types import SimpleNamespace
from typing import Any

import pytest

from bacctl.server import standstill
from bacctl.server.standstill import STILL_S, Standstill, Stillness


class Processes:
    """One process, its state, the processor that it used, and the time."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = self.used = 0.0
        self.state = "S"
        monkeypatch.setattr(Stillness, "_read", lambda _: [(self.state, self.used)])
        self.still = Stillness(lambda: [1], clock=lambda: self.now)

    def lasts(self, seconds: float, work: float = 0.0, step: float = 1.0) -> bool:
        for _ in range(int(seconds / step)):
            self.now += step
            self.used += work * step
            if self.still.lasts():
                return True
        return False


def test_no_work_for_a_while_is_a_standstill(monkeypatch: pytest.MonkeyPatch) -> None:
    processes = Processes(monkeypatch)
    assert not processes.lasts(STILL_S - 1.0)
    assert processes.lasts(1.0)


def test_what_triton_does_at_rest_is_no_work(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Processes(monkeypatch).lasts(STILL_S, work=0.002)


@pytest.mark.parametrize("fault", ["starved", "disk", "paused"])
def test_slowness_is_no_standstill(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    processes = Processes(monkeypatch)
    processes.state = "D" if fault == "disk" else "R"
    work = 0.02 if fault == "starved" else 0.0
    assert not processes.lasts(120.0, work=work, step=10.0 if fault == "paused" else 1.0)


def test_a_server_that_hangs_during_a_call_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standstill, "STILL_S", 0.3)
    monkeypatch.setattr(standstill, "_LOOK_S", 0.1)
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    os.kill(process.pid, signal.SIGSTOP)
    stopped = threading.Event()
    server: Any = SimpleNamespace(steps=SimpleNamespace(processes=lambda: [process.pid]))

    def stop() -> None:
        server.steps = None
        stopped.set()

    server.stop = stop
    try:
        with Standstill(server).call():
            assert stopped.wait(30)
    finally:
        process.kill()
        process.wait()
