"""Measures the exams of a queue, one after the other."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from bac_terms.errors import BacctlError, FailedError, RefusedError
from bacctl.exam.build import build_exam
from bacctl.node.queue import Queue
from bacctl.node.records import Exam, Kind, Made, Rules
from bacctl.outputs.document import analysis_document, document_text
from bacctl.results import ExamResult, ImageResult
from bacctl.wording import milligrams

if TYPE_CHECKING:
    from bacctl.client.blocking import Client

LOOK_EVERY_S = 0.5
_FIRST_DELAY_S, _LONGEST_DELAY_S = 5.0, 300.0
_ATTEMPTS = 5
"""After so many, an image that the server fails at while it measures others is a failed image, and an exam
of which no objects can be made goes out without them."""


Maker = Callable[[ExamResult], Sequence[Made]]
"""Makes the DICOM objects of an exam, whose images have their files and masks."""


class Worker:
    """Measures what is due.

    Parameters
    ----------
    queue : Queue
        The exams.
    client : Client
        Who measures.
    rules : Rules
        When an exam is due.
    make : Maker
        What is made of a result.
    destinations : mapping of str to set of str
        Which kinds of result each takes.
    min_probability : float or None
        The operating point.
    tell : callable
        Takes lines for the log.
    """

    def __init__(
        self,
        queue: Queue,
        client: Client,
        rules: Rules,
        make: Maker,
        destinations: Mapping[str, frozenset[Kind]],
        *,
        min_probability: float | None,
        tell: Callable[[str], None],
    ) -> None:
        self._queue, self._client, self._rules, self._make = queue, client, rules, make
        self._destinations, self._point, self._tell = destinations, min_probability, tell

    def run(self, ended: threading.Event) -> None:
        """Measure until `ended`; the exam that is being measured then is finished first."""
        while not ended.is_set():
            try:
                exam = self._queue.due(self._rules)
                if exam is not None:
                    self._try(exam)
                    continue
                pause = LOOK_EVERY_S
            except (
                Exception
            ) as error:  # not even this can be written on a full disk, and no exam may wait for ever
                self._tell(f"the queue cannot be read or written ({type(error).__name__}); trying again")
                pause = _FIRST_DELAY_S
            ended.wait(pause)

    def _try(self, exam: Exam) -> None:
        try:
            self._measure(exam)
        except Exception as error:
            delay = backoff(exam.attempts, _FIRST_DELAY_S, _LONGEST_DELAY_S)
            why = error.reason if isinstance(error, FailedError) else type(error).__name__
            self._tell(f"{exam.study_instance_uid}: not measured ({why}); again in {delay:.0f} s")
            self._queue.postpone(exam, delay)

    def _measure(self, exam: Exam) -> None:
        images = list(
            self._client.analyze_many(list(exam.files.values()), min_probability=self._point, ordered=True)
        )
        self._raise_for_server(images, exam)
        result = build_exam(images, exam.study_instance_uid)
        made = [*self._objects(result, exam), self._document(result)]
        self._queue.finish(exam, made, self._destinations)
        refused = ", ".join(sorted({image.code or "" for image in images if image.status != "ok"}))
        mass = milligrams(result.calcium_mass_mg, result.calcium_mass_interval_mg)
        self._tell(
            f"{exam.study_instance_uid}: {len(images)} images measured, calcium {mass} mg"
            f"{'; missing ' + ', '.join(result.missing_views) if result.missing_views else ''}"
            f"{'; not measured: ' + refused if refused else ''}"
        )

    def _objects(self, result: ExamResult, exam: Exam) -> Sequence[Made]:
        try:
            return self._make(result)
        except Exception as error:
            # A refusal will be the same another time. The document goes out all the same.
            if not isinstance(error, RefusedError) and exam.attempts < _ATTEMPTS:
                raise
            why = str(error) if isinstance(error, BacctlError) else type(error).__name__
            self._tell(f"{result.study_instance_uid}: no DICOM objects: {why}")
            return []

    def _raise_for_server(self, images: Sequence[ImageResult], exam: Exam) -> None:
        """Leave an exam for later where it is the server that failed."""
        for image in images:
            fault = image.code or ""
            if not fault.startswith("BAC-SERVER-") and fault != "BAC-INTERNAL":
                continue
            if exam.attempts < _ATTEMPTS or not self._client.ready():
                raise FailedError(fault, image.reason or "", "")

    def _document(self, result: ExamResult) -> Made:
        # Files of the queue are nobody's business.
        shown = replace(result, images=tuple(replace(image, path=None) for image in result.images))
        document = analysis_document(shown.images, [shown], skipped=0, server=self._client.server_info())
        return Made("json", document_text(document).encode())


def backoff(attempts: int, first_s: float, longest_s: float) -> float:
    """Return how long to wait after so many attempts: twice as long each time."""
    return float(min(first_s * 2 ** min(attempts, 16), longest_s))
