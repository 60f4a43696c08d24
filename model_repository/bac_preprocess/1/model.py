"""First step of the ensemble: file bytes to tiles, signal and context."""

import time

import numpy as np
import triton_python_backend_utils as pb_utils

from bac_imaging.prepare import prepare
from bacctl.service.binding import Envelope, bind, take_claim
from bacctl.service.life import end_with_server
from bacctl.service.metrics import Metrics
from bacctl.service.steps import answer_each, from_json, to_json

NO_OPTIONS = np.zeros(0, np.uint8)


class TritonPythonModel:
    def initialize(self, args):
        end_with_server()
        self._metrics = Metrics(pb_utils, args["model_instance_name"])

    def execute(self, requests):
        return answer_each(pb_utils, requests, self._answer, self._metrics.not_measured)

    def _answer(self, inputs):
        started = time.monotonic_ns()
        # Copies: Triton may take back the memory of a step that it has given up on.
        data, sent = inputs["DICOM"].tobytes(), inputs.get("OPTIONS", NO_OPTIONS).copy()
        claim, options = take_claim(from_json(sent))
        prepared = prepare(data, options)
        # The monotonic clock is the machine's, so the next step can tell how long the tiles were away.
        binding = bind(data, sent, claim, prepared.tiles, prepared.signal)
        envelope = Envelope(prepared.context, binding, started, time.monotonic_ns())
        return {"TILES": prepared.tiles, "SIGNAL": prepared.signal, "CONTEXT": to_json(envelope.to_dict())}
