"""Coverage-guided fuzzing of the readers with atheris (Apache 2.0), outside CI.

    pip install atheris
    python tests/fuzz/read.py /tmp/fuzz-corpus -max_total_time=3600 -rss_limit_mb=4096 -timeout=20

The folder keeps what reached new code; it is filled with small undamaged files first. Only what is no error
of ours is a find: a crash, 20 seconds, or another exception. libFuzzer writes the input that did it into the
current folder; mend the rule that let it pass, and test that with harmless input.
"""

from __future__ import annotations

import sys
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).parents[2]))  # for tests.imaging.damaged

with atheris.instrument_imports(include=["bac_imaging", "pydicom", "PIL"]):
    from bac_imaging.read.reader import read_mammogram, refuse_header

from tests.imaging.damaged.corpus import bases

from bac_terms.errors import BacctlError


def read(data: bytes) -> None:
    """Read one input as client and server do."""
    for reader in (refuse_header, read_mammogram):
        try:
            reader(data, (0.1, 0.1))
        except BacctlError as error:
            if not str(error).isprintable():
                raise ValueError("an error of several lines") from error


def main() -> None:
    """Fill the folder and start."""
    folder = Path(next((word for word in sys.argv[1:] if not word.startswith("-")), "fuzz-corpus"))
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in bases().items():
        (folder / name).write_bytes(data)
    atheris.Setup(sys.argv, read)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
