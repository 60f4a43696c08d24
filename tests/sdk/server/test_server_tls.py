"""Certificates of a server: which fit, what Triton is told, and how a wrong one is named."""

from __future__ import annotations

import datetime
import os
import socket
from pathlib import Path

import pytest
import trustme

from bac_terms.errors import ServerUnavailableError
from bacctl.keeper.notify import notify
from bacctl.server.renewal import KeptTls
from bacctl.server.tls import ServerTls


def written(folder: Path, issued: trustme.LeafCert) -> tuple[Path, Path]:
    folder.mkdir(exist_ok=True)
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    certificate.write_bytes(b"".join(part.bytes() for part in issued.cert_chain_pems))
    issued.private_key_pem.write_to_path(str(key))
    return certificate, key


@pytest.mark.parametrize(
    ("names", "first"),
    [
        (("mammo.example.org", "localhost"), "mammo.example.org"),
        (("127.0.0.1",), "127.0.0.1"),
        (("*.example.org",), "bacctl.example.org"),
    ],
)
def test_the_name_of_a_certificate(
    tmp_path: Path, authority: trustme.CA, names: tuple[str, ...], first: str
) -> None:
    assert ServerTls(*written(tmp_path, authority.issue_cert(*names))).server_name() == first


def test_flags(tmp_path: Path) -> None:
    one = ServerTls(Path("/c.pem"), Path("/k.pem"))
    assert one.flags() == ["--grpc-use-ssl=true", "--grpc-server-cert=/c.pem", "--grpc-server-key=/k.pem"]
    mutual = ServerTls(Path("/c.pem"), Path("/k.pem"), Path("/ca.pem")).flags()
    assert mutual[0] == "--grpc-use-ssl-mutual=true"
    assert mutual[-1] == "--grpc-root-cert=/ca.pem"


def test_files_that_do_not_fit_are_named(tmp_path: Path, authority: trustme.CA) -> None:
    certificate, key = written(tmp_path / "a", authority.issue_cert("a.example.org"))
    _, other_key = written(tmp_path / "b", authority.issue_cert("b.example.org"))
    text = tmp_path / "text"
    text.write_text("words")
    for tls, said in (
        (ServerTls(certificate, other_key), "the content does not fit"),
        (ServerTls(text, key), "the content does not fit"),
        (ServerTls(tmp_path / "nowhere", key), "No such file"),
        (ServerTls(certificate, key, text), f"{text}: is not a certificate of an authority"),
    ):
        with pytest.raises(ServerUnavailableError, match=said) as caught:
            tls.server_name()
        assert str(tmp_path) in str(caught.value)


def test_a_certificate_of_the_past_is_refused(tmp_path: Path, authority: trustme.CA) -> None:
    past = datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc)
    issued = authority.issue_cert(
        "a.example.org", not_before=past, not_after=past + datetime.timedelta(days=1)
    )
    with pytest.raises(ServerUnavailableError, match="expired"):
        ServerTls(*written(tmp_path, issued)).server_name()


def test_files_that_are_renewed(tmp_path: Path, authority: trustme.CA) -> None:
    told: list[str] = []
    certificate, key = written(tmp_path, authority.issue_cert("old.example.org"))
    kept = KeptTls(ServerTls(certificate, key), told.append)
    assert kept.due() is None
    renewed = authority.issue_cert("new.example.org")
    certificate.unlink()
    assert kept.due() is None
    renewed.cert_chain_pems[0].write_to_path(str(certificate))
    assert (kept.due(), kept.due()) == (None, None)
    assert len(told) == 1
    assert str(certificate) in told[0]
    assert kept.used.server_name() == "old.example.org"
    renewed.private_key_pem.write_to_path(str(key))
    assert kept.due() == "its certificate files have changed"
    assert kept.used.server_name() == "old.example.org"  # until the server is started again
    kept.take()
    assert kept.due() is None
    assert kept.used.server_name() == "new.example.org"
    assert len(told) == 1


def test_a_service_manager_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    assert not notify("READY=1")
    name = f"bacctl-test-{os.getpid()}"
    for address, bound in ((str(tmp_path / "socket"), str(tmp_path / "socket")), (f"@{name}", f"\0{name}")):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.bind(bound)
            manager.settimeout(5.0)
            monkeypatch.setenv("NOTIFY_SOCKET", address)
            assert notify("READY=1\nSTATUS=x")
            assert manager.recv(100) == b"READY=1\nSTATUS=x"
    assert not notify("READY=1")  # nobody listens any more
