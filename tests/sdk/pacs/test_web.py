"""DICOMweb services that have no time, answer nonsense or lose objects."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("dicomweb_client", reason="needs bacctl[dicom-network]")

from bac_terms.errors import FailedError
from bacctl.pacs import session
from bacctl.pacs.session import authorization_of, read_authorization
from bacctl.pacs.web import WebArchive, check_service, split_study

STUDY = "2.25.1"
Answer = tuple[int, Any]


class Service:
    """A service that answers GET by a function of the path, and counts."""

    def __init__(self) -> None:
        self.answer: Callable[[str], Answer] = lambda path: (200, [])
        self.asked: list[str] = []
        self.headers: list[dict[str, str]] = []
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                service.asked.append(self.path)
                service.headers.append(dict(self.headers))
                status, body = service.answer(self.path)
                data = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                if status in (301, 307):
                    self.send_header("Location", data.decode())
                self.send_header("Content-Type", "application/dicom+json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_POST = do_GET  # noqa: N815

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


def row(number: int, modality: str = "MG") -> dict[str, Any]:
    return {
        "00080018": {"vr": "UI", "Value": [f"{STUDY}.{number}"]},
        "0020000E": {"vr": "UI", "Value": [f"{STUDY}.9"]},
        "00080060": {"vr": "CS", "Value": [modality]},
    }


def lists(count: int, told: int | None, page: int = 100) -> Callable[[str], Answer]:
    """List so many objects, a page at a time, and say that there are so many."""

    def answer(path: str) -> Answer:
        if path.startswith(f"/dicom-web/studies/{STUDY}/instances"):
            offset = int(path.partition("offset=")[2].partition("&")[0] or 0)
            return 200, [row(number) for number in range(count)][offset : offset + page]
        return 200, [] if told is None else [{"00201208": {"vr": "IS", "Value": [told]}}]

    return answer


@pytest.mark.parametrize("page", [100, 3])
def test_all_pages_are_asked_for(service: Service, page: int) -> None:
    service.answer = lists(8, 8, page)
    assert len(WebArchive(service.url).images(STUDY)) == 8


def test_an_archive_that_knows_no_pages_is_asked_twice(service: Service) -> None:
    rows = [row(number) for number in range(5)]
    service.answer = lambda path: (200, rows if "instances" in path else [])
    assert len(WebArchive(service.url).images(STUDY)) == 5
    assert sum("instances" in path for path in service.asked) == 2


def test_a_list_that_is_shorter_than_the_archive_says_is_refused(service: Service) -> None:
    service.answer = lists(3, 4)
    with pytest.raises(FailedError, match="4 objects and lists 3") as error:
        WebArchive(service.url).images(STUDY)
    assert error.value.code == "BAC-PACS-INCOMPLETE"


def test_other_modalities_of_the_study_are_left_where_they_are(service: Service) -> None:
    rows = [row(1), row(2, "US"), row(3, "SR")]
    service.answer = lambda path: (200, rows if "instances" in path else [])
    assert WebArchive(service.url).images(STUDY) == [(f"{STUDY}.9", f"{STUDY}.1")]


@pytest.mark.parametrize("status", [429, 503])
def test_who_has_no_time_is_asked_again(service: Service, status: int) -> None:
    normal = lists(1, 1)
    service.answer = lambda path: (status, []) if len(service.asked) < 3 else normal(path)
    assert len(WebArchive(service.url).images(STUDY)) == 1


@pytest.mark.parametrize(
    ("status", "body", "code", "asked"),
    [
        (503, [], "BAC-PACS-UNREACHABLE", 2),
        (401, [], "BAC-PACS-REFUSED", 1),
        (404, [], "BAC-PACS-REFUSED", 1),
        (200, b"<html>", "BAC-PACS-ANSWER", 1),
        (200, {"a": 1}, "BAC-PACS-ANSWER", 1),
    ],
)
def test_faults_have_codes_and_only_some_are_tried_again(
    service: Service, status: int, body: Any, code: str, asked: int
) -> None:
    service.answer = lambda path: (status, body)
    with pytest.raises(FailedError) as error:
        WebArchive(service.url, attempts=2).images(STUDY)
    assert error.value.code == code
    assert len(service.asked) == asked
    assert STUDY not in str(error.value)


def test_a_token_is_sent_as_it_was_given(service: Service) -> None:
    service.answer = lists(0, None)
    WebArchive(service.url, "Bearer secret").images(STUDY)
    assert {headers["Authorization"] for headers in service.headers} == {"Bearer secret"}


def test_an_authority_of_ones_own_is_trusted_and_no_netrc_read(
    service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import ssl

    import trustme

    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    service.server.socket = context.wrap_socket(service.server.socket, server_side=True)
    service.answer = lists(0, None)
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login other password other\n")
    (tmp_path / "netrc").chmod(0o600)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    archive = WebArchive(service.url.replace("http:", "https:"), "Bearer secret", attempts=1)
    with pytest.raises(FailedError, match="certificate is not trusted"):
        archive.images(STUDY)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "ca.pem"))
    archive.images(STUDY)
    assert {headers["Authorization"] for headers in service.headers} == {"Bearer secret"}


def test_a_token_does_not_go_in_the_clear() -> None:
    with pytest.raises(ValueError, match="without TLS"):
        WebArchive("http://archive.example/dicom-web", "Bearer secret")
    WebArchive("https://archive.example/dicom-web", "Bearer secret")


def test_tokens_come_from_files_and_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "token"
    file.write_text("abc\n")
    assert read_authorization(file, "TOKEN") == "Bearer abc"
    file.write_text("Basic dXNlcjpwYXNz\n")
    assert read_authorization(file, "TOKEN") == "Basic dXNlcjpwYXNz"
    monkeypatch.setenv("TOKEN", "xyz")
    assert read_authorization(None, "TOKEN") == "Bearer xyz"
    monkeypatch.delenv("TOKEN")
    assert read_authorization(None, "TOKEN") is None
    file.write_text("two\nlines\n")
    with pytest.raises(ValueError, match="no token"):
        read_authorization(file, "TOKEN")


def test_addresses_are_checked() -> None:
    assert split_study("https://h:8/dicom-web/studies/1.2.3/") == ("https://h:8/dicom-web", "1.2.3")
    for wrong in ("https://h/dicom-web", "https://h/studies/..", "ftp://h/studies/1.2", "h/studies/1.2"):
        with pytest.raises(ValueError, match="is no study"):
            split_study(wrong)
    with pytest.raises(ValueError, match="shows in lists"):
        check_service("https://user:secret@h/dicom-web")


def test_a_token_that_changes_in_its_file(service: Service, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("first")
    archive = WebArchive(service.url, authorization_of(file, "UNSET"))
    sent = []
    for held in ("first", "second", "", "third"):
        file.write_text(held)  # empty: being written
        service.answer = lists(0, 0)
        archive.images(STUDY)
        sent.append(service.headers[-1]["Authorization"])
    assert sent == ["Bearer first", "Bearer second", "Bearer second", "Bearer third"]


def test_a_token_does_not_follow_to_another_host(service: Service) -> None:
    other = Service()
    other.answer = lists(0, 0)
    service.answer = lambda path: (
        301,
        other.url.replace("127.0.0.1", "localhost").encode() + path[10:].encode(),
    )
    assert WebArchive(service.url, "Bearer secret").images(STUDY) == []
    assert "Authorization" in service.headers[0]
    assert not any("Authorization" in headers for headers in other.headers)
    assert other.asked
    other.server.shutdown()
    other.server.server_close()


def test_nobody_leads_out_of_tls_or_takes_objects_elsewhere(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    service.answer = lambda path: (301, b"http://archive.example/dicom-web")
    with pytest.raises(FailedError, match="sends us elsewhere") as caught:
        WebArchive(service.url).images(STUDY)  # to this machine counts as private, as TLS does
    assert caught.value.code == "BAC-PACS-REFUSED"
    service.answer = lambda path: (307, b"https://elsewhere.example/dicom-web/studies")
    with pytest.raises(FailedError, match="sends us elsewhere"):
        WebArchive(service.url).store(_object())


def test_an_answer_without_end_is_not_read_to_its_end(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "MOST_BYTES", 4096)
    service.answer = lambda path: (200, b"[" + b" " * 8192 + b"]")
    with pytest.raises(FailedError) as caught:
        WebArchive(service.url, attempts=1).images(STUDY)
    assert caught.value.code == "BAC-PACS-ANSWER"


def _object() -> bytes:
    import io

    from pydicom import Dataset
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage

    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID, dataset.SOPInstanceUID = SecondaryCaptureImageStorage, "2.25.7"
    dataset.StudyInstanceUID = STUDY
    stream = io.BytesIO()
    dataset.save_as(stream, enforce_file_format=True)
    return stream.getvalue()
