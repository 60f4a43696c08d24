"""Second step of the ensemble by PyTorch, on a GPU where there is one: see configs/torch.pbtxt."""

import json
from pathlib import Path

import triton_python_backend_utils as pb_utils

from bac_export.torch_engine import TorchSegmenter
from bac_imaging.grid.checksum import segment_checksum
from bac_imaging.vessels.votes import vote
from bacctl.service.metrics import Metrics
from bacctl.service.steps import answer_each, read_model_card
from bacctl.service.tickets import Ticket, Tickets


class TritonPythonModel:
    def initialize(self, args):
        folder = Path(args["model_repository"], args["model_version"])
        self._demands = read_model_card(folder).parameters()
        self._metrics = Metrics(pb_utils, args["model_instance_name"])
        shape = json.loads((folder / "model_card.json").read_text())["network"]
        on_gpu = args["model_instance_kind"] == "GPU"
        device = f"cuda:{args['model_instance_device_id']}" if on_gpu else "auto"
        self._network = TorchSegmenter(folder / "model.onnx", shape, device)
        self._tickets = Tickets()
        self._tickets.clear()

    def execute(self, requests):
        return answer_each(pb_utils, requests, self._answer, self._metrics.not_measured)

    def _answer(self, inputs):
        # A copy: Triton may take back the memory of a step that it has given up on.
        tiles = inputs["TILES"].copy()
        ticket = Ticket.of(inputs.get("TICKET"))
        with self._tickets.lost_on_failure(ticket.number):
            ticket.check()
            probability = vote(tiles, self._network, self._demands.core, self._demands.seed)
        return {"PROBABILITY": probability, "CHECKSUM": segment_checksum(tiles, probability)}
