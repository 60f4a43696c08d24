"""Compare OpenVINO with ONNX Runtime as the engine of the segmentation step, inside the ensemble on the CPU.

Starts two embedded servers that differ in that step only, sends both the same picture in turn, and prints
the median time of the step (transfer between the steps included) and the ratio of neighbours, which stands
even where the machine is busy with other things::

    python benchmarks/segmentation_engines.py --rounds 7
"""

from __future__ import annotations

import argparse
import io
import os
import shutil
import statistics
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from bacctl import Client
from bacctl.server.repository import default_repository

ONNX_RUNTIME_MODEL = """
from pathlib import Path

import numpy as np
import onnxruntime
import triton_python_backend_utils as pb_utils

from bac_imaging.grid.checksum import segment_checksum
from bacctl.service.steps import answer_each


class TritonPythonModel:
    def initialize(self, args):
        path = Path(args["model_repository"], args["model_version"], "model.onnx")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = THREADS
        self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    def execute(self, requests):
        return answer_each(pb_utils, requests, self._answer)

    def _answer(self, inputs):
        tiles = inputs["TILES"]
        ask = self._session.run
        parts = [ask(["PROBABILITY"], {"TILES": tiles[i : i + 1]})[0] for i in range(len(tiles))]
        probability = np.concatenate(parts)
        return {"PROBABILITY": probability, "CHECKSUM": segment_checksum(tiles, probability)}
"""


def picture(rows: int, columns: int) -> bytes:
    """Draw a half-disc breast that fills most of a matrix of 0.1 mm."""
    row, column = np.mgrid[:rows, :columns]
    radius = np.hypot((row - rows / 2) / (0.47 * rows), column / (0.9 * columns))
    grey = 40 + 150 * np.sqrt(np.clip(1 - radius**2, 0, 1)) + 6 * np.sin(row / 9) * np.cos(column / 7)
    stream = io.BytesIO()
    Image.fromarray(np.where(radius < 1, grey, 4).astype(np.uint8)).save(stream, "PNG")
    return stream.getvalue()


def with_onnx_runtime(folder: Path, threads: int) -> Path:
    """Copy the model repository with ONNX Runtime in its segmentation step."""
    repository = folder / "models"
    shutil.copytree(default_repository(), repository)
    model = repository / "bac_segment" / "1" / "model.py"
    model.write_text(ONNX_RUNTIME_MODEL.replace("THREADS", str(threads)))
    return repository


def main() -> None:
    """Run the comparison and print it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--rows", type=int, default=2400)
    parser.add_argument("--columns", type=int, default=1800)
    arguments = parser.parse_args()
    threads = len(os.sched_getaffinity(0))
    data = picture(arguments.rows, arguments.columns)
    times: dict[str, list[float]] = {"OpenVINO": [], "ONNX Runtime": []}
    with (
        tempfile.TemporaryDirectory() as folder,
        Client.embedded() as openvino,
        Client.embedded(repository=with_onnx_runtime(Path(folder), threads)) as onnx_runtime,
    ):
        for number in range(arguments.rounds + 1):
            for (name, seen), client in zip(times.items(), (openvino, onnx_runtime), strict=True):
                taken = client.analyze(data, pixel_spacing_mm=(0.1, 0.1)).timings_ms["segment"]
                if number:  # the first round warms both up
                    seen.append(taken)
                    print(f"round {number}: {name:12} {taken:8.0f} ms")
    ratios = [slow / fast for fast, slow in zip(*times.values(), strict=True)]
    print(f"{threads} cores, {arguments.rows} x {arguments.columns} pixels")
    for name, seen in times.items():
        print(f"{name:12} median {statistics.median(seen):.0f} ms, best {min(seen):.0f} ms")
    print(f"ONNX Runtime takes {statistics.median(ratios):.2f} times as long (median of neighbours)")


if __name__ == "__main__":
    main()
