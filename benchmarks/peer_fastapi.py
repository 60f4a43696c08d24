"""The peer "FastAPI" of peers.py: the same steps without Triton, around ONNX Runtime, in one process."""

from __future__ import annotations

from typing import Any

import numpy as np
from fastapi import FastAPI, Request
from fastapi.concurrency import run_in_threadpool

from bac_imaging.onnxruntime import load_onnxruntime
from bac_imaging.pipeline import prepare, quantify
from bacctl.server.repository import default_repository
from bacctl.service.steps import read_model_card

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
    parts = [_SESSION.run(["PROBABILITY"], {"TILES": tile[None]})[0] for tile in made.tiles]
    probability = np.concatenate(parts)
    result = quantify(
        probability, made.signal, made.context, _CARD.parameters(), _CARD.fitted(), _CARD.sha256
    )
    return {"intended_use": "research use only", "report": result.report.to_dict()}
