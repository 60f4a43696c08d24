"""A mammogram comes in by HTTP, its result goes out as JSON. Research use only.

BACCTL_URL=gpu-host:8001 uvicorn fastapi_endpoint:app
curl -F file=@mammogram.dcm http://127.0.0.1:8000/analyze
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request, UploadFile
from fastapi.responses import JSONResponse

from bacctl import AsyncClient, BacctlError, RefusedError

USE = {"intended_use": "research use only"}


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Keep one client for all requests, who wait no minute for a server that is away."""
    url = os.environ.get("BACCTL_URL", "127.0.0.1:8001")
    async with AsyncClient(url, retry_for=5) as app.state.client:
        yield


app = FastAPI(title="Breast arterial calcification. Research use only.", lifespan=lifespan)


@app.post("/analyze")
async def analyze(file: UploadFile, pixel_spacing_mm: float | None = None) -> dict[str, Any]:
    """Measure one image."""
    image = await app.state.client.analyze(file.file, pixel_spacing_mm)
    return {**USE, **image.to_dict()}


@app.exception_handler(BacctlError)
async def explain(_request: Request, error: BacctlError) -> JSONResponse:
    """Say why not: 422 where the image can never be measured, 503 where it could not be measured now."""
    status = 422 if isinstance(error, RefusedError) else 503
    return JSONResponse({**USE, "code": error.code, "message": error.message, "hint": error.hint}, status)
