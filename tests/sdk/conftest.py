"""Small gRPC servers that stand for Triton, so that faults of networks and servers can be made at will."""

from __future__ import annotations

import asyncio
import hashlib
import json
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import numpy as np
import pytest
import trustme
from tritonclient.grpc import service_pb2

from bacctl import AsyncClient, Client, ImageResult
from bacctl.testing import make_report

SHAPE = (480, 320)  # of the test image, so that server_info() passes


def _response(report: dict[str, Any] | None = None) -> service_pb2.ModelInferResponse:
    """Write what Triton sends: REPORT, MASK and an empty DENSITY."""
    report = report or make_report(
        rows=SHAPE[0],
        columns=SHAPE[1],
        mass_basis="none",
        calcium_mass_mg=None,
        calcium_mass_interval_mg=None,
        weights_sha256="ab" * 32,
    )
    response = service_pb2.ModelInferResponse(model_name="bac")
    mask = np.packbits(np.zeros(report["rows"] * report["columns"], bool))
    for name, kind, shape, content in (
        ("REPORT", "UINT8", None, json.dumps(report).encode()),
        ("MASK", "UINT8", None, mask.tobytes()),
        ("DENSITY", "FP32", (0, 0), b""),
    ):
        response.outputs.add(name=name, datatype=kind, shape=shape or (len(content),))
        response.raw_output_contents.append(content)
    return response


def _bound(request: Any, response: Any) -> Any:
    """Say in the report which request it answers, unless it says so already."""
    if not isinstance(response, service_pb2.ModelInferResponse) or not response.raw_output_contents:
        return response
    sent = {
        tensor.name: content
        for tensor, content in zip(request.inputs, request.raw_input_contents, strict=True)
    }
    options = json.loads(sent.get("OPTIONS", b"{}"))
    report = json.loads(response.raw_output_contents[0])
    _, mask, density = response.raw_output_contents
    report.setdefault(
        "binding",
        {
            "tag": options.get("tag"),
            "sha256": hashlib.sha256(sent["DICOM"]).hexdigest(),
            "crc32": {"MASK": zlib.crc32(mask), "DENSITY": zlib.crc32(density)},
        },
    )
    response.raw_output_contents[0] = json.dumps(report).encode()
    return response


def _answer(request: Any, context: grpc.ServicerContext) -> Any:
    return _response()


@pytest.fixture(scope="session")
def triton_response() -> Callable[..., service_pb2.ModelInferResponse]:
    """Write what Triton sends, of a report or of the test image."""
    return _response


@pytest.fixture
def serve() -> Iterator[Callable[..., str]]:
    """Start servers on this machine that answer as a function says; they end with the test."""
    servers = []

    def start(
        infer: Callable[[Any, grpc.ServicerContext], Any] = _answer,
        *,
        credentials: grpc.ServerCredentials | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        service: str = "inference.GRPCInferenceService",
        bound: bool = True,
        options: tuple[tuple[str, int], ...] = (),
        serialise: Callable[[Any], bytes] = lambda message: message.SerializeToString(),
    ) -> str:
        def answer(request: Any, context: grpc.ServicerContext) -> Any:
            given = infer(request, context)
            return _bound(request, given) if bound else given

        def metadata(request: Any, context: grpc.ServicerContext) -> Any:
            return service_pb2.ServerMetadataResponse(name="triton", version="2.51.0")

        handlers = {
            "ModelInfer": grpc.unary_unary_rpc_method_handler(
                answer, service_pb2.ModelInferRequest.FromString, serialise
            ),
            "ServerMetadata": grpc.unary_unary_rpc_method_handler(
                metadata,
                service_pb2.ServerMetadataRequest.FromString,
                service_pb2.ServerMetadataResponse.SerializeToString,
            ),
        }
        server = grpc.server(ThreadPoolExecutor(8), options=[("grpc.so_reuseport", 0), *options])
        server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(service, handlers)])
        address = f"{host}:{port}"
        if credentials is None:
            port = server.add_insecure_port(address)
        else:
            port = server.add_secure_port(address, credentials)
        server.start()
        servers.append(server)
        start.last = server  # type: ignore[attr-defined]
        return f"localhost:{port}"

    yield start
    for server in servers:
        server.stop(None)


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="session")
def server_certificate(authority: trustme.CA) -> tuple[bytes, bytes]:
    """Key and chain for localhost."""
    issued = authority.issue_cert("localhost", "127.0.0.1")
    return issued.private_key_pem.bytes(), b"".join(part.bytes() for part in issued.cert_chain_pems)


@pytest.fixture(params=["sync", "async"])
def analyze(request: pytest.FixtureRequest) -> Callable[..., ImageResult]:
    """Analyse ``b"x"`` with a client of the given arguments, in either way."""

    def with_threads(url: str, timeout: float = 20.0, **given: Any) -> ImageResult:
        with Client(url, max_retries=0, **given) as client:
            return client.analyze(b"x", timeout=timeout)

    def in_loop(url: str, timeout: float = 20.0, **given: Any) -> ImageResult:
        async def main() -> ImageResult:
            async with AsyncClient(url, max_retries=0, **given) as client:
                return await client.analyze(b"x", timeout=timeout)

        return asyncio.run(main())

    return with_threads if request.param == "sync" else in_loop
