"""The peer "FastAPI" of peers.py: the same steps without Triton, around ONNX Runtime, in one process."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from fastapi import FastAPI, Request
from fastapi.concurrency import run_in_threadpool

from bac_imaging.onnxruntime import load_onnxruntime
from bac_imaging.pipeline import prepare, quantify
from bac_imaging.vessels.votes import vote
from bacctl.server.repository import default_repository
from bacctl.service.steps import read_model_card

FloatArray = npt.NDArray[np.float32]

_FOLDER = default_repository() / "bac_segment" / "1"
_CARD = read_model_card(_FOLDER)
_SESSION = load_onnxruntime().InferenceSession(_FOLDER / "model.onnx", providers=["CPUExecutionProvider"])

app = FastAPI(title="Breast arterial calcification. Research use only.")


@app.post("/analyze")
async def analyze(request: Request) -> dict[str, Any]:
    """Measure the image that is the request's body."""
    return await run_in_threadpool(_measure, await request.body())


def _measure(data: bytes) -> dict[str, Any]:
    made = prepare(data)
    demands = _CARD.parameters()
    probability = vote(made.tiles, _look, demands.core, demands.seed)
    result = quantify(probability, made.signal, made.context, demands, _CARD.fitted(), _CARD.sha256)
    return {"intended_use": "research use only", "report": result.report.to_dict()}


def _look(tiles: FloatArray) -> FloatArray:
    return np.concatenate([_SESSION.run(["PROBABILITY"], {"TILES": tile[None]})[0] for tile in tiles])
