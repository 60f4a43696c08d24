"""Spans of OpenTelemetry around calls, for programs that use it; nothing at all for others.

Nothing of OpenTelemetry is imported here that the program has not imported itself. A span says which call it
was and how it ended, and nothing of the image.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

Metadata = tuple[tuple[str, str], ...]


@contextmanager
def traced(method: str) -> Iterator[Metadata]:
    """Make a span of one call to a server, as a child of the caller's own.

    Parameters
    ----------
    method : str
        Name of the call in KServe's protocol.

    Yields
    ------
    tuple of (str, str)
        What is to be sent with the call so that the spans of the server join; nothing where the program uses
        no OpenTelemetry.
    """
    if "opentelemetry.trace" not in sys.modules:
        yield ()
        return
    from opentelemetry import propagate, trace

    tracer = trace.get_tracer("bacctl")
    # The exception is not recorded: its text is for whoever called.
    with tracer.start_as_current_span(
        f"bacctl {method}",
        kind=trace.SpanKind.CLIENT,
        attributes={"rpc.system": "grpc", "rpc.method": method},
        record_exception=False,
        set_status_on_exception=False,
    ) as span:
        carrier: dict[str, str] = {}
        propagate.inject(carrier)
        try:
            # Baggage may hold anything; only the span's own place in the trace is sent.
            yield tuple((name, carrier[name]) for name in ("traceparent", "tracestate") if name in carrier)
        except BaseException as error:
            span.set_status(trace.StatusCode.ERROR, str(getattr(error, "code", None) or type(error).__name__))
            raise
