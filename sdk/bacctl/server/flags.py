"""What a Triton is told on its command line, be it embedded or a container's."""

from __future__ import annotations

import secrets

from bacctl.server.shared_memory import GROWTH_BYTES

MALLOC = {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}
"""Environment of Triton and its stubs, where the user sets none: arrays of millions of pixels are made for
each image, and huge pages spare it a thousand page faults."""
_STUB_TIMEOUT_S = 90
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
        "--model-control-mode=none",
        # The configurations are complete; completing them would start every model's stub twice.
        "--disable-auto-complete-config",
        "--strict-readiness=true",
        f"--exit-timeout-secs={exit_s}",
        # Large images make the shared memory grow often; in larger steps it is mapped anew less often.
        f"--backend-config=python,shm-growth-byte-size={GROWTH_BYTES}",
        f"--backend-config=python,stub-timeout-seconds={_STUB_TIMEOUT_S}",
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
