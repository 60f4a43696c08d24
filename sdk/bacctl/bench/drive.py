"""A subject's worker, seen from the benchmark."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from bacctl.bench import worker
from bacctl.bench.errors import BenchError
from bacctl.bench.processes import family
from bacctl.bench.subjects import Subject


class Driven:
    """One subject with its server running.

    Parameters
    ----------
    subject : Subject
        What to run.
    log : Path
        File that its messages go to.

    Attributes
    ----------
    version : str
        As the subject tells it, once started.
    import_s, start_s : float
        What importing the package and starting its server took, in seconds.
    pids : dict of int to str
        Its processes by what they do, once started.
    """

    def __init__(self, subject: Subject, log: Path) -> None:
        self.subject = subject
        self._log = log
        self.version = ""
        self.import_s = self.start_s = 0.0
        self.pids: dict[int, str] = {}

    def __enter__(self) -> Driven:
        # Isolated and in an empty folder, so that nothing lies in the way of the subject's packages.
        self._folder = tempfile.TemporaryDirectory(prefix="bacctl-bench-")
        with open(self._log, "w") as log:
            self._process = subprocess.Popen(  # noqa: S603  # a fixed program
                [self.subject.python, "-I", Path(worker.__file__).resolve()],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                cwd=self._folder.name,
                # Ctrl-C is for the benchmark, which then ends its workers in order.
                start_new_session=True,
            )
        try:
            self._start(density=False)
        except BaseException as error:
            self.__exit__(type(error), error, None)
            raise
        return self

    def _start(self, *, density: bool) -> None:
        began = self.ask("start", density=density)
        self.version = began["version"]
        self.import_s, self.start_s = began["import_s"], began["start_s"]
        self.pids = family(self._process.pid)

    def restart(self, *, density: bool) -> None:
        """Start its server anew, and ask for the density too or no more."""
        self.ask("close")
        self._start(density=density)

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        # The end of its input ends the worker in order; after a fault nobody waits for what it is doing. Its
        # server ends with it either way.
        if kind is not None:
            self._process.terminate()
        self._process.communicate()
        self._folder.cleanup()

    def ask(self, order: str, **arguments: Any) -> Any:
        """Have the worker do something and return its answer.

        Raises
        ------
        BenchError
            It ended, or could not do it.
        """
        sent, answers = self._process.stdin, self._process.stdout
        if sent is None or answers is None:
            raise BenchError(f"{self.subject.name}: its worker has no pipes")
        try:
            sent.write(json.dumps({"do": order, **arguments}) + "\n")
            sent.flush()
            answer = json.loads(answers.readline())
        except (BrokenPipeError, ValueError):
            raise BenchError(f"{self.subject.name}: its worker ended; see {self._log}") from None
        if "error" in answer:
            raise BenchError(f"{self.subject.name}: {answer['error']}")
        return answer["answer"]

    def closed(self, paths: Sequence[Path], in_flight: int) -> Any:
        """Measure images with so many in flight: seconds in all (``s``) and of each (``images_s``)."""
        return self.ask("closed", paths=[str(path) for path in paths], in_flight=in_flight)

    def open(self, paths: Sequence[Path], due_s: Sequence[float]) -> Any:
        """Send images at given times: ``latencies_s`` from when each was due."""
        return self.ask("open", paths=[str(path) for path in paths], due_s=list(due_s))
