"""What a DICOMweb service has, as the headers that it gives say."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from pydicom.dataset import Dataset

from bac_imaging.read.attributes.header import Header
from bac_imaging.read.attributes.spacing import Spacing
from bac_terms.errors import FailedError
from bac_terms.identifiers import is_uid
from bacctl._discreet import discreet
from bacctl.archive.manifest import ManifestRow
from bacctl.archive.scanning.files import Looked, row_of
from bacctl.archive.scanning.said import Interpreter
from bacctl.archive.stores.found import Report

if TYPE_CHECKING:
    from bacctl.pacs.listing import ListedStudy

_SERIES, _INSTANCE, _ROWS, _SYNTAX = "0020000E", "00080018", "00280010", "00083002"
_PATIENCE = 3
"""After so many studies in turn that the service does not answer for, it is away."""


class Service:
    """A DICOMweb service that is scanned.

    Parameters
    ----------
    url : str
        Its address, such as ``https://HOST/dicom-web``.
    authorization, given
        As for `bacctl.archive.scanning.scan.scan`.

    Raises
    ------
    ValueError
        The address is none, or a secret would go to it in the clear.
    """

    def __init__(
        self, url: str, authorization: str | Callable[[], str] | None, given: Spacing | None
    ) -> None:
        from bacctl.pacs.listing import Catalogue, value_of

        self._catalogue = Catalogue(url, authorization)
        self._value_of = value_of
        self._interpreter = Interpreter(given)

    @staticmethod
    def is_address(source: str) -> bool:
        """Tell whether a source is a DICOMweb service."""
        return source.startswith(("https://", "http://"))

    def look(self, report: Report) -> Iterator[Looked]:
        """Look at every object of every study; `report` is told of studies that are not listed as a whole.

        Raises
        ------
        FailedError
            The service is away, or what it answers is no list.
        """
        url = self._catalogue.url
        unanswered = 0
        for study in self._catalogue.studies(lambda error: report(url, error)):
            try:
                headers = self._catalogue.headers(study.uid)
            except FailedError as error:
                unanswered += error.code == "BAC-PACS-UNREACHABLE"
                if unanswered >= _PATIENCE:
                    raise
                report(f"{url}/studies/{study.uid}", error)
                continue
            unanswered = 0
            if study.objects is not None and study.objects != len(headers):
                report(f"{url}/studies/{study.uid}", _incomplete(study, len(headers)))
            with discreet():
                found = [self._object(study.uid, header, report) for header in headers]
            yield from (each for each in found if each is not None)

    def _object(self, study: str, header: Mapping[str, Any], report: Report) -> Looked | None:
        series, instance = (str(self._value_of(header, tag)) for tag in (_SERIES, _INSTANCE))
        address = f"{self._catalogue.url}/studies/{study}"
        if not (is_uid(series) and is_uid(instance)):
            report(address, FailedError("BAC-PACS-ANSWER", "an object of it has no valid UIDs"))
            return None
        row = ManifestRow(f"{address}/series/{series}/instances/{instance}")
        if _ROWS not in header:  # a report, a presentation state
            return Looked("other", row)
        try:
            dataset = Dataset.from_json(dict(header), lambda *_: b"")
        except Exception:  # pydicom raises whatever it stumbles over; its file may well be read
            named = ManifestRow(
                row.uri, sop_instance_uid=instance, series_instance_uid=series, study_instance_uid=study
            )
            return Looked("image", named, study=study)
        if "PixelData" not in dataset:  # headers need not name what they leave out
            dataset.add_new("PixelData", "OB", b"")
        said = self._interpreter.parsed(Header(dataset))
        syntax = self._value_of(header, _SYNTAX)
        return Looked("image", row_of(row, said, str(syntax) if syntax else None), said.person.origin, study)


def _incomplete(study: ListedStudy, listed: int) -> FailedError:
    return FailedError(
        "BAC-PACS-INCOMPLETE", f"it says that the study has {study.objects} objects and lists {listed}"
    )
