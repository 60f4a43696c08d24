"""Images from an archive and results into it, by DICOMweb (QIDO-RS, WADO-RS, STOW-RS)."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import SplitResult, urlsplit

import requests
import stamina
from dicomweb_client import DICOMwebClient
from pydicom import Dataset

from bac_imaging.read.dataset import parse
from bac_terms.errors import FailedError
from bac_terms.identifiers import is_uid
from bacctl._discreet import discreet
from bacctl.pacs.contexts import MEASURED
from bacctl.pacs.session import Session, is_private

T = TypeVar("T")

ANSWER_S = 60.0
ATTEMPTS = 4
"""How often a request is made that the archive has no time for, or that breaks off."""

_COME_AGAIN = frozenset({408, 429, 500, 502, 503, 504})
_PAGE = 100
_MOST = 10_000
_MODALITIES = frozenset({"MG", "CR", "DX", "RG"})
_STUDY = re.compile(r"(?P<base>https?://[^?#]+?)/studies/(?P<study>[0-9.]+)/?")
_CLASS, _INSTANCE, _SERIES, _MODALITY = "00080016", "00080018", "0020000E", "00080060"
_RELATED_INSTANCES = "00201208"

# As in the client: retries are for whoever sets up logging, and no lines of Python's handler of last resort.
logging.getLogger("stamina").addHandler(logging.NullHandler())


def split_study(url: str) -> tuple[str, str]:
    """Take ``https://HOST/dicom-web/studies/UID`` apart.

    Returns
    -------
    tuple of (str, str)
        The address of the service, and the study's UID.

    Raises
    ------
    ValueError
        It is no such address, or holds a password.
    """
    _without_password(url)
    found = _STUDY.fullmatch(url)
    if found is None or not is_uid(found["study"]):
        raise ValueError(f"{url}: is no study; write https://HOST/dicom-web/studies/UID")
    return found["base"], found["study"]


def check_service(url: str) -> str:
    """Check the address of a service, such as ``https://HOST/dicom-web``, and return it without a slash.

    Raises
    ------
    ValueError
        It is none, or holds a password.
    """
    parts = _without_password(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError(f"{url}: is no DICOMweb service; write https://HOST/dicom-web")
    return url.rstrip("/")


def _without_password(url: str) -> SplitResult:
    parts = urlsplit(url)
    if parts.username or parts.password:
        raise ValueError(
            "an address shows in lists of processes and logs; give its token by file or environment"
        )
    return parts


class WebArchive:
    """A DICOMweb service.

    Parameters
    ----------
    url : str
        Its address, such as ``https://HOST/dicom-web``.
    authorization : str or callable, optional
        The header's whole value, such as ``"Bearer ..."``, or what returns it, anew for each request.
    attempts : int, optional
        How often a request is made; 408, 429, 500, 502, 503, 504 and broken connections are tried again, and
        nothing else is.

    Raises
    ------
    ValueError
        The address is none, or a secret would go to it in the clear.
    """

    def __init__(
        self, url: str, authorization: str | Callable[[], str] | None = None, *, attempts: int = ATTEMPTS
    ) -> None:
        self.url = check_service(url)
        if authorization is not None and not is_private(self.url):
            raise ValueError(
                f"{self.url}: a token is not sent without TLS, where anybody on the way can read it"
            )
        current = (lambda: authorization) if isinstance(authorization, str) else authorization
        # On this machine and without TLS, a token must not go by a proxy that is another one. Otherwise the
        # environment tells proxies and certificates (REQUESTS_CA_BUNDLE).
        session = Session(current, trust_env=authorization is None or self.url.startswith("https:"))
        self._client = DICOMwebClient(
            self.url, session=session, timeout=(10.0, ANSWER_S), permissive_uid=True
        )
        # Its own retries send an empty body where the first attempt was sent in chunks.
        self._client.set_http_retry_params(retry=False)
        self._attempts = attempts

    def images(self, study_uid: str) -> list[tuple[str, str]]:
        """Find the images of a study that are worth measuring.

        Returns
        -------
        list of (str, str)
            Series and SOP instance of each mammogram.

        Raises
        ------
        FailedError
            BAC-PACS-UNREACHABLE, BAC-PACS-REFUSED, BAC-PACS-ANSWER; BAC-PACS-INCOMPLETE where the archive
            lists fewer objects than it says it has.
        """
        unique = self._listed(study_uid)
        told = self._count(study_uid)
        if told is not None and told != len(unique):
            raise FailedError(
                "BAC-PACS-INCOMPLETE", f"it says that the study has {told} objects and lists {len(unique)}"
            )
        return [
            (str(_value(row, _SERIES)), uid)
            for uid, row in unique.items()
            if _value(row, _CLASS) in MEASURED or _value(row, _MODALITY) in _MODALITIES
        ]

    def _listed(self, study_uid: str) -> dict[str, Mapping[str, Any]]:
        """Ask page by page: an archive cuts its answers at a limit of its own, and not every one says so."""
        found: dict[str, Mapping[str, Any]] = {}
        offset = 0
        while True:
            rows = self._rows(
                lambda start=offset: self._client.search_for_instances(  # type: ignore[misc]
                    study_uid, limit=_PAGE, offset=start, fields=["SOPClassUID", "SeriesInstanceUID"]
                )
            )
            if not all(_value(row, _INSTANCE) and _value(row, _SERIES) for row in rows):
                raise FailedError("BAC-PACS-ANSWER", "what it answers is no list of images")
            new = {str(_value(row, _INSTANCE)): row for row in rows}
            # One that knows no offset gives its first page for ever.
            if not new.keys() - found.keys():
                return found
            found.update(new)
            offset += len(rows)
            if len(found) > _MOST:
                raise FailedError("BAC-PACS-ANSWER", "the study has more objects than any")

    def _count(self, study_uid: str) -> int | None:
        rows = self._rows(
            lambda: self._client.search_for_studies(
                search_filters={"StudyInstanceUID": study_uid}, fields=["NumberOfStudyRelatedInstances"]
            )
        )
        told = [_value(row, _RELATED_INSTANCES) for row in rows]
        return int(told[0]) if told and told[0] is not None else None

    def fetch(self, study_uid: str, series_uid: str, instance_uid: str, path: Path) -> None:
        """Fetch an image in the encoding that it was stored in, into a file.

        Raises
        ------
        FailedError
            As for `images`; BAC-PACS-ANSWER also where it is another image than asked for.
        """
        with discreet():
            image = self._ask(
                lambda: self._client.retrieve_instance(
                    study_uid, series_uid, instance_uid, media_types=(("application/dicom", "*"),)
                )
            )
            if str(image.get("SOPInstanceUID")) != instance_uid:
                raise FailedError("BAC-PACS-ANSWER", "it gave another image than it was asked for")
            image.save_as(path, enforce_file_format=True)

    def store(self, data: bytes) -> None:
        """Store one object; of several in one request the good ones may be stored and the answer be an error.

        Parameters
        ----------
        data : bytes
            A DICOM file.

        Raises
        ------
        FailedError
            As for `images`; BAC-PACS-REFUSED where the archive does not take it, with what it said.
        """
        with discreet():
            # From a file, so that it has a preamble: the client writes none of its own.
            dataset = parse(data)
            answer = self._ask(lambda: self._client.store_instances([dataset]))
        failures = [
            f"{int(item.get('FailureReason', 0)):04X}H" for item in answer.get("FailedSOPSequence", [])
        ]
        if failures:
            raise FailedError("BAC-PACS-REFUSED", f"it does not take the object (reason {failures[0]})")
        kept = {str(item.get("ReferencedSOPInstanceUID")) for item in answer.get("ReferencedSOPSequence", [])}
        if str(dataset.SOPInstanceUID) not in kept:
            raise FailedError("BAC-PACS-ANSWER", "it does not say that it keeps the object")

    def _rows(self, request: Callable[[], Any]) -> list[Mapping[str, Any]]:
        rows = self._ask(request)
        if not isinstance(rows, list) or not all(isinstance(row, Mapping) for row in rows):
            raise FailedError("BAC-PACS-ANSWER", "what it answers is no list of DICOM objects")
        return rows

    def _ask(self, request: Callable[[], T]) -> T:
        for attempt in stamina.retry_context(on=_worth_another, attempts=self._attempts, timeout=ANSWER_S):
            with attempt:
                try:
                    return request()
                except requests.RequestException as error:
                    raise _fault(error) from None
                except (ValueError, KeyError, TypeError, AttributeError) as error:
                    raise FailedError(
                        "BAC-PACS-ANSWER", f"what it answers is no DICOMweb ({type(error).__name__})"
                    ) from None
        raise AssertionError  # the last attempt has raised


def _worth_another(error: Exception) -> bool:
    return isinstance(error, FailedError) and error.code == "BAC-PACS-UNREACHABLE"


def _fault(error: requests.RequestException) -> FailedError:
    """Say what went wrong, without the address, which may name a study, and without the body."""
    if isinstance(error, requests.exceptions.InvalidJSONError):
        return FailedError("BAC-PACS-ANSWER", "what it answers is no JSON")
    if isinstance(error, requests.exceptions.SSLError):
        return FailedError("BAC-PACS-REFUSED", "its certificate is not trusted")
    if isinstance(error, requests.exceptions.TooManyRedirects):
        return FailedError("BAC-PACS-REFUSED", "it sends us elsewhere, where nothing of this may go")
    if error.response is None:
        return FailedError("BAC-PACS-UNREACHABLE", f"it does not answer ({type(error).__name__})")
    status = error.response.status_code
    if status in _COME_AGAIN:
        return FailedError("BAC-PACS-UNREACHABLE", f"it has no time or a fault of its own (HTTP {status})")
    if status in (401, 403):
        return FailedError("BAC-PACS-REFUSED", f"it does not let this caller in (HTTP {status})")
    reason = _failure_reason(error.response)
    return FailedError("BAC-PACS-REFUSED", f"it does not take the request (HTTP {status}{reason})")


def _failure_reason(response: requests.Response) -> str:
    try:
        dataset = Dataset.from_json(json.loads(response.content))
        return f", reason {int(dataset.FailedSOPSequence[0].FailureReason):04X}H"
    except Exception:  # most answers hold no such thing
        return ""


def _value(row: Mapping[str, Any], tag: str) -> Any:
    element = row.get(tag)
    values = element.get("Value") if isinstance(element, Mapping) else None
    return values[0] if isinstance(values, list) and values else None
