"""What runs the network on a CPU: OpenVINO in bfloat16, ONNX Runtime in float32."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol, cast

import numpy as np
import numpy.typing as npt

from bac_imaging.onnxruntime import load_onnxruntime
from bac_imaging.openvino import load_openvino

FloatArray = npt.NDArray[np.float32]


class Engine(Protocol):
    """The network in several places side by side, each of which has one tile at a time."""

    def begin(self, place: int, tile: FloatArray) -> Callable[[], FloatArray]:
        """Begin a tile, float32 [1, 1, 512, 512], where none is under way.

        What is returned waits until the tile is no longer read, and then returns its probabilities, or raises
        what went wrong.
        """


class OpenVino:
    """OpenVINO in bfloat16.

    Parameters
    ----------
    path : Path
        ONNX file, ``TILES`` float32 [batch, 1, 512, 512] to ``PROBABILITY`` of the same shape.
    places, threads : int
        How many tiles side by side, and how many threads each.
    """

    def __init__(self, path: Path, places: int, threads: int) -> None:
        ov = load_openvino()
        core = ov.Core()
        model = core.read_model(path)
        # The file's own check sums are for engines that run it alone, and would be rounded here.
        model = ov.Model([model.output("PROBABILITY")], model.get_parameters())
        _, *image = model.input(0).partial_shape
        model.reshape([1, *(size.get_length() for size in image)])
        compiled = core.compile_model(
            model,
            "CPU",
            {
                "INFERENCE_PRECISION_HINT": "bf16",
                # OpenVINO takes all cores of the machine, whatever share of them a container may use.
                "INFERENCE_NUM_THREADS": places * threads,
                "NUM_STREAMS": str(places),
                # A thread that may not leave its core waits there for whatever else runs on it.
                "ENABLE_CPU_PINNING": False,
            },
        )
        self._requests = [compiled.create_infer_request() for _ in range(places)]

    def begin(self, place: int, tile: FloatArray) -> Callable[[], FloatArray]:
        """Begin a tile."""
        request = self._requests[place]
        request.start_async([tile], share_inputs=True)

        def wait() -> FloatArray:
            request.wait()
            return cast("FloatArray", request.get_output_tensor(0).data)

        return wait


class OnnxRuntime:
    """ONNX Runtime in float32, with a session in each place.

    Parameters
    ----------
    path : Path
        ONNX file, ``TILES`` float32 [batch, 1, 512, 512] to ``PROBABILITY`` of the same shape.
    places, threads : int
        How many tiles side by side, and how many threads each.
    """

    def __init__(self, path: Path, places: int, threads: int) -> None:
        ort = load_onnxruntime()
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        # Threads that share a tile would turn round and round while they wait, on cores that others need.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        # Laid out ahead, a tile's memory is another block beside the one that the first tile has grown.
        options.enable_mem_pattern = False
        # One session for all would share its memory among them too: more of it, in more pieces.
        self._sessions = [
            ort.InferenceSession(path, options, providers=["CPUExecutionProvider"]) for _ in range(places)
        ]
        self._threads = ThreadPoolExecutor(places, thread_name_prefix="tile")

    def begin(self, place: int, tile: FloatArray) -> Callable[[], FloatArray]:
        """Begin a tile."""

        def work() -> FloatArray:
            (probability,) = self._sessions[place].run(["PROBABILITY"], {"TILES": tile})
            return cast("FloatArray", probability)

        return self._threads.submit(work).result
