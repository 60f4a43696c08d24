"""The ``bacctl`` command. What a command needs is imported when it runs, so that ``--help`` comes at once."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line and leave the process with the command's exit code."""
    try:
        from bacctl.cli.app import main as run
    except KeyboardInterrupt:  # the imports take long enough to be met by a Ctrl-C
        sys.exit(130)
    run()
