"""One row of the manifest to the end, for whoever cannot put it off: tried again, and waited for, here."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from bac_terms.errors import BacctlError, FailedError, RefusedError, from_catalogue, internal
from bacctl.archive.manifest import ManifestRow
from bacctl.archive.parts import PartRow
from bacctl.archive.run.loop import SHUT, Limits
from bacctl.archive.run.measure import AWAY, Measurer, failed, is_try, may_pass, stops_all
from bacctl.archive.run.plan import MeasuredBy, Settings
from bacctl.client.retry import can_help

if TYPE_CHECKING:
    from bacctl.client.blocking import Client

STOPPED = "stopped"
"""Status of a row that says that the run has to end, and why; no part ever holds one."""
_FIRST_WAIT_S, _LONGEST_WAIT_S = 1.0, 60.0


class PatientMeasurer:
    """Measures rows by the rules of `bacctl.archive.run.loop.Loop`; raises nothing. Any thread may use it.

    Parameters
    ----------
    connect : callable
        Makes the client.
    settings, measured_by, limits : Settings, MeasuredBy and Limits
        Of the run.
    """

    def __init__(
        self, connect: Callable[[], Client], settings: Settings, measured_by: MeasuredBy, limits: Limits
    ) -> None:
        self._limits = limits
        self._fault: Exception | None = None
        try:
            self._measurer = Measurer(connect(), settings, measured_by)
        except Exception as error:
            self._fault = error

    def row_of(self, number: int, row: ManifestRow, attempts: int) -> PartRow:
        """Make the row of a part.

        Parameters
        ----------
        number, row : int and ManifestRow
            The row and its number.
        attempts : int
            Which try this is, from 1.

        Returns
        -------
        dict
            Parked where there are no tries left; of status `STOPPED` where no other row would fare better.
        """
        if self._fault is not None:
            return _stopped(number, row, self._fault)
        error = from_catalogue("BAC-ARCHIVE-PARKED")  # by what ended the processes of the tries before
        start = time.monotonic()
        while attempts <= self._limits.tries:
            try:
                return self._measured(number, row, attempts)
            except Exception as fault:
                error = fault if isinstance(fault, BacctlError) else internal(fault)
            if stops_all(error) or error.code in SHUT or not self._is_back(error, row):
                return _stopped(number, row, error)
            if not is_try(error):
                if time.monotonic() - start >= self._limits.wait_s:
                    return _stopped(number, row, error)
                continue
            if not may_pass(error):
                break
            attempts += 1
        return failed(number, row, error, attempts=min(attempts, self._limits.tries), parked=True)

    def _measured(self, number: int, row: ManifestRow, attempts: int) -> PartRow:
        try:
            data = self._measurer.fetch(row)
        except (RefusedError, FailedError) as error:
            if error.code in (AWAY, *SHUT):
                raise
            return failed(number, row, error)
        return self._measurer.measure(number, row, data, attempts=attempts)

    def _is_back(self, error: BacctlError, row: ManifestRow) -> bool:
        """Wait for a server or a store that is away; tell whether it came back in time."""
        end, pause = time.monotonic() + self._limits.wait_s, _FIRST_WAIT_S
        while not self._answers(error, row):
            left = end - time.monotonic()
            if left <= 0:
                return False
            time.sleep(min(left, pause * random.uniform(0.5, 1.0)))  # noqa: S311  # no secret
            pause = min(2.0 * pause, _LONGEST_WAIT_S)
        return True

    def _answers(self, error: BacctlError, row: ManifestRow) -> bool:
        if error.code == AWAY:
            return self._measurer.reaches(row)
        return not can_help(error) or self._measurer.ready()


def _stopped(number: int, row: ManifestRow, error: Exception) -> PartRow:
    return {**failed(number, row, error), "status": STOPPED}
