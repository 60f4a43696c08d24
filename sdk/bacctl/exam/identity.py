"""Whether images can be of one woman and one visit, by facts of their headers alone.

A study belongs to one patient (PS3.3 A.1.2, C.7.2). Files from the field share a study's UID between
patients and years nevertheless, and their sum would be nobody's. This is the one place that says what
contradicts what: `bacctl.exam.build` asks it of every exam, `bacctl.exam.comparison` of two of them, and
whoever only reads headers can ask it too. What a header does not say is unknown: it contradicts nothing and
confirms nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bacctl._origin import Origin

OVER_MIDNIGHT_DAYS = 1
"""How many days one visit may touch beyond its first."""
RECALL_DAYS = 31
"""How many days after a visit a view may be repeated for its technical quality, under the same study."""

_BIRTHDAY_YEARS = 1

_PATIENT = "patient identifiers"
_ISSUER = "issuers of the patient identifier"
_NAME = "patient names"
_BIRTH = "dates of birth"
_SEX = "sexes"
_AGE = "ages"
_DAY = "days of acquisition"
_STUDY_DAY = "study dates"


@dataclass(frozen=True)
class Contradiction:
    """Why images cannot be put together.

    Attributes
    ----------
    about : tuple of str
        In what their headers differ, in words; none of the values.
    groups : tuple of tuple of int
        Places of the images that agree in it, in the order of first appearance. An image whose header does
        not say it is in a group of its own kind.
    """

    about: tuple[str, ...]
    groups: tuple[tuple[int, ...], ...]


def different_patients(origins: Sequence[Origin | None]) -> tuple[str, ...]:
    """Tell whether headers name more than one patient, in any number of exams.

    Parameters
    ----------
    origins : sequence of Origin or None
        Of the images.

    Returns
    -------
    tuple of str
        In what they differ, in words: the patient's identifier, who gave it, date of birth, sex. Names are
        left out, since they change.
    """
    return tuple(_differences(origins))


def contradiction(
    origins: Sequence[Origin | None], views: Sequence[str | None] | None = None
) -> Contradiction | None:
    """Find out whether images cannot be of one woman and one visit.

    Parameters
    ----------
    origins : sequence of Origin or None
        Of the images that shall be put together.
    views : sequence of (str or None), optional
        Side and view of each, such as "LCC"; None where it takes no part in a sum. Without them no repeat
        of a view is taken for a technical recall.

    Returns
    -------
    Contradiction or None
    """
    keys = _differences(origins)
    names = [None if origin is None else origin.name for origin in origins]
    unnamed = any(origin is None or origin.patient is None for origin in origins)
    # Where an identifier tells, names may be spelled in two ways or change in part. Placeholders, such as 0
    # or 12345 for everybody, are told from identifiers by names that have no word in common.
    if _several(names) and (unnamed or _have_nothing_in_common(origins)):
        keys[_NAME] = names
    # An age belongs to the study (PS3.3 C.7.2.2); a birthday may pass within a visit.
    ages = [None if origin is None else origin.age for origin in origins]
    if _span(ages) > _BIRTHDAY_YEARS:
        keys[_AGE] = ages
    days = [None if origin is None else origin.day for origin in origins]
    study_days = [None if origin is None else origin.study_day for origin in origins]
    if _apart(days) and (keys or views is None or not _is_recall(origins, views)):
        keys[_DAY] = _visits(days)
    if None in days and _apart(study_days):
        keys[_STUDY_DAY] = _visits(study_days)
    if not keys:
        return None
    groups: dict[tuple[object, ...], list[int]] = {}
    for place, key in enumerate(zip(*keys.values(), strict=True)):
        groups.setdefault(key, []).append(place)
    return Contradiction(tuple(keys), tuple(map(tuple, groups.values())))


def _differences(origins: Sequence[Origin | None]) -> dict[str, Sequence[object]]:
    """List, for everything in which headers name different patients, what each of them says."""
    said: dict[str, Sequence[bytes | None]] = {
        _PATIENT: [None if origin is None else origin.patient for origin in origins],
        # Without an identifier its issuer names nobody.
        _ISSUER: [None if origin is None or origin.patient is None else origin.issuer for origin in origins],
        _BIRTH: [None if origin is None else origin.birth for origin in origins],
        _SEX: [None if origin is None else origin.sex for origin in origins],
    }
    if not _several(said[_BIRTH]):  # a year alone can contradict, too
        said[_BIRTH] = [None if origin is None else origin.birth_year for origin in origins]
    return {about: values for about, values in said.items() if _several(values)}


def _several(values: Sequence[object]) -> bool:
    return len(set(values) - {None}) > 1


def _have_nothing_in_common(origins: Sequence[Origin | None]) -> bool:
    """Tell whether two images name patients without any word in common."""
    named = {origin.name_parts for origin in origins if origin is not None and origin.name_parts}
    return any(one.isdisjoint(other) for one in named for other in named)


def _span(numbers: Sequence[int | None]) -> int:
    known = [number for number in numbers if number is not None]
    return max(known) - min(known) if known else 0


def _apart(days: Sequence[int | None]) -> bool:
    return _span(days) > OVER_MIDNIGHT_DAYS


def _visits(days: Sequence[int | None]) -> list[int | None]:
    """Replace each day by the first of its visit."""
    first: dict[int, int] = {}
    for day in sorted({day for day in days if day is not None}):
        start = first.get(day - OVER_MIDNIGHT_DAYS, day)
        first[day] = start if day - start <= OVER_MIDNIGHT_DAYS else day
    return [None if day is None else first[day] for day in days]


def _is_recall(origins: Sequence[Origin | None], views: Sequence[str | None]) -> bool:
    """Tell whether all that is days apart are repeats of some views of one visit, for one named patient."""
    if any(origin is None or origin.patient is None or origin.day is None for origin in origins):
        return False
    days = [origin.day for origin in origins if origin is not None and origin.day is not None]
    first = min(days)
    if max(days) - first > RECALL_DAYS:
        return False
    seen = [(day - first <= OVER_MIDNIGHT_DAYS, view) for day, view in zip(days, views, strict=True) if view]
    at_first = {view for in_time, view in seen if in_time}
    return {view for in_time, view in seen if not in_time} < at_first
