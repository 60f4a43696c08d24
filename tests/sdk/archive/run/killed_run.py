"""A run in a process of its own that comes to a bad end, as ``python -m tests.sdk.archive.run.killed_run``.

Arguments: the folder of the archive, how it ends, and after how many images.
"""

from __future__ import annotations

import itertools
import os
import resource
import signal
import sys
from pathlib import Path
from typing import Any

from tests.sdk.archive.run.archives import Archive

from bac_terms.errors import FailedError
from bacctl.testing import FakeServer, Request, make_report

LIMIT_BYTES = 200_000


def _die(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def main(folder: Path, end: str, images: int) -> None:
    """Run until that end."""
    archive = Archive(folder)
    counter = itertools.count(1)
    log = os.open(folder / "sent", os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def measure(request: Request) -> dict[str, Any]:
        os.write(log, request.data + b"\n")
        number = next(counter)
        if end == "poison" and request.data == b"file 11":
            _die()
        if end == "in-flight" and number == images:
            _die()
        return make_report(calcium_mass_mg=float(request.data[-2:]))

    if end == "disk":
        resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT_BYTES, LIMIT_BYTES))
    part_rows = 1000 if end == "disk" else 7
    in_flight = 1 if end == "poison" else 3
    try:
        archive.run(FakeServer(measure), resume=True, part_rows=part_rows, in_flight=in_flight)
    except FailedError as error:
        print(error)
        raise SystemExit(1) from None


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
