"""ONNX Runtime is used without its usage reports."""

import subprocess
import sys
from pathlib import Path

from bacctl.server.repository import default_repository

MODEL = default_repository() / "bac_segment" / "1" / "model.onnx"
PROGRAM = """
import os, sys
import numpy as np
from bac_imaging.onnxruntime import load_onnxruntime

threads = len(os.listdir("/proc/self/task"))
onnxruntime = load_onnxruntime()
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
session = onnxruntime.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
session.run(["PROBABILITY"], {"TILES": np.zeros((1, 1, 512, 512), np.float32)})
print(len(os.listdir("/proc/self/task")) - threads)
"""


def test_loading_and_running_leaves_no_thread_that_reports_and_no_identifier(tmp_path: Path) -> None:
    environment = {"HOME": str(tmp_path), "OPENBLAS_NUM_THREADS": "1"}
    call = [sys.executable, "-c", PROGRAM, str(MODEL)]
    done = subprocess.run(call, capture_output=True, text=True, check=False, env=environment)
    assert done.stdout == "0\n", done.stderr
    assert list(tmp_path.rglob("*")) == []
