"""First step of the ensemble: file bytes to tiles, signal and context."""

import time

import triton_python_backend_utils as pb_utils

from bac_imaging.pipeline import prepare
from bacctl.serving import answer_each, from_json, to_json


class TritonPythonModel:
    def execute(self, requests):
        return answer_each(pb_utils, requests, self._answer)

    def _answer(self, inputs):
        started = time.monotonic_ns()
        prepared = prepare(inputs["DICOM"].tobytes(), from_json(inputs.get("OPTIONS")))
        # The monotonic clock is the machine's, so the next step can tell how long the tiles were away.
        envelope = {
            "context": prepared.context,
            "started_ns": started,
            "prepared_ns": time.monotonic_ns(),
        }
        return {"TILES": prepared.tiles, "SIGNAL": prepared.signal, "CONTEXT": to_json(envelope)}
