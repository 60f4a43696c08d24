"""Spans from a program through the client to each step, in one trace, with nothing of the image."""

from __future__ import annotations

import http.server
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from bacctl import Client
from bacctl.server.embedded import EmbeddedServer
from bacctl.server.flags import TRACES

STEPS = {"bac", "bac_preprocess", "bac_segment", "bac_quantify"}


@contextmanager
def collector() -> Iterator[tuple[str, list[str]]]:
    """Take what is sent by OTLP over HTTP, as JSON, which is what Triton 2.51 sends."""
    texts: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            texts.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/v1/traces", texts
        server.shutdown()


@pytest.fixture
def own_spans(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "get_tracer", lambda name: provider.get_tracer(name))
    return exporter


def test_one_trace_from_program_to_steps(
    raw_mammogram: bytes, own_spans: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    with collector() as (url, texts):
        monkeypatch.setenv(TRACES, url)
        with EmbeddedServer() as server, Client(server.url) as client:
            with trace.get_tracer("program").start_as_current_span("program") as program:
                result = client.analyze(raw_mammogram)
            deadline = time.monotonic() + 60.0
            while not {span["name"] for span in _spans(texts)} >= STEPS:
                assert time.monotonic() < deadline, _spans(texts)
                time.sleep(0.2)
    trace_id = f"{program.get_span_context().trace_id:032x}"
    (call,) = [span for span in own_spans.get_finished_spans() if span.name == "bacctl ModelInfer"]
    assert f"{call.context.trace_id:032x}" == trace_id
    spans = {span["name"]: span for span in _spans(texts) if span["traceId"] == trace_id}
    assert set(spans) >= STEPS
    whole = "".join(texts) + "".join(span.to_json() for span in own_spans.get_finished_spans())
    for secret in (result.sop_instance_uid, result.study_instance_uid):
        assert secret
        assert secret not in whole


def test_nothing_is_traced_unasked(monkeypatch: pytest.MonkeyPatch) -> None:
    from bacctl.server.flags import settings

    monkeypatch.delenv(TRACES, raising=False)
    assert not [flag for flag in settings("key", 2) if "trace-config" in flag]


def _spans(texts: list[str]) -> list[dict[str, Any]]:
    return [
        span
        for text in texts
        for resource in json.loads(text)["resourceSpans"]
        for scope in resource["scopeSpans"]
        for span in scope["spans"]
    ]
