"""How much one small image costs in prepare and quantify, against what is written down: counted, not timed.

    python benchmarks/work.py             # count, compare, leave with 1 where it is more than allowed
    python benchmarks/work.py --update    # count and write benchmarks/work.json

Counted are the instructions of each half under callgrind, and the peak of what Python and NumPy allocate
(tracemalloc). Both are the same on every run, however busy the machine is: over five runs on crowded cores
instructions differed by 0.03 % and the peak by 0.01 %, while processor time differed by 18 %. Instructions
say whether a change does more; the peak, at a fiftieth of the cost, only whether it holds more, since another
pass over an image that is already there allocates nothing. So both are kept.

What makes it steady: callgrind's processor has no AVX-512, so that NumPy, SciPy and OpenBLAS take the same
path on every machine with AVX2; one thread, a fixed hash seed, a small environment, the garbage collector
off, and everything done once before it is counted (`work_counted.py`). Importing is not counted.

Instructions are no time: what waits for memory, what AVX-512 doubles and what threads share is not seen.
Other versions of Python, NumPy and SciPy count otherwise and get a wider tolerance. Write the file anew after
a change that is meant to cost more, and after one that costs less, which nothing enforces.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

REFERENCE = Path(__file__).with_name("work.json")
SAME, OTHER = 0.03, 0.30
"""Tolerances: with the versions that the file names, and with others."""
CANNOT = 3
"""Exit code where it cannot be counted here."""

_PROGRAM = Path(__file__).resolve().with_name("work_counted.py")
_LIBRARIES = ("numpy", "scipy", "scikit-image", "pydicom")
# Little else: the size of the environment moves the stack, and with it what is aligned.
_ENVIRONMENT = {
    "PATH": os.defpath,
    "PYTHONHASHSEED": "0",
    "PYTHONDONTWRITEBYTECODE": "1",
    **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"),
}


def missing() -> str:
    """Return why it cannot be counted here; empty where it can."""
    if platform.machine() != "x86_64":
        return "the requests to valgrind are written for x86-64"
    return "" if shutil.which("valgrind", path=os.defpath) else "valgrind is not installed"


def versions() -> dict[str, str]:
    """Return what else the count depends on."""
    python = ".".join(platform.python_version_tuple()[:2])
    return {"python": python, **{name: version(name) for name in _LIBRARIES}}


def count() -> dict[str, int]:
    """Return instructions of each half and the peak in bytes, by name."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "out")
        callgrind = ["valgrind", "--quiet", "--tool=callgrind", "--instr-atstart=no"]
        _run([*callgrind, f"--callgrind-out-file={out}", sys.executable, str(_PROGRAM)], folder)
        peak = _run([sys.executable, str(_PROGRAM), "--peak"], folder)
        counted = {}
        for dump in Path(folder).glob("out.*"):
            text = dump.read_text()
            name = re.search(r"^desc: Trigger: Client Request: (\w+)$", text, re.MULTILINE)
            total = re.search(r"^totals: (\d+)", text, re.MULTILINE)
            if name and total:
                counted[name[1]] = int(total[1])
    return {
        "prepare, instructions": counted["prepare"],
        "quantify, instructions": counted["quantify"],
        "peak, bytes": int(peak),
    }


def _run(command: list[str], folder: str) -> str:
    return subprocess.run(  # noqa: S603  # our own program
        command, cwd=folder, env=_ENVIRONMENT, stdout=subprocess.PIPE, text=True, check=True
    ).stdout


def main() -> int:
    """Count and compare."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--update", action="store_true", help="write the reference")
    options = parser.parse_args()
    if why := missing():
        print(why)
        return CANNOT
    counted, found = count(), versions()
    if options.update:
        REFERENCE.write_text(json.dumps({"counted": counted, "versions": found}, indent=2) + "\n")
    reference = json.loads(REFERENCE.read_text())
    allowed = SAME if reference["versions"] == found else OTHER
    worse = False
    for name, amount in counted.items():
        change = amount / reference["counted"][name] - 1.0
        worse |= change > allowed
        print(f"{name}: {amount / 1e6:.1f} million, {100 * change:+.2f} % of {REFERENCE.name}")
    if worse:
        print(f"more than {100 * allowed:.0f} % above; where it is meant: python benchmarks/work.py --update")
    return int(worse)


if __name__ == "__main__":
    sys.exit(main())
