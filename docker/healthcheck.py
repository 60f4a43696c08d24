#!/usr/bin/env python3
"""Health check of a container: a test image through the whole ensemble. Research use only.

Triton's own health calls go on saying "ready" after a model's process has died.
"""

from __future__ import annotations

import argparse
import sys

from bacctl import BacctlError
from bacctl.keeper.ask import ask, measured_text


def main(arguments: list[str]) -> int:
    """Check once, say in one line what was found; 0 healthy, 1 not."""
    parser = argparse.ArgumentParser(description="Send a test image to a bacctl server. Research use only.")
    parser.add_argument("--url", default="127.0.0.1:8001")
    parser.add_argument("--timeout", type=float, default=20.0, help="seconds")
    options = parser.parse_args(arguments)
    try:
        print(measured_text(ask(options.url, timeout=options.timeout)))
    except BacctlError as error:
        print(error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
