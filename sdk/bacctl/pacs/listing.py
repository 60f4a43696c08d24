"""All that a DICOMweb service has, study by study, and the headers of a study without its pixels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import date, timedelta
from typing import Any, NamedTuple

from bac_terms.errors import FailedError
from bac_terms.identifiers import is_uid
from bacctl._discreet import discreet
from bacctl.pacs.web import WebArchive

Between = tuple[date, date] | None

PAGE = 100
_FIRST, _LAST = date(1900, 1, 1), date(2999, 12, 31)
_ONE = timedelta(days=1)
_HALF_DAYS = ("000000-115959", "120000-235959")
_STUDY, _STUDY_DATE, _MODALITIES, _RELATED_INSTANCES = "0020000D", "00080020", "00080061", "00201208"
_FIELDS = ["ModalitiesInStudy", "NumberOfStudyRelatedInstances", "StudyDate"]


class ListedStudy(NamedTuple):
    """A study: its UID, and how many objects the service says it has, None where it does not say."""

    uid: str
    objects: int | None


class Catalogue(WebArchive):
    """A DICOMweb service that is asked for everything; parameters as those of `WebArchive`."""

    def studies(self, report: Callable[[FailedError], None]) -> Iterator[ListedStudy]:
        """List the studies that have mammograms (MG), or do not say what they have.

        No answer tells how many there are in all, services cut their lists at limits of their own without a
        word, and some do not know an offset. So the list is held against the lists of its parts by the date
        of study: where these have more, their own parts are asked for, until they add nothing. What cannot
        be checked so, such as a single day with as many studies as the longest list, is told to `report`.

        Raises
        ------
        FailedError
            As for `WebArchive.images`.
        """
        listing = _Listing(self._page, report)
        yield from listing.whole()

    def _page(self, between: Between, hours: str, offset: int) -> list[Mapping[str, Any]]:
        # Never by ModalitiesInStudy: Orthanc 1.10 looks for it in the page and not in the archive.
        wanted = {} if between is None else {"StudyDate": "-".join(f"{day:%Y%m%d}" for day in between)}
        if hours:
            wanted["StudyTime"] = hours
        rows = self._rows(
            lambda: self._client.search_for_studies(
                search_filters=wanted, fields=_FIELDS, limit=PAGE, offset=offset
            )
        )
        if not all(is_uid(str(value_of(row, _STUDY))) for row in rows):
            raise FailedError("BAC-PACS-ANSWER", "what it answers is no list of studies")
        return rows

    def headers(self, study_uid: str) -> list[Mapping[str, Any]]:
        """Fetch the headers of a study's objects, as DICOM JSON.

        Raises
        ------
        FailedError
            As for `WebArchive.images`.
        """
        with discreet():
            return self._rows(lambda: self._client.retrieve_study_metadata(study_uid))


class _Listing:
    """One list of all studies, and its check."""

    def __init__(
        self,
        page: Callable[[Between, str, int], list[Mapping[str, Any]]],
        report: Callable[[FailedError], None],
    ) -> None:
        self._page, self._report = page, report
        self._seen: set[str] = set()
        self._longest = self._longest_day = 0
        self._was_cut = self._knows_no_offset = self._knows_dates = False

    def whole(self) -> Iterator[ListedStudy]:
        days: Counter[date] = Counter()
        yield from self._listed(None, days)
        yield from self._parts(_FIRST, _LAST, days)
        if not self._knows_dates and (len(days) > 1 or self._knows_no_offset):
            self._doubt("it does not list by date of study")
        elif self._was_cut and self._longest_day >= self._longest:
            self._doubt(f"one day has as many as its longest list, {self._longest_day}")

    def _parts(self, first: date, last: date, days: Counter[date]) -> Iterator[ListedStudy]:
        """Ask for the parts of a list of so many studies a day."""
        for start, end in _halves(first, last, days):
            part: Counter[date] = Counter()
            before = len(self._seen)
            yield from self._listed((start, end), part)
            if any(not start <= day <= end for day in part):
                return  # it does not take the dates for any
            self._knows_dates |= part.total() < days.total()
            if start == end and 1 < part.total() >= self._longest:
                for hours in _HALF_DAYS:
                    yield from self._listed((start, end), Counter(), hours)
            self._was_cut |= len(self._seen) > before
            if start == end:
                self._longest_day = max(self._longest_day, part.total())
            elif len(self._seen) > before:
                yield from self._parts(start, end, part)

    def _listed(self, between: Between, days: Counter[date], hours: str = "") -> Iterator[ListedStudy]:
        """Ask page by page; give what was in no list before, and count all by day."""
        here: set[str] = set()
        offset = 0
        while rows := self._page(between, hours, offset):
            new = {str(value_of(row, _STUDY)): row for row in rows}
            if new.keys() <= here:
                self._knows_no_offset = True
                break
            for uid, row in new.items():
                if uid in here:
                    continue
                here.add(uid)
                if (day := _day(value_of(row, _STUDY_DATE))) is not None:
                    days[day] += 1
                if uid not in self._seen:
                    self._seen.add(uid)
                    if _may_have_mammograms(row):
                        told = value_of(row, _RELATED_INSTANCES)
                        yield ListedStudy(uid, int(told) if str(told).isdecimal() else None)
            offset += len(rows)
        self._longest = max(self._longest, len(here))

    def _doubt(self, why: str) -> None:
        text = f"it listed {len(self._seen)} studies and may have more: {why}"
        self._report(FailedError("BAC-PACS-INCOMPLETE", text))


def _halves(first: date, last: date, days: Counter[date]) -> list[tuple[date, date]]:
    """Cut a range of days such that each part has some of those known; a single one is a part of its own."""
    known = sorted(day for day in days if first <= day <= last)
    if not known:
        return []
    if len(known) == 1:
        (day,) = known
        parts = [(first, day - _ONE), (day, day), (day + _ONE, last)]
        return [(start, end) for start, end in parts if start <= end]
    half, count, cut = days.total() / 2, 0, known[0]
    for cut in known[:-1]:
        count += days[cut]
        if count >= half:
            break
    return [(first, cut), (cut + _ONE, last)]


def _may_have_mammograms(row: Mapping[str, Any]) -> bool:
    element = row.get(_MODALITIES)
    values = element.get("Value") if isinstance(element, Mapping) else None
    return not isinstance(values, list) or not values or "MG" in values


def _day(text: Any) -> date | None:
    try:
        return date(int(text[:4]), int(text[4:6]), int(text[6:8]))
    except (TypeError, ValueError):
        return None


def value_of(row: Mapping[str, Any], tag: str) -> Any:
    """Give the first value of an element of DICOM JSON; None where it has none."""
    element = row.get(tag)
    values = element.get("Value") if isinstance(element, Mapping) else None
    return values[0] if isinstance(values, list) and values else None
