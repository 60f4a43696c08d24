"""Of whom and when an image was taken: to order repeated views and to tell two women apart, and no more.

Nothing of it may reach an output. It is no field of the JSON, has no text of its own, and copies and pickles
of it are empty, so that it cannot leave the process with a result either.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bac_imaging.header import Header

ORIGIN_TAGS = (
    "AcquisitionDateTime",
    "AcquisitionDate",
    "AcquisitionTime",
    "ContentDate",
    "ContentTime",
    "SeriesInstanceUID",
    "InstanceNumber",
    "PatientID",
)
_DAY_DIGITS = 8
_SECOND_DIGITS = 6


class Origin:
    """What a header says of an image's origin; None for what it does not say.

    Parameters
    ----------
    taken : str, optional
        Digits that sort like the time of the exposure.
    series : str, optional
        Series Instance UID, within which alone instance numbers can be compared.
    number : float, optional
        Instance number.
    patient : bytes, optional
        Digest of the patient's identifier.
    """

    __slots__ = ("number", "patient", "series", "taken")

    def __init__(
        self,
        taken: str | None = None,
        series: str | None = None,
        number: float | None = None,
        patient: bytes | None = None,
    ) -> None:
        self.taken = taken
        self.series = series
        self.number = number
        self.patient = patient

    def __reduce__(self) -> tuple[type[Origin], tuple[()]]:
        return Origin, ()


def read_origin(header: Header) -> Origin:
    """Read what a header says.

    Parameters
    ----------
    header : Header
        A dataset with those of `ORIGIN_TAGS` that it has.

    Returns
    -------
    Origin
    """
    taken = (
        _moment(header.text("AcquisitionDateTime"))
        or _moment(header.text("AcquisitionDate"), header.text("AcquisitionTime"))
        or _moment(header.text("ContentDate"), header.text("ContentTime"))
    )
    number = header.number("InstanceNumber")
    patient = header.text("PatientID")
    return Origin(
        taken,
        header.uid("SeriesInstanceUID"),
        number if number is not None and math.isfinite(number) else None,
        hashlib.sha256(patient.encode()).digest() if patient else None,
    )


def latest(origins: Sequence[Origin | None]) -> int | None:
    """Find the image that was taken last.

    Parameters
    ----------
    origins : sequence of Origin or None
        Of images of one view in one study.

    Returns
    -------
    int or None
        Its place: by the time of exposure where all tell it, else by instance number where all are of one
        series; None where neither tells.
    """
    known = [origin for origin in origins if origin is not None]
    if len(known) < len(origins):
        return None
    times = [origin.taken for origin in known if origin.taken is not None]
    if len(times) == len(known):
        last = max(times)
        if times.count(last) == 1:
            return times.index(last)
    numbers = [origin.number for origin in known if origin.number is not None]
    series = {origin.series for origin in known}
    if len(numbers) == len(known) and len(series) == 1 and None not in series:
        highest = max(numbers)
        if numbers.count(highest) == 1:
            return numbers.index(highest)
    return None


def _moment(day: str, time: str | None = None) -> str | None:
    """Join date and time into digits that sort; None unless both are there, to the second.

    The offset from universal time is left out: it is the same throughout one exam.
    """
    if time is None:
        day, time = day[:_DAY_DIGITS], day[_DAY_DIGITS:].partition("+")[0].partition("-")[0]
    digits = ["".join(char for char in part if char in "0123456789") for part in (day, time)]
    if len(digits[0]) != _DAY_DIGITS or len(digits[1]) < _SECOND_DIGITS:
        return None
    return "".join(digits)
