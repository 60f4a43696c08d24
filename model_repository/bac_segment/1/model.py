"""Second step of the ensemble, on the CPU: tiles to the probability of calcified artery."""

from functools import partial
from pathlib import Path

import triton_python_backend_utils as pb_utils

from bac_imaging.grid.checksum import segment_checksum
from bac_imaging.vessels.votes import vote
from bacctl.service.life import end_with_server
from bacctl.service.metrics import Metrics
from bacctl.service.network import CpuNetwork
from bacctl.service.steps import answer_each, read_model_card
from bacctl.service.tickets import Ticket, Tickets


class TritonPythonModel:
    def initialize(self, args):
        end_with_server()
        folder = Path(args["model_repository"], args["model_version"])
        self._demands = read_model_card(folder).parameters()
        self._metrics = Metrics(pb_utils, args["model_instance_name"])
        self._network = CpuNetwork(folder / "model.onnx")
        self._tickets = Tickets()
        self._tickets.clear()

    def execute(self, requests):
        return answer_each(pb_utils, requests, self._answer, self._metrics.not_measured)

    def _answer(self, inputs):
        # A copy: Triton may take back the memory of a step that it has given up on.
        tiles = inputs["TILES"].copy()
        ticket = Ticket.of(inputs.get("TICKET"))
        with self._tickets.lost_on_failure(ticket.number):
            network = partial(self._network, before_each=ticket.check)
            probability = vote(tiles, network, self._demands.core, self._demands.seed)
        return {"PROBABILITY": probability, "CHECKSUM": segment_checksum(tiles, probability)}
