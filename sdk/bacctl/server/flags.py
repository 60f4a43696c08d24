"""What a Triton is told on its command line, be it embedded or a container's."""

from __future__ import annotations

import os
from pathlib import Path

from bacctl.server.repository import ENSEMBLE
from bacctl.server.shared_memory import GROWTH_BYTES, MIB

_STUB_TIMEOUT_S = 90
CONNECTION_AGE_MS = 600_000
"""After this a client is asked to connect anew; what is under way is answered.

gRPC looks up a name again only when a connection ends: clients would never come to know a new server of its
name.
"""
_KEPT_BYTES = str(256 * MIB)
ENVIRONMENT = {
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
    "MALLOC_ARENA_MAX": "2",
    "MALLOC_MMAP_THRESHOLD_": _KEPT_BYTES,
    "MALLOC_TRIM_THRESHOLD_": _KEPT_BYTES,
    "ORT_DISABLE_TELEMETRY": "1",
}
"""For the server and its models, where the caller's own does not say otherwise.

Every image takes arrays of tens of megabytes. By default they are given back to the system after each and
come back as pages of zeros, one fault for 4 kB: a sixth of the processor time of an image. Kept, the most
that a process has ever needed stays with it; that most is the same. Huge pages spare faults in what is new.

ONNX Runtime, which Triton has a backend of too, reports to its maker unless told otherwise.
"""
TRACES = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
"""Environment variable: where spans are sent by OTLP over HTTP, such as ``http://127.0.0.1:4318/v1/traces``."""
KEY_HEADER = "triton-grpc-protocol-bacctl"
"""The header that opens statistics, in gRPC, to who knows the key."""
# Whoever may send images need not change what the server is, write files with it or look into its memory.
# Every user of the machine can read a key on a command line, so that at a port nobody has one: no header can
# have such a name, in HTTP/2 for its capital and its spaces, in HTTP/1.1 for its colon.
_CLOSED = "shared-memory,model-repository,model-config,trace,logging"
_NOBODY = "Nobody: at all=-"


def settings(key: str, exit_s: int, *, private: bool = False) -> list[str]:
    """Return the flags that say how the models are run and what stays locked.

    Parameters
    ----------
    key : str
        What opens statistics over gRPC: how many calls were answered, and how long they took.
    exit_s : int
        How long requests under way have when the server is told to end, in seconds.
    private : bool, optional
        Whether nobody else can connect; `key` then opens everything.
    """
    if private:
        locks = [f"{_CLOSED},statistics:bacctl={key}"]
    else:
        locks = [f"{_CLOSED}:{_NOBODY}", f"statistics:bacctl={key}"]
    return [
        # So that a step whose process has died can be loaded again, by who has the key.
        "--model-control-mode=explicit",
        f"--load-model={ENSEMBLE}",
        # The configurations are complete; completing them would start every model's stub twice.
        "--disable-auto-complete-config",
        "--strict-readiness=true",
        f"--exit-timeout-secs={exit_s}",
        # Large images make the shared memory grow often; in larger steps it is mapped anew less often.
        f"--backend-config=python,shm-growth-byte-size={GROWTH_BYTES}",
        f"--backend-config=python,stub-timeout-seconds={_STUB_TIMEOUT_S}",
        # Otherwise the messages of eight requests are kept for others, with their images.
        "--grpc-infer-allocation-pool-size=0",
        # Our clients ask now and then whether the connection of a call that takes long is still there.
        "--grpc-http2-min-recv-ping-interval-without-data=10000",
        "--log-format=ISO8601",
        *(f"--grpc-restricted-protocol={lock}" for lock in locks),
        *_tracing(),
    ]


def _tracing() -> list[str]:
    """Return the flags that send spans where OpenTelemetry's own variable says; none without it.

    They say which step worked when, and nothing of the image. Those of a call with a ``traceparent`` join it.
    """
    endpoint = os.environ.get(TRACES)
    if not endpoint:
        return []
    return [
        "--trace-config=mode=opentelemetry",
        "--trace-config=level=TIMESTAMPS",
        "--trace-config=rate=1",
        f"--trace-config=opentelemetry,url={endpoint}",
        "--trace-config=opentelemetry,resource=service.name=bacctl",
    ]


def listeners(host: str, ports: dict[str, int], admin: Path | None = None) -> list[str]:
    """Return the flags that say where Triton listens.

    Parameters
    ----------
    host : str
        Address.
    ports : dict of str to int
        Of "grpc" and, as wanted, "http" and "metrics".
    admin : Path, optional
        Socket in a folder that nobody else may enter, for `bacctl.server.admin`; not beside "http", of which
        Triton has one.
    """
    flags = [
        f"--grpc-address={host}",
        f"--grpc-port={ports['grpc']}",
        f"--grpc-max-connection-age={CONNECTION_AGE_MS}",
    ]
    for name in ("http", "metrics"):
        flags.append(f"--allow-{name}={str(name in ports).lower()}")
        if name in ports:
            flags += [f"--{name}-address={host}", f"--{name}-port={ports[name]}"]
    if "http" in ports:
        flags.append(f"--http-restricted-api={_CLOSED},statistics:{_NOBODY}")
    elif admin is not None:
        flags.remove("--allow-http=false")
        flags += ["--allow-http=true", f"--http-address=unix:{admin}", "--http-port=1"]
    return flags


def private_listener(path: Path) -> tuple[list[str], str]:
    """Return the flags that have Triton listen on a Unix socket alone, and the address that clients call.

    Whoever may not enter the socket's folder cannot connect. Triton hangs a port onto any address.
    """
    address = f"unix:{path}"
    return [f"--grpc-address={address}", "--grpc-port=1", "--allow-http=false", "--allow-metrics=false"], (
        f"{address}:1"
    )


def fits_socket(path: Path) -> bool:
    """Tell whether a path is short enough for a Unix socket (sun_path of 108 bytes, a zero at its end)."""
    return len(os.fsencode(f"{path}:1")) < 108
