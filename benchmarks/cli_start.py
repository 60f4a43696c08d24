"""How long ``bacctl --help`` takes, beside an empty typer application and, for ``import bacctl``, numpy.

Each pair is run in turn, and the ratio is that of processor time, so that it stands even where the machine is
busy with other things::

    python benchmarks/cli_start.py --rounds 15
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

EMPTY = """
import typer

app = typer.Typer(rich_markup_mode=None)


@app.command()
def first() -> None: ...


@app.command()
def second() -> None: ...


app()
"""


def processor_s(command: list[str]) -> float:
    """Return the processor time that a command takes, in seconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)  # noqa: S603  # our own commands
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def main() -> None:
    """Run the pairs and print their medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder:
        empty = Path(folder, "empty.py")
        empty.write_text(EMPTY)
        python = sys.executable
        pairs = {
            "bacctl --help": ([python, "-m", "bacctl", "--help"], [python, str(empty), "--help"]),
            "import bacctl": ([python, "-c", "import bacctl"], [python, "-c", "import numpy"]),
        }
        for name, (ours, other) in pairs.items():
            times = [(processor_s(ours), processor_s(other)) for _ in range(rounds + 1)][1:]
            ratio = statistics.median(own / reference for own, reference in times)
            own, reference = (1000 * statistics.median(column) for column in zip(*times, strict=True))
            print(f"{name}: {own:.0f} ms of processor, reference {reference:.0f} ms, ratio {ratio:.2f}")


if __name__ == "__main__":
    main()
