"""Third step of the ensemble: probability to report, mask and density in the stored matrix."""

import time
from itertools import pairwise
from pathlib import Path

import triton_python_backend_utils as pb_utils

from bac_imaging.mask_bits import pack_mask
from bac_imaging.quantify import quantify
from bacctl._version import __version__
from bacctl.results import SCHEMA
from bacctl.service.binding import Trust, sealed
from bacctl.service.life import end_with_server
from bacctl.service.metrics import Metrics
from bacctl.service.steps import answer_each, read_model_card, to_json, wants_density
from bacctl.service.tickets import Ticket, Tickets


class TritonPythonModel:
    def initialize(self, args):
        end_with_server()
        repository = Path(args["model_repository"]).parent
        self._card = read_model_card(repository / "bac_segment" / args["model_version"])
        self._parameters = self._card.parameters()
        self._fitted = self._card.fitted()
        self._trust = Trust()
        map_sha256 = None if self._fitted is None else self._fitted.sha256
        self._metrics = Metrics(pb_utils, args["model_instance_name"])
        self._metrics.weights(self._card.sha256, map_sha256, __version__)
        self._tickets = Tickets()
        self._tickets.clear()

    def execute(self, requests):
        responses = []
        for request in requests:  # one at a time: each says for itself what it wants
            self._with_density = wants_density(request)
            responses += answer_each(pb_utils, [request], self._answer, self._metrics.not_measured)
        return responses

    def _answer(self, inputs):
        started = time.monotonic_ns()
        envelope = self._trust.check(inputs)
        ticket = Ticket(*envelope.ticket)
        try:
            ticket.check()
            return self._measure(inputs, envelope, started)
        finally:
            self._tickets.give_back(ticket.number)

    def _measure(self, inputs, envelope, started):
        result = quantify(
            inputs["PROBABILITY"],
            inputs["SIGNAL"],
            envelope.context,
            self._parameters,
            self._fitted,
            self._card.sha256,
            with_density=self._with_density,
        )
        mask = pack_mask(result.mask)
        marks = (envelope.started_ns, envelope.prepared_ns, started, time.monotonic_ns())
        spans = [round((b - a) / 1e6, 1) for a, b in pairwise(marks)]
        timings = dict(zip(("preprocess", "segment", "quantify"), spans, strict=True))
        origin = {
            "schema": SCHEMA,
            "bacctl": __version__,
            "weights_sha256": self._card.sha256,
            "map_sha256": None if self._fitted is None else self._fitted.sha256,
        }
        outputs = {"MASK": mask, "DENSITY": result.density}
        binding = {"binding": sealed(envelope.binding, outputs)}
        report = {**result.report.to_dict(), "timings_ms": timings, **origin, **binding}
        self._metrics.measured(inputs, result.report, timings)
        return {"REPORT": to_json(report), **outputs}
