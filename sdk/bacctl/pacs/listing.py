"""All that a DICOMweb service has, study by study, and the headers of a study without its pixels."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from bac_terms.errors import FailedError
from bac_terms.identifiers import is_uid
from bacctl._discreet import discreet
from bacctl.pacs.web import WebArchive

PAGE = 100
_STUDY, _RELATED_INSTANCES = "0020000D", "00201208"


class ListedStudy(NamedTuple):
    """A study: its UID, and how many objects the service says it has, None where it does not say."""

    uid: str
    objects: int | None


class Catalogue(WebArchive):
    """A DICOMweb service that is asked for everything; parameters as those of `WebArchive`."""

    def studies(self, report: Callable[[FailedError], None]) -> Iterator[ListedStudy]:
        """List the studies with mammograms (ModalitiesInStudy MG), page by page.

        No answer tells how many there are in all, and a service cuts its pages at a limit of its own. So it
        is asked until a page is empty. One that gives nothing new for another offset does not know offsets:
        what it has beyond is not listed, and `report` is told so.

        Raises
        ------
        FailedError
            As for `WebArchive.images`.
        """
        seen: set[str] = set()
        offset = 0
        while rows := self._page(offset):
            found = {str(value_of(row, _STUDY)): row for row in rows}
            new = found.keys() - seen
            if not new:
                report(
                    FailedError(
                        "BAC-PACS-INCOMPLETE",
                        f"it gives the same studies for another offset, of which it listed {len(seen)}; it "
                        "may have more",
                        "have its limit raised, or scan its files",
                    )
                )
                return
            for uid in found:
                if uid in new:
                    told = value_of(found[uid], _RELATED_INSTANCES)
                    yield ListedStudy(uid, int(told) if str(told).isdecimal() else None)
            seen |= new
            offset += len(rows)

    def _page(self, offset: int) -> list[Mapping[str, Any]]:
        rows = self._rows(
            lambda: self._client.search_for_studies(
                search_filters={"ModalitiesInStudy": "MG"},
                fields=["NumberOfStudyRelatedInstances"],
                limit=PAGE,
                offset=offset,
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


def value_of(row: Mapping[str, Any], tag: str) -> Any:
    """Give the first value of an element of DICOM JSON; None where it has none."""
    element = row.get(tag)
    values = element.get("Value") if isinstance(element, Mapping) else None
    return values[0] if isinstance(values, list) and values else None
