"""DICOMweb services that page, cut, repeat and contradict themselves; a real one is in tests/e2e/network."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pydicom
import pytest

pytest.importorskip("dicomweb_client", reason="needs bacctl[dicom-network]")

from bac_terms.errors import FailedError
from bacctl.archive.manifest import Manifest, ManifestRow
from bacctl.archive.scanning.scan import scan
from bacctl.pacs import web

from .images import mammogram

pytestmark = pytest.mark.filterwarnings("ignore")


class Service:
    """A service of some studies with two views each."""

    def __init__(self, studies: int) -> None:
        self.studies = [f"1.2.840.99.{number}" for number in range(studies)]
        self.page, self.knows_offset, self.knows_dates = 1000, True, True
        self.cap = 1000  # of a whole list, however it is paged
        self.days = {study: f"202401{number + 10}" for number, study in enumerate(self.studies)}
        self.other: set[str] = set()
        self.told: dict[str, int] = {}
        self.broken: dict[str, Any] = {}
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                path = urlsplit(self.path)
                asked = {name: values[0] for name, values in parse_qs(path.query).items()}
                body = service.answer(path.path.removeprefix("/dicom-web"), asked)
                self.send_response(body if isinstance(body, int) else 200)
                data = b"" if isinstance(body, int) else json.dumps(body).encode()
                self.send_header("Content-Type", "application/dicom+json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/dicom-web"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answer(self, path: str, asked: dict[str, str]) -> Any:
        if path == "/studies":
            first, last = asked.get("StudyDate", "0-9").split("-")
            found = [
                study for study in self.studies if not self.knows_dates or first <= self.days[study] <= last
            ]
            if hours := asked.get("StudyTime"):  # all but one were in the morning
                found = [study for study in found if (study == self.studies[-1]) == (hours > "12")]
            start = int(asked.get("offset", 0)) if self.knows_offset else 0
            found = found[: self.cap][start : start + min(self.page, int(asked["limit"]))]
            return [
                {
                    "0020000D": {"vr": "UI", "Value": [study]},
                    "00080020": {"vr": "DA", "Value": [self.days[study]]},
                    "00080061": {"vr": "CS", "Value": ["CT"] if study in self.other else ["MG", "SR"]},
                    "00201208": {"vr": "IS", "Value": [self.told.get(study, 2)]},
                }
                for study in found
            ]
        study = path.split("/")[2]
        return self.broken.get(study, [self.header(study, number) for number in (1, 2)])

    def header(self, study: str, number: int, **header: Any) -> dict[str, Any]:
        data = mammogram(
            StudyInstanceUID=study,
            SeriesInstanceUID=f"{study}.1",
            SOPInstanceUID=f"{study}.1.{number}",
            ImageLaterality="LR"[number % 2],
            **header,
        )
        dataset = pydicom.dcmread(io.BytesIO(data), stop_before_pixels=True)
        found: dict[str, Any] = dataset.to_json_dict()
        return found


@pytest.fixture
def service() -> Iterator[Service]:
    one = Service(7)
    yield one
    one.server.shutdown()
    one.server.server_close()


def rows(path: Path) -> list[ManifestRow]:
    with Manifest(path) as manifest:
        return [row for _, row in manifest.read()]


def test_every_page_is_asked_for(service: Service, tmp_path: Path) -> None:
    service.page = 3  # a limit of its own, below what is asked for
    service.broken[service.studies[1]] = [
        service.header(service.studies[1], 1, PaddleDescription="SPOT"),
        {key: value for key, value in service.header(service.studies[1], 2).items() if key != "00280010"},
    ]
    summary = scan(service.url, str(tmp_path / "m"))
    found = rows(tmp_path / "m")
    assert summary.faults.count == 0
    assert (summary.images, summary.measurable, summary.other, summary.studies) == (13, 12, 1, 7)
    first = found[0]
    study = service.studies[0]
    assert first.uri == f"{service.url}/studies/{study}/series/{study}.1/instances/{study}.1.1"
    assert (first.sop_instance_uid, first.laterality, first.view) == (f"{study}.1.1", "R", "CC")
    assert (first.manufacturer, first.month, first.age_band) == ("ACME", "2024-03", "60-64")
    assert (first.size, first.header_sha256, first.transfer_syntax) == (None, None, None)
    assert [row.code for row in found if row.code] == ["BAC-VIEW-SPOT"]


def test_studies_without_mammograms_are_passed_over(service: Service, tmp_path: Path) -> None:
    service.other = set(service.studies[:3])
    assert scan(service.url, str(tmp_path / "m")).studies == 4


@pytest.mark.parametrize(("cap", "knows_offset"), [(1000, False), (3, True), (2, False)])
def test_lists_that_are_cut_are_asked_for_by_days(
    service: Service, tmp_path: Path, cap: int, knows_offset: bool
) -> None:
    service.page, service.cap, service.knows_offset = 3, cap, knows_offset
    service.days = {study: f"2024011{number // 2}" for number, study in enumerate(service.studies)}
    if cap == 2:  # a list may be as long as a day
        service.days = {study: f"2024011{number}" for number, study in enumerate(service.studies)}
    summary = scan(service.url, str(tmp_path / "m"))
    assert summary.faults.first == []
    assert summary.studies == 7
    assert len({row.uri for row in rows(tmp_path / "m")}) == 14


@pytest.mark.parametrize(
    "why", ["it does not list by date of study", "one day has as many as its longest list"]
)
def test_what_cannot_be_checked_is_named(service: Service, tmp_path: Path, why: str) -> None:
    if "date" in why:
        service.page, service.knows_offset, service.knows_dates = 3, False, False
    else:
        service.cap = 3
        service.days = dict.fromkeys(service.studies, "20240110")
    summary = scan(service.url, str(tmp_path / "m"))
    ((uri, code, text),) = summary.faults.first
    assert (uri, code) == (service.url, "BAC-PACS-INCOMPLETE")
    assert why in text
    assert 3 <= summary.studies < 7


def test_studies_that_are_not_whole_are_named(
    service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web, "ATTEMPTS", 1)
    short, nonsense, refused, odd = service.studies[1:5]
    service.told[short] = 9
    service.broken = {nonsense: {"no": "list"}, refused: 403}
    service.broken[odd] = [{**service.header(odd, 1), "0020000E": {"vr": "UI", "Value": ["../../x"]}}]
    service.told[odd] = 1
    summary = scan(service.url, str(tmp_path / "m"))
    told = {uri.rpartition("/")[2]: (code, text) for uri, code, text in summary.faults.first}
    assert told.pop(short) == ("BAC-PACS-INCOMPLETE", "it says that the study has 9 objects and lists 2")
    assert {study: code for study, (code, _) in told.items()} == {
        nonsense: "BAC-PACS-ANSWER",
        refused: "BAC-PACS-REFUSED",
        odd: "BAC-PACS-ANSWER",
    }
    assert summary.images == 8


def test_one_that_is_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web.WebArchive.__init__, "__kwdefaults__", {"attempts": 1})
    with pytest.raises(FailedError, match="BAC-PACS-UNREACHABLE"):
        scan("http://127.0.0.1:9/dicom-web", str(tmp_path / "m"))
    with pytest.raises(ValueError, match="without TLS"):
        scan("http://archive.example/dicom-web", str(tmp_path / "m"), authorization="Bearer x")
    assert list(tmp_path.iterdir()) == []
