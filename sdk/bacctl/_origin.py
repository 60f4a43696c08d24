"""Of whom and when an image was taken: to order repeated views and to tell two women apart, and no more.

Nothing of it may reach an output. It is no field of the JSON, has no text of its own, and copies and pickles
of it are empty, so that it cannot leave the process with a result either.
"""

from __future__ import annotations

import hashlib
import math
import os
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
_WHOLE_SECONDS = _DAY_DIGITS + _SECOND_DIGITS
# Identifiers are short enough to be guessed from a plain digest.
_KEY = os.urandom(32)
# What `Header.text` makes of a value that cannot be read; it must not make one patient of two.
_UNREADABLE = "NAN"


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
        Digest of the patient's identifier, the same within one process only.
    of_content : bool, optional
        Whether `taken` is the time of the content, which processing may move, for want of that of the
        exposure.
    """

    __slots__ = ("number", "of_content", "patient", "series", "taken")

    def __init__(
        self,
        taken: str | None = None,
        series: str | None = None,
        number: float | None = None,
        patient: bytes | None = None,
        *,
        of_content: bool = False,
    ) -> None:
        self.taken = taken
        self.series = series
        self.number = number
        self.patient = patient
        self.of_content = of_content

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
    exposed = _moment(header.text("AcquisitionDateTime")) or _moment(
        header.text("AcquisitionDate"), header.text("AcquisitionTime")
    )
    number = header.number("InstanceNumber")
    patient = header.text("PatientID")
    return Origin(
        exposed or _moment(header.text("ContentDate"), header.text("ContentTime")),
        header.uid("SeriesInstanceUID"),
        number if number is not None and math.isfinite(number) else None,
        _digest(patient) if patient not in ("", _UNREADABLE) else None,
        of_content=exposed is None,
    )


def latest(origins: Sequence[Origin | None]) -> list[int]:
    """Find the image that was taken last.

    Parameters
    ----------
    origins : sequence of Origin or None
        Of images of one view in one study.

    Returns
    -------
    list of int
        Its place, or the places of all that may be it: those of the latest time of exposure where all tell
        theirs, and of these, where they are of one series, those of the highest instance number.
    """
    known = {place: origin for place, origin in enumerate(origins) if origin is not None}
    if len(known) < len(origins):
        return list(range(len(origins)))
    times = {place: origin.taken for place, origin in known.items() if origin.taken is not None}
    if len(times) == len(known):
        last = max(times.values(), default="")
        known = {place: origin for place, origin in known.items() if origin.taken == last}
    numbers = {place: origin.number for place, origin in known.items() if origin.number is not None}
    series = {origin.series for origin in known.values()}
    if len(numbers) == len(known) and len(series) == 1 and None not in series:
        highest = max(numbers.values())
        known = {place: origin for place, origin in known.items() if origin.number == highest}
    return list(known)


def taken_after(origin: Origin | None, others: Sequence[Origin | None]) -> bool:
    """Tell whether an image is certainly of a later exposure than all others.

    Parameters
    ----------
    origin : Origin or None
        Of the image.
    others : sequence of Origin or None
        Of the others.

    Returns
    -------
    bool
        False also where a time of exposure is not told. Parts of a second are left out: the versions of one
        exposure, for processing and for presentation, may differ in them.
    """
    moment = _exposed(origin)
    return moment is not None and all(
        earlier is not None and earlier < moment for earlier in map(_exposed, others)
    )


def _exposed(origin: Origin | None) -> str | None:
    if origin is None or origin.taken is None or origin.of_content:
        return None
    return origin.taken[:_WHOLE_SECONDS]


def _digest(patient: str) -> bytes:
    return hashlib.blake2b(patient.encode(errors="surrogatepass"), key=_KEY, digest_size=32).digest()


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
