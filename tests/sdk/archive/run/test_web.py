"""Images of a manifest that lie in a DICOMweb service, which here is a small one of our own."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pydicom
import pytest
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian
from tests.sdk.archive.run.archives import Archive, Heard

pytest.importorskip("dicomweb_client", reason="needs bacctl[dicom-network]")

from bac_terms.errors import FailedError
from bacctl.archive.manifest import ManifestRow
from bacctl.archive.stores import web
from bacctl.testing import FakeServer, Request, make_report

BOUNDARY = "part"


def dicom(number: int) -> bytes:
    image = pydicom.Dataset()
    image.file_meta = FileMetaDataset()
    image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    image.SOPClassUID = "1.2.840.10008.5.1.4.1.1.1.2"
    image.StudyInstanceUID, image.SeriesInstanceUID, image.SOPInstanceUID = (
        "1.2.1",
        "1.2.2",
        f"1.2.3.{number}",
    )
    image.Rows, image.Columns = 4, 3
    stream = io.BytesIO()
    image.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


class Service:
    """A service that answers WADO-RS for some images, and can be away."""

    def __init__(self) -> None:
        self.statuses: list[int] = []
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                number = int(self.path.rpartition(".")[2])
                status = service.statuses.pop(0) if service.statuses else (404 if number > 5 else 200)
                body = (
                    b""
                    if status != 200
                    else (
                        f"--{BOUNDARY}\r\nContent-Type: application/dicom\r\n\r\n".encode()
                        + dicom(number)
                        + f"\r\n--{BOUNDARY}--\r\n".encode()
                    )
                )
                self.send_response(status)
                kind = f'multipart/related; type="application/dicom"; boundary={BOUNDARY}'
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/dicom-web"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def service() -> Iterator[Service]:
    one = Service()
    yield one
    one.server.shutdown()
    one.server.server_close()


@pytest.fixture
def fake() -> FakeServer:
    def measure(request: Request) -> dict[str, Any]:
        uid = str(pydicom.dcmread(io.BytesIO(request.data)).SOPInstanceUID)
        return make_report(sop_instance_uid=uid, calcium_mass_mg=float(uid.rpartition(".")[2]))

    return FakeServer(measure)


def listed(archive: Archive, service: Service, numbers: range) -> Archive:
    archive.rows = [
        ManifestRow(
            f"{service.url}/studies/1.2.1/series/1.2.2/instances/1.2.3.{number}",
            sop_instance_uid=f"1.2.3.{number}",
        )
        for number in numbers
    ]
    archive.write()
    return archive


def test_images_are_fetched_and_measured(empty_archive: Archive, service: Service, fake: FakeServer) -> None:
    counts = listed(empty_archive, service, range(1, 7)).run(fake)
    assert counts.by_status == {"ok": 5, "failed": 1}
    assert counts.by_code == {"BAC-FILE-UNREADABLE": 1}  # the service has no sixth


def test_a_service_that_is_away_is_waited_for(
    empty_archive: Archive,
    service: Service,
    fake: FakeServer,
    heard: Heard,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("bacctl.archive.run.loop._FIRST_WAIT_S", 0.01)
    archive = listed(empty_archive, service, range(1, 6))
    real = web.WebArchive
    monkeypatch.setattr(web, "WebArchive", lambda *given: real(*given, attempts=1))  # else it waits itself
    service.statuses = [503, 503, 503]
    counts = archive.run(fake, heard=heard)
    assert counts.by_status == {"ok": 5}
    assert len(fake.requests) == 5
    assert any("BAC-STORAGE-UNREACHABLE" in line for line in heard.lines)


def test_a_service_that_lets_nobody_in_ends_the_run(
    empty_archive: Archive, service: Service, fake: FakeServer
) -> None:
    archive = listed(empty_archive, service, range(1, 6))
    service.statuses = [401] * 5
    with pytest.raises(FailedError, match=r"BAC-STORAGE-REFUSED.*401"):
        archive.run(fake)
    assert archive.counts.settled == 0
