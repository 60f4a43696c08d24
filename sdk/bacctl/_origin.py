"""Of whom and when an image was taken: to order repeated views and to tell two women apart, and no more.

An `Origin` is read from a header alone, without pixels and without a result, so that whoever only looks
through headers can ask the same questions: `latest` here, whose images they are in `bacctl.exam.identity`.

Nothing of it may reach an output. It is no field of the JSON, has no text of its own, and copies and pickles
of it are empty, so that it cannot leave the process with a result either.
"""

from __future__ import annotations

import hashlib
import math
import os
import re
import unicodedata
from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING

from bac_terms.identifiers import names_nobody, names_nothing

if TYPE_CHECKING:
    from bac_imaging.read.attributes.header import Header

ORIGIN_TAGS = (
    "AcquisitionDateTime",
    "AcquisitionDate",
    "AcquisitionTime",
    "ContentDate",
    "ContentTime",
    "SeriesInstanceUID",
    "InstanceNumber",
    "PatientID",
    "IssuerOfPatientID",
    "PatientName",
    "PatientBirthDate",
    "PatientSex",
    "PatientAge",
    "StudyInstanceUID",
    "StudyDate",
    "PresentationIntentType",
)
_DAY_DIGITS = 8
_SECOND_DIGITS = 6
_WHOLE_SECONDS = _DAY_DIGITS + _SECOND_DIGITS
# Identifiers are short enough to be guessed from a plain digest.
_KEY = os.urandom(32)
_MONTHS = 12
_DIGITS = "0123456789"
# PS3.3 C.7.1.1, and words met in their place.
_SEXES = {"F": "F", "M": "M", "O": "O", "FEMALE": "F", "MALE": "M", "OTHER": "O"}
_AGE = re.compile(r"(\d{1,3})([YMWD])")  # PS3.5 6.2, AS
_AGE_IN_YEARS = {"Y": 1.0, "M": 12.0, "W": 52.18, "D": 365.25}
_YEAR = re.compile(r"(\d{4})(?:\d{2}){0,2}")
_DAY_FIRST = re.compile(r"(\d{1,2})([./-])(\d{1,2})\2(\d{4})")
_DATE_OF_TIME = re.compile(r"(\d{4}[-./]\d{2}[-./]\d{2})[T ](.*)")


class Origin:
    """What a header says of an image's origin; None for what it does not say.

    Whatever could name a person is a digest with a key of this process: no digest of an identifier or a date
    can be found by trying all there are, and none means anything elsewhere.

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
    issuer, name, birth, birth_year, sex : bytes, optional
        Digests of who gave the identifier, the patient's family and given name, date and year of birth, sex.
    name_parts : frozenset of bytes, optional
        Digests of the words of the name, where it is written in Latin letters.
    age : int, optional
        Age in years.
    study : bytes, optional
        Digest of what stands for the study's UID, as it is written.
    day, study_day : int, optional
        Day of the exposure and of the study, counted as `datetime.date.toordinal` does.
    pixels : tuple of (str, bytes), optional
        How the pixels are encoded, and a digest of them as they are stored. Not of the header, so that
        `read_origin` leaves it out.
    """

    __slots__ = (
        "age",
        "birth",
        "birth_year",
        "day",
        "issuer",
        "name",
        "name_parts",
        "number",
        "of_content",
        "patient",
        "pixels",
        "series",
        "sex",
        "study",
        "study_day",
        "taken",
    )

    def __init__(
        self,
        taken: str | None = None,
        series: str | None = None,
        number: float | None = None,
        patient: bytes | None = None,
        *,
        of_content: bool = False,
        issuer: bytes | None = None,
        name: bytes | None = None,
        birth: bytes | None = None,
        sex: bytes | None = None,
        study: bytes | None = None,
        day: int | None = None,
        study_day: int | None = None,
        pixels: tuple[str, bytes] | None = None,
        name_parts: frozenset[bytes] = frozenset(),
        birth_year: bytes | None = None,
        age: int | None = None,
    ) -> None:
        self.taken = taken
        self.series = series
        self.number = number
        self.patient = patient
        self.of_content = of_content
        self.issuer = issuer
        self.name = name
        self.birth = birth
        self.sex = sex
        self.study = study
        self.day = day
        self.study_day = study_day
        self.pixels = pixels
        self.name_parts = name_parts
        self.birth_year = birth_year
        self.age = age

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
    exposed = _moment(_compact(header.text("AcquisitionDateTime"))) or _moment(
        header.text("AcquisitionDate"), header.text("AcquisitionTime")
    )
    number = header.number("InstanceNumber")
    birth = _day(header.text("PatientBirthDate"))
    birth_year = _year(header.text("PatientBirthDate"), birth)
    sex = _SEXES.get(header.text("PatientSex"))
    name = _family_and_given(header.written("PatientName").upper())
    study = header.written("StudyInstanceUID")
    return Origin(
        exposed or _moment(header.text("ContentDate"), header.text("ContentTime")),
        header.uid("SeriesInstanceUID"),
        number if number is not None and math.isfinite(number) else None,
        _named(header.text("PatientID")),
        of_content=exposed is None,
        issuer=_named(header.text("IssuerOfPatientID")),
        name=_named(name),
        name_parts=_words(name),
        birth=None if birth is None else digest(str(birth)),
        birth_year=None if birth_year is None else digest(str(birth_year)),
        age=_age(header.text("PatientAge")),
        sex=None if sex is None else digest(sex),
        study=None if names_nothing(study) else digest(study),
        day=_day_of_exposure(header),
        study_day=_day(header.text("StudyDate")),
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


def digest(value: str | bytes) -> bytes:
    """Digest a value with the key of this process."""
    data = value if isinstance(value, bytes) else value.encode(errors="surrogatepass")
    return hashlib.blake2b(data, key=_KEY, digest_size=32).digest()


def _named(text: str) -> bytes | None:
    """Digest what names somebody; the words that de-identification writes name nobody."""
    return None if names_nobody(text) else digest(text)


def _family_and_given(name: str) -> str:
    """Take of a name what is written alike throughout: no middle name, no title, one alphabet."""
    return "^".join(part.strip() for part in name.partition("=")[0].split("^")[:2]).strip("^ ")


def _words(name: str) -> frozenset[bytes]:
    """Digest the words of a name, without accents; none where its letters are not Latin ones."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", name) if not unicodedata.combining(c))
    if names_nobody(name) or not plain.isascii():
        return frozenset()
    return frozenset(digest(word) for word in re.findall(r"[A-Z]{2,}", plain))


def _age(text: str) -> int | None:
    found = _AGE.fullmatch(text)
    return None if found is None else int(int(found[1]) / _AGE_IN_YEARS[found[2]])


def _year(text: str, day: int | None) -> int | None:
    """Give the year of a date, also of one that lacks its day or its month."""
    if day is not None:
        return date.fromordinal(day).year
    found = _YEAR.fullmatch(text)
    return None if found is None or found[1] == "0000" else int(found[1])


def _day_of_exposure(header: Header) -> int | None:
    moment = _compact(header.text("AcquisitionDateTime"))
    day = _day(moment[:_DAY_DIGITS]) or _day(header.text("AcquisitionDate"))
    if day is None and header.text("PresentationIntentType") == "FOR PROCESSING":
        # The content of these is the exposure; only what is made of it may be made again years later.
        day = _day(header.text("ContentDate"))
    return day


def _day(text: str) -> int | None:
    """Count the day that a date names; None for what is no date."""
    found = _DAY_FIRST.fullmatch(text)
    if found is not None:
        # With the year behind, as exports of tables have it: day before month, unless that is none.
        first, second = found[1].zfill(2), found[3].zfill(2)
        return _day(f"{found[4]}{second}{first}" if int(second) <= _MONTHS else f"{found[4]}{first}{second}")
    digits = "".join(char for char in text if char in _DIGITS)
    if len(digits) != _DAY_DIGITS:
        return None
    try:
        return date(int(digits[:4]), int(digits[4:6]), int(digits[6:])).toordinal()
    except ValueError:
        return None


def _compact(moment: str) -> str:
    """Write a date and time with separators (ISO 8601, which DICOM does not use) as DICOM does."""
    found = _DATE_OF_TIME.fullmatch(moment)
    if found is None:
        return moment
    return "".join(c for c in found[1] if c in _DIGITS) + found[2].replace(":", "")


def _moment(day: str, time: str | None = None) -> str | None:
    """Join date and time into digits that sort; None unless both are there, to the second.

    The offset from universal time is left out: it is the same throughout one exam.
    """
    if time is None:
        day, time = day[:_DAY_DIGITS], day[_DAY_DIGITS:].partition("+")[0].partition("-")[0]
    digits = ["".join(char for char in part if char in _DIGITS) for part in (day, time)]
    if len(digits[0]) != _DAY_DIGITS or len(digits[1]) < _SECOND_DIGITS:
        return None
    return "".join(digits)
