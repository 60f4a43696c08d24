#!/usr/bin/env python3
"""Run NVIDIA's Triton on the bacctl models inside its container, and look after it. Research use only.

Ends, so that the container is started again, when Triton ends, measures no test image any more or gave a
request the answer to another. Sees to the TensorRT engine where the configuration takes one.

The repository in the image is only read: Triton gets a mirror of links in a temporary folder, in which the
chosen configuration is the only one. Arguments after ``--`` go to ``tritonserver``.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from bacctl.keeper.container import StartError, say, serve


def engine(repository: Path, engines: Path) -> Path:
    """Return the TensorRT engine for these weights on this GPU, built now unless it is kept already."""
    from bac_export.engine import keep_engine
    from bac_export.errors import ExportError

    try:
        return keep_engine(repository / "bac_segment" / "1", engines, notice=say)
    except ExportError as error:
        raise StartError(str(error)) from None


def main(arguments: list[str]) -> int:
    """Serve as the arguments say; 0 where it was to end, 1 after one line otherwise."""
    parser = argparse.ArgumentParser(description="Serve the bacctl models. Research use only.")
    parser.add_argument("--model-config", default=os.environ.get("BACCTL_SERVE_MODEL_CONFIG", "cpu"))
    parser.add_argument("--url", default="127.0.0.1:8001", help="where test images are sent")
    parser.add_argument("--repository", type=Path, default=Path("/models"))
    parser.add_argument("--engines", type=Path, default=Path("/engines"))
    parser.add_argument("--scratch", type=Path, default=Path("/tmp/bacctl"))  # noqa: S108  # the container's own
    cut = arguments.index("--") if "--" in arguments else len(arguments)
    options = parser.parse_args(arguments[:cut])
    return serve(
        options.model_config,
        options.repository,
        options.scratch,
        options.url,
        arguments[cut + 1 :],
        lambda: engine(options.repository, options.engines),
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
