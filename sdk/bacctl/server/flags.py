"""What a Triton is told on its command line, be it embedded or a container's."""

from __future__ import annotations

import secrets

from bacctl.server.repository import ENSEMBLE
from bacctl.server.shared_memory import GROWTH_BYTES, MIB

_STUB_TIMEOUT_S = 90
_KEPT_BYTES = str(256 * MIB)
ENVIRONMENT = {
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
    "MALLOC_ARENA_MAX": "2",
    "MALLOC_MMAP_THRESHOLD_": _KEPT_BYTES,
    "MALLOC_TRIM_THRESHOLD_": _KEPT_BYTES,
}
"""For the server and its models, where the caller's own does not say otherwise.

Every image takes arrays of tens of megabytes. By default they are given back to the system after each and
come back as pages of zeros, one fault for 4 kB: a sixth of the processor time of an image. Kept, the most
that a process has ever needed stays with it; that most is the same. Huge pages spare faults in what is new.
"""
KEY_HEADER = "triton-grpc-protocol-bacctl"
"""The header that opens what is locked, in gRPC, to who knows the key."""
# Whoever may send images need not change what the server is or look into its memory.
_RESTRICTED = "shared-memory,model-repository,model-config,statistics,trace,logging"


def settings(key: str, exit_s: int) -> list[str]:
    """Return the flags that say how the models are run and what stays locked.

    Parameters
    ----------
    key : str
        What opens it over gRPC.
    exit_s : int
        How long requests under way have when the server is told to end, in seconds.
    """
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
        "--log-format=ISO8601",
        f"--grpc-restricted-protocol={_RESTRICTED}:bacctl={key}",
    ]


def listeners(host: str, ports: dict[str, int]) -> list[str]:
    """Return the flags that say where Triton listens, for "grpc" and, as wanted, "http" and "metrics"."""
    flags = [f"--grpc-address={host}", f"--grpc-port={ports['grpc']}"]
    for name in ("http", "metrics"):
        flags.append(f"--allow-{name}={str(name in ports).lower()}")
        if name in ports:
            flags += [f"--{name}-address={host}", f"--{name}-port={ports[name]}"]
    if "http" in ports:
        flags.append(f"--http-restricted-api={_RESTRICTED}:bacctl={secrets.token_hex(16)}")
    return flags
