"""OpenVINO is used without its usage reports."""

import subprocess
import sys

PROGRAM = """
import os, socket
from bac_imaging.openvino import load_openvino

def refused(*args, **kwargs):
    raise SystemExit("it forked or looked up a host to report to")

os.fork = refused
socket.getaddrinfo = refused
core = load_openvino().Core()
assert "CPU" in core.available_devices
import openvino_telemetry
"""


def test_loading_openvino_neither_forks_nor_loads_its_telemetry() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False)
    assert (
        "No module named 'openvino_telemetry'" in done.stderr
        or "import of openvino_telemetry halted" in done.stderr
    )
    assert "report to" not in done.stderr
