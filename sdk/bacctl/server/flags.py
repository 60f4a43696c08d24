"""What the embedded Triton is told on its command line."""

from __future__ import annotations

import secrets

from bacctl.server.shared_memory import GROWTH_BYTES

_EXIT_TIMEOUT_S = 2
_STUB_TIMEOUT_S = 90
KEY_HEADER = "triton-grpc-protocol-bacctl"
"""The header that opens what is locked, in gRPC, to who knows the key."""
# Whoever may send images need not change what the server is or look into its memory.
_RESTRICTED = "shared-memory,model-repository,model-config,statistics,trace,logging"


def settings(shm_prefix: str, key: str) -> list[str]:
    """Return the flags that say how the models are run and what stays locked.

    Parameters
    ----------
    shm_prefix : str
        What the names of the models' shared memory begin with.
    key : str
        What opens it over gRPC.
    """
    return [
        f"--id={shm_prefix.strip('_')}",
        "--model-control-mode=none",
        # The configurations are complete; completing them would start every model's stub twice.
        "--disable-auto-complete-config",
        "--strict-readiness=true",
        f"--exit-timeout-secs={_EXIT_TIMEOUT_S}",
        f"--backend-config=python,shm-region-prefix-name={shm_prefix}",
        f"--backend-config=python,shm-growth-byte-size={GROWTH_BYTES}",
        f"--backend-config=python,stub-timeout-seconds={_STUB_TIMEOUT_S}",
        "--pinned-memory-pool-byte-size=0",
        "--log-format=ISO8601",
        f"--grpc-restricted-protocol={_RESTRICTED}:bacctl={key}",
    ]


def listeners(host: str, ports: dict[str, int]) -> list[str]:
    """Return the flags that say where Triton listens.

    Parameters
    ----------
    host : str
        The address.
    ports : dict of str to int
        Of "grpc", and of "http" and "metrics" where they are wanted.
    """
    flags = [f"--grpc-address={host}", f"--grpc-port={ports['grpc']}"]
    for name in ("http", "metrics"):
        flags.append(f"--allow-{name}={str(name in ports).lower()}")
        if name in ports:
            flags += [f"--{name}-address={host}", f"--{name}-port={ports[name]}"]
    if "http" in ports:
        flags.append(f"--http-restricted-api={_RESTRICTED}:bacctl={secrets.token_hex(16)}")
    return flags
