"""The ``bacctl`` command. What a command needs is imported when it runs, so that ``--help`` comes at once."""

import sys
import time

started = time.monotonic()
"""When the command was called, on the monotonic clock, in seconds."""


def main() -> None:
    """Run the command line and leave the process with the command's exit code."""
    global started
    started = time.monotonic()
    # First of all: what is imported before may come out of the folder that the command is called from.
    from bacctl._import_path import leave_out_current_folder

    leave_out_current_folder()
    try:
        from bacctl.cli.app import main as run
    except KeyboardInterrupt:  # the imports take long enough to be met by a Ctrl-C
        sys.exit(130)
    run()
