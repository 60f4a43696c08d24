"""First step of the ensemble: file bytes to tiles, signal and context."""

import json
import time

import numpy as np
import triton_python_backend_utils as pb_utils

from bac_imaging.prepare import prepare
from bacctl.service.binding import Envelope, bind, take_claim
from bacctl.service.entry import Entry, Limits, content
from bacctl.service.life import end_with_server
from bacctl.service.metrics import Metrics
from bacctl.service.steps import from_json, to_json
from bacctl.service.tickets import Ticket

NO_OPTIONS = np.zeros(0, np.uint8)


class TritonPythonModel:
    def initialize(self, args):
        end_with_server()
        self._metrics = Metrics(pb_utils, args["model_instance_name"])
        limits = Limits.of(json.loads(args["model_config"]))
        self._entry = Entry(pb_utils, self._answer, limits, not_measured=self._metrics.not_measured)

    def execute(self, requests):
        self._entry.accept(requests)  # and answers them when it is their turn

    def finalize(self):
        self._entry.close()

    def _answer(self, inputs):
        started = time.monotonic_ns()
        data, sent = content(inputs["DICOM"]), inputs.get("OPTIONS", NO_OPTIONS)
        claim, options = take_claim(from_json(sent))
        prepared = prepare(data, options)
        # The monotonic clock is the machine's, so the next step can tell how long the tiles were away.
        binding = bind(data, sent, claim, prepared.tiles, prepared.signal)
        ticket = Ticket.of(inputs["TICKET"])
        envelope = Envelope(
            prepared.context, binding, (ticket.number, ticket.end_ns), started, time.monotonic_ns()
        )
        return {
            "TILES": prepared.tiles,
            "TICKET": ticket.rows(len(prepared.tiles)),
            "SIGNAL": prepared.signal,
            "CONTEXT": to_json(envelope.to_dict()),
        }
