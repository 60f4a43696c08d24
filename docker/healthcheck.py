#!/usr/bin/env python3
"""Health check of a container: a test image through the whole ensemble. Research use only.

Triton's own health calls go on saying "ready" after a model's process has died. Where the container's entry
point left its choice of configuration, the one that Triton really serves is held against it.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tritonclient.utils import InferenceServerException

from bacctl import BacctlError, Client

FIELDS = ("backend", "platform", "default_model_filename")


def served_as_chosen(url: str, scratch: Path, repository: Path) -> str | None:
    """Compare what Triton serves with what was chosen.

    Parameters
    ----------
    url : str
        ``host:port`` of the server.
    scratch, repository : Path
        Folders of the entry point.

    Returns
    -------
    str or None
        What is wrong, in one line.
    """
    from google.protobuf import text_format
    from tritonclient import grpc
    from tritonclient.grpc.model_config_pb2 import ModelConfig

    name = (scratch / "configuration").read_text()
    file = "config.pbtxt" if name == "default" else f"configs/{name}.pbtxt"
    wanted = text_format.Parse((repository / "bac_segment" / file).read_text(), ModelConfig())
    with grpc.InferenceServerClient(url) as connection:
        header = {"triton-grpc-protocol-bacctl": (scratch / "key").read_text()}
        active = connection.get_model_config("bac_segment", headers=header, client_timeout=10).config
    for field in FIELDS:
        if getattr(wanted, field) and getattr(active, field) != getattr(wanted, field):
            return (
                f"{field} of bac_segment is {getattr(active, field)!r}; configuration {name} says otherwise"
            )
    return None


def main(arguments: list[str]) -> int:
    """Check once; 0 healthy, 1 not."""
    parser = argparse.ArgumentParser(description="Send a test image to a bacctl server.")
    parser.add_argument("--url", default="127.0.0.1:8001")
    parser.add_argument("--timeout", type=float, default=20.0, help="seconds")
    parser.add_argument("--scratch", type=Path, default=Path("/tmp/bacctl"))  # noqa: S108
    parser.add_argument("--repository", type=Path, default=Path("/models"))
    options = parser.parse_args(arguments)
    try:
        with Client(options.url, timeout=options.timeout, max_retries=0) as client:
            server = client.server_info()
        wrong = None
        if (options.scratch / "configuration").exists():
            wrong = served_as_chosen(options.url, options.scratch, options.repository)
    except (BacctlError, InferenceServerException, OSError) as error:
        wrong = str(error)
    print(wrong or f"Triton {server['triton']} measured the test image; weights {server['model'][:12]}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
