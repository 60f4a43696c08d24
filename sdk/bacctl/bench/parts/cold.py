"""A command started cold: when its answer is there, when the prompt is back, and where the time goes."""

from __future__ import annotations

import subprocess
import tempfile
import time
from pathlib import Path

from bacctl.bench.drive import Driven
from bacctl.bench.errors import BenchError
from bacctl.bench.plan import Bench
from bacctl.bench.processes import processor_s
from bacctl.bench.subjects import Subject

_ANALYZE = "import sys; sys.argv[0] = 'bacctl'; from bacctl.cli import main; main()"


def measure_cold(bench: Bench) -> None:
    """Start ``bacctl analyze`` on one image, and a worker beside it, whose steps are told apart."""
    image = bench.images[0]
    subjects = [one.subject for one in bench.driven]
    for number, in_turn in bench.in_turn(bench.amount.cold_rounds, subjects):
        bench.progress(f"cold start, round {number + 1} of {bench.amount.cold_rounds}")
        for subject in in_turn:
            _command(bench, subject, image)
            _stages(bench, subject, image)


def _command(bench: Bench, subject: Subject, image: Path) -> None:
    """Note when the first byte of the answer came and when the command ended."""
    command = [str(subject.python), "-I", "-c", _ANALYZE, "analyze", str(image), "--json", "--quiet"]
    with tempfile.TemporaryDirectory() as empty:
        began = time.perf_counter()
        with subprocess.Popen(  # noqa: S603  # a fixed program
            command, cwd=empty, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as process:
            if process.stdout is None:
                raise BenchError(f"{subject.name}: the command has no output")
            first = process.stdout.read(1)
            answered = time.perf_counter()
            complaint = process.communicate()[1]
        ended = time.perf_counter()
    if process.returncode or not first:
        last = complaint.decode(errors="replace").strip().rpartition("\n")[2]
        raise BenchError(f"{subject.name}: bacctl analyze left with {process.returncode}: {last}")
    for what, seconds in (
        ("first answer", answered - began),
        ("prompt back", ended - began),
        ("closing, after the answer", ended - answered),
    ):
        bench.notes.note(("cold", what, "analyze, one file"), "s", subject.name, seconds)


def _stages(bench: Bench, subject: Subject, image: Path) -> None:
    """Note what importing, starting, the first two images and closing take, and who works at the start."""
    began = time.perf_counter()
    with Driven(subject, bench.folder / f"{subject.name}-cold.log") as one:
        total = time.perf_counter() - began
        spent = processor_s(one.pids)
        first, second = (one.closed([image], 1)["s"] for _ in range(2))
        closing = one.ask("close")["s"]
    stages = {
        "interpreter": total - one.import_s - one.start_s,
        "import bacctl": one.import_s,
        "server, models loaded and tried": one.start_s,
        "first image, more than the second": first - second,
        "second image": second,
        "close, nothing in flight": closing,
    }
    for what, seconds in stages.items():
        bench.notes.note(("cold", what, "SDK"), "s", subject.name, seconds)
    for role in sorted(spent):
        bench.notes.note(("cold", role, "start, processor time"), "core s", subject.name, spent[role])
