"""Whether all answers of a client come from the same weights: of several servers not all need have them."""

from __future__ import annotations

import re
import threading
from typing import TYPE_CHECKING, Any

from bac_terms.errors import BacctlError, from_catalogue
from bacctl.results import Notice

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bacctl.client.transports.transport import Answer

OTHER = "BAC-SERVER-OTHER-WEIGHTS"
_SHA256 = re.compile(r"[0-9a-f]{8,64}")
_SHOWN = 12


def checked(weights: str | None) -> str | None:
    """Return the weights that are asked for, as they are written in results.

    Parameters
    ----------
    weights : str or None
        Their SHA-256, or eight or more of its first digits.

    Raises
    ------
    ClientUsageError
        It is none.
    """
    if weights is None:
        return None
    wanted = weights.strip().lower() if isinstance(weights, str) else ""
    if not _SHA256.fullmatch(wanted):
        raise from_catalogue(
            "BAC-CLIENT-OPTIONS",
            "weights are named by their SHA-256, or eight or more of its first hexadecimal digits",
        )
    return wanted


def judged(answer: Answer, wanted: str | None) -> Answer:
    """Return an answer that is by the weights that are wanted.

    Parameters
    ----------
    answer : Answer
        Of a server.
    wanted : str or None
        As `checked` gives it; None for any.

    Raises
    ------
    ServerFaultError
        BAC-SERVER-OTHER-WEIGHTS: it is by others.
    """
    measured_by = answer.report.get("weights_sha256")
    if wanted is None or (isinstance(measured_by, str) and measured_by.startswith(wanted)):
        return answer
    raise from_catalogue(
        OTHER, f"a server measured with the weights {_shown(measured_by)} in place of {_shown(wanted)}"
    )


def is_other(error: BaseException) -> bool:
    """Tell whether a server measured with other weights than were asked for."""
    return isinstance(error, BacctlError) and error.code == OTHER


class MeasuredBy:
    """What measured the last image of a client. For several threads."""

    def __init__(self) -> None:
        self._last: dict[str, Any] | None = None
        self._lock = threading.Lock()

    def notice(self, report: Mapping[str, Any]) -> Notice | None:
        """Take note of what an answer says of itself.

        Parameters
        ----------
        report : mapping
            REPORT.

        Returns
        -------
        Notice or None
            A warning where the answer before this one was measured by something else.
        """
        now = {name: report.get(key) for name, key in _NAMES.items()}
        with self._lock:
            last, self._last = self._last, now
        changed = [name for name in _NAMES if last is not None and last[name] != now[name]]
        if last is None or not changed:
            return None
        told = ", ".join(f"{name} {_shown(now[name])} after {_shown(last[name])}" for name in changed)
        return Notice.of(
            "BAC-W-WEIGHTS-DIFFER", f"this image was not measured by what measured the one before it: {told}"
        )


_NAMES = {"weights": "weights_sha256", "probability map": "map_sha256", "bacctl": "bacctl"}


def _shown(digest: object) -> str:
    return str(digest)[:_SHOWN] if digest is not None else "(not told)"
